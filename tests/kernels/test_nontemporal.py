"""Outputs that go past the caches, and inputs that are asked for before they are wanted: with a
cache of nothing all of them are, and not a bit is other than with one that holds everything."""

import numpy as np
import pytest
from helpers import assert_same_bits, normals, on_isa, results

import minidrop.functional as F
from minidrop import _kernels, no_grad
from minidrop.tensor import Tensor

EVERYTHING = 1 << 60


def check_past(isa, call):
    """The same bits past the caches, whatever of the output can go there, as into them; on two
    threads too, where one reads what the other has stored."""
    for threads in (1, 2):
        _kernels.set_num_threads(threads)
        _kernels.set_cache_bytes(EVERYTHING)
        into = on_isa(isa, call)
        _kernels.set_cache_bytes(1)
        past = on_isa(isa, call)
        for got, expected in zip(past, into, strict=True):
            assert_same_bits(got, expected)


@pytest.mark.parametrize("level, least", [(1, 1 << 14), (3, 1 << 20)])
def test_the_machine_is_asked_for_its_caches(level, least):
    found = _kernels.cache_bytes(level)
    assert found >= least
    _kernels.set_cache_bytes(12345, level)
    assert _kernels.cache_bytes(level) == 12345
    _kernels.set_cache_bytes(0, level)
    assert _kernels.cache_bytes(level) == found
    with pytest.raises((OverflowError, TypeError)):
        _kernels.set_cache_bytes(-1, level)
    assert _kernels.cache_bytes(level) == found
    with pytest.raises(ValueError, match="level must be 1 or 3, got 2"):
        _kernels.set_cache_bytes(1, level=2)


SIZES = {"empty": 0, "one": 1, "odd_tail": 1003, "whole_lines": 4096, "many_items": 150_001}


@pytest.mark.parametrize("n", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_elementwise(isa, n, dtype):
    x, y = normals((n,), 1, dtype), normals((n,), 2, dtype)
    for call in (
        lambda: F.relu(Tensor(x)).data, lambda: F.gelu(Tensor(x)).data,
        lambda: _kernels.neg(x), lambda: _kernels.clip(x, -0.5, 0.7), lambda: _kernels.add(x, y),
        lambda: _kernels.mul(x, 3.0), lambda: _kernels.sub(3.0, x), lambda: _kernels.power(x, 3.0),
    ):  # fmt: skip
        check_past(isa, call)


@pytest.mark.parametrize("cols", [1, 7, 16, 33, 64])
def test_broadcast_rows_begin_anywhere(isa, cols):
    """Rows of 7 or 33 reals begin where no vector may be stored past the caches."""
    a, b = normals((30, 5, cols), 1), normals((5, 1), 2)
    check_past(isa, lambda: _kernels.add(a, b))
    check_past(isa, lambda: _kernels.mul(a, normals((30, 1, cols), 3)))


# A call's first element decides where a strip ends, and with it where the next one begins.
@pytest.mark.parametrize("offset", [0, 1, 8191, 12_345])
@pytest.mark.parametrize("p", [0.5, 0.2])
def test_dropout_strips_begin_anywhere(isa, offset, p):
    x = normals((70_003,), 1)
    check_past(isa, lambda: _kernels.dropout_forward(x, p, 3, 1, 2, offset=offset))
    check_past(isa, lambda: _kernels.dropout_forward(x, p, 3, 1, 2, offset=offset, keep_bits=False))


def test_dropout_backward_and_zoneout(isa):
    x, old = normals((70_003,), 1), normals((70_003,), 2)
    _, bits = _kernels.dropout_forward(x, 0.5, 3, 1, 2, keep_bits=True)
    check_past(isa, lambda: _kernels.dropout_backward(x, bits, 0.5))
    check_past(isa, lambda: _kernels.zoneout_forward(x, old, 0.3, 3, 1, 2))
    _, bits = _kernels.zoneout_forward(x, old, 0.3, 3, 1, 2, keep_bits=True)
    check_past(isa, lambda: _kernels.zoneout_backward(x, bits))


@pytest.mark.parametrize("variant", ["alpha_dropout", "dropout1d", "feature_alpha_dropout"])
def test_other_laws_of_dropout(isa, variant):
    x = Tensor(normals((30, 41, 9), 1))
    call = getattr(F, variant)
    with no_grad():
        check_past(isa, lambda: call(x, 0.3, training=True, seed=5).data)


@pytest.mark.parametrize("channels", [1, 3, 16, 64, 70])
def test_norms(isa, channels):
    x, dy = normals((700, channels), 1), normals((700, channels), 2)
    weight = normals((channels,), 3)
    mean, var = _kernels.batch_statistics(x)
    check_past(isa, lambda: _kernels.batch_statistics(x))
    check_past(isa, lambda: _kernels.batch_norm(x, mean, var, weight, weight))
    check_past(isa, lambda: _kernels.batch_norm_backward(dy, x, mean, var, weight))
    check_past(isa, lambda: _kernels.layer_norm(x, (channels,), weight, weight))
    _, mean, inverse = _kernels.layer_norm(x, (channels,))
    check_past(isa, lambda: _kernels.layer_norm_backward(dy, x, (channels,), mean, inverse, weight))


@pytest.mark.parametrize("shape", [(0, 5), (3, 7), (8, 16), (700, 1), (700, 33), (41, 2100)])
def test_sums_of_columns(isa, shape):
    x = normals(shape, 1)
    check_past(isa, lambda: _kernels.sum_over(x, (0,)))
    check_past(isa, lambda: _kernels.sum_over(x, (0,), squares=True))


# kernel, stride: windows side by side, with pixels between them, and over each other
@pytest.mark.parametrize("window", [(2, 2), (2, 3), (3, 2)], ids=str)
@pytest.mark.parametrize("channels", [3, 16, 24, 32])
def test_pooling(isa, window, channels):
    x = normals((2, 11, 9, channels), 1)
    y, where = _kernels.max_pool2d_forward(x, *window)
    check_past(isa, lambda: _kernels.avg_pool2d_forward(x, *window))
    check_past(isa, lambda: _kernels.max_pool2d_backward(y, where, x.shape, *window))
    check_past(isa, lambda: _kernels.avg_pool2d_backward(y, x.shape, *window))


@pytest.mark.parametrize("m", [1, 3, 13, 70, 600])
@pytest.mark.parametrize("n", [10, 16, 24, 48, 130, 544])
def test_matmul(isa, m, n):
    """Few rows and many, whole lines and parts of one, one slice of k and several."""
    for k in (0, 9, 500):
        a, b, bias = normals((m, k), 1), normals((k, n), 2), normals((n,), 3)
        check_past(isa, lambda a=a, b=b: _kernels.matmul(a, b))
        check_past(isa, lambda a=a, b=b, bias=bias: _kernels.matmul(a, b, bias, relu=True))


# image, kernel, channels in and out, stride, padding, groups
CONVOLUTIONS = {
    "plain": (12, 3, 16, 32, 1, 0, 1),
    "padded": (13, 3, 16, 48, 1, 1, 1),
    "pointwise": (8, 1, 32, 64, 1, 0, 1),
    "stride": (15, 5, 16, 16, 2, 2, 1),
    "deep": (7, 3, 256, 32, 1, 1, 1),
    "part_of_a_line": (9, 3, 8, 24, 1, 1, 1),
    "groups": (9, 3, 32, 32, 1, 1, 2),
    "depthwise": (19, 3, 16, 16, 1, 1, 16),
    "depthwise_part_of_a_line": (9, 3, 24, 24, 2, 1, 24),
}


@pytest.mark.parametrize("algo", ["direct", "auto"])
@pytest.mark.parametrize("shape", CONVOLUTIONS.values(), ids=CONVOLUTIONS.keys())
def test_conv2d(isa, shape, algo):
    size, kernel, cin, cout, stride, padding, groups = shape
    x = normals((3, size, size, cin), 1)
    w, bias = normals((kernel, kernel, cin // groups, cout), 2), normals((cout,), 3)
    how = {"stride": stride, "padding": padding, "groups": groups, "algo": algo}
    (y,) = results(_kernels.conv2d_forward, x, w, bias, **how)
    check_past(isa, lambda: _kernels.conv2d_forward(x, w, bias, relu=True, **how))
    check_past(isa, lambda: _kernels.conv2d_backward(y, x, w, **how))
    check_past(isa, lambda: _kernels.conv2d_backward(y, x, w, want_dw=False, want_db=False, **how))


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("pool", [1, 2])
def test_winograd(isa, kernel, pool):
    """Whole tiles and those at the border of an image; behind pooling y stays in the cache."""
    x, w = normals((3, 15, 14, 16), 1), normals((kernel, kernel, 16, 32), 2)
    how = {"padding": 1, "relu": True, "pool": pool, "algo": "winograd"}
    check_past(isa, lambda: _kernels.conv2d_forward(x, w, **how))
