"""softmax, cross entropy and the binary one: every instruction set against `reference`."""

import numpy as np
import pytest
from helpers import (
    assert_close,
    assert_same_bits,
    check_kernel,
    check_same_on_isas,
    check_same_on_threads,
    normals,
)

from minidrop import _kernels as k

# one column, around the widths of vectors, around where rows stop to be turned, long
COLUMNS = [1, 2, 3, 4, 5, 7, 8, 9, 10, 15, 16, 17, 31, 33, 47, 48, 49, 63, 64, 65, 100, 1000]
ROWS = [0, 1, 3, 4, 7, 8, 9, 15, 16, 17, 40]
both = pytest.mark.parametrize("log", [False, True], ids=["softmax", "log_softmax"])


def labels_for(rows, cols, seed=3):
    return np.random.default_rng(seed).integers(0, cols, rows)


@both
@pytest.mark.parametrize("cols", COLUMNS)
def test_softmax_at_edges(isa, cols, log):
    for rows in ROWS:
        x, dout = 3 * normals((rows, cols), 1), normals((rows, cols), 2)
        (y,) = check_kernel(isa, k.softmax, x, log=log)
        check_kernel(isa, k.softmax_backward, dout, y, log=log, scale=3)


@both
def test_softmax_is_numpys(isa, log):
    x = 4 * normals((12, 5, 30), 1)
    e = np.exp(x.astype(np.float64) - x.max(-1, keepdims=True))
    expected = e / e.sum(-1, keepdims=True)
    assert_close(k.softmax(x, log=log), np.log(expected) if log else expected)


@both
@pytest.mark.parametrize("shape", [(999, 10), (41, 48), (41, 49), (300, 333)])
def test_softmax_same_bits(shape, log):
    x, dout = 5 * normals(shape, 1), normals(shape, 2)
    (y,) = check_same_on_isas(k.softmax, x, log=log)
    check_same_on_threads(k.softmax, x, log=log)
    check_same_on_isas(k.softmax_backward, dout, y, log=log)
    check_same_on_threads(k.softmax_backward, dout, y, log=log)


@pytest.mark.parametrize("cols", [10, 100])
def test_a_row_has_one_result_whatever_stands_beside_it(isa, cols):
    x = normals((50, cols))
    whole = k.softmax(x)
    for row in (0, 17, 49):
        assert_same_bits(k.softmax(x[row]), whole[row])


@pytest.mark.parametrize("cols", [4, 100])
def test_large_logits(isa, cols):
    x = np.zeros((2, cols), np.float32)
    x[0, 1], x[1, 2], x[1, 3] = 3e38, -3e38, 1e4
    y = k.softmax(x)
    np.testing.assert_array_equal(y, np.eye(cols, dtype=np.float32)[[1, 3]])
    np.testing.assert_array_equal(k.softmax(x, log=True)[0, :3], np.float32([-3e38, 0, -3e38]))


@pytest.mark.parametrize("cols", [4, 100])
def test_minus_inf_has_no_share(isa, cols):
    x = np.full((1, cols), -np.inf, np.float32)
    x[0, :2] = 7
    y = k.softmax(x)
    np.testing.assert_array_equal(y[0, :4], [0.5, 0.5, 0, 0])
    assert k.softmax(x, log=True)[0, 3] == -np.inf


@both
@pytest.mark.parametrize("cols", [4, 100])
@pytest.mark.parametrize("bad", [np.nan, np.inf, "all -inf"])
def test_rows_without_an_answer_are_nan(isa, cols, bad, log):
    x = normals((3, cols))
    x[1, 2 : 3 if bad != "all -inf" else None] = -np.inf if bad == "all -inf" else bad
    if bad == "all -inf":
        x[1] = -np.inf
    y = k.softmax(x, log=log)
    assert np.isnan(y[1]).any() and not np.isnan(y[[0, 2]]).any()
    if not log:
        assert np.isnan(y[1]).all() or bad == np.inf


@both
def test_no_columns(isa, log):
    assert k.softmax(np.zeros((3, 0), np.float32), log=log).shape == (3, 0)


# ---- cross entropy ----


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("cols", COLUMNS)
def test_cross_entropy_at_edges(isa, cols, smoothing):
    for rows in ROWS:
        x = 3 * normals((rows, cols), 1)
        check_kernel(isa, k.cross_entropy, x, labels_for(rows, cols), smoothing, scale=0.25)


@pytest.mark.parametrize("shape", [(999, 10), (41, 48), (41, 49), (300, 333)])
def test_cross_entropy_same_bits(shape):
    x, labels = 5 * normals(shape, 1), labels_for(*shape)
    for smoothing in (0.0, 0.1):
        check_same_on_isas(k.cross_entropy, x, labels, smoothing, scale=1 / shape[0])
        check_same_on_threads(k.cross_entropy, x, labels, smoothing, scale=1 / shape[0])


@pytest.mark.parametrize("cols", [10, 100])
def test_cross_entropy_without_gradient_has_the_same_losses(isa, cols):
    x, labels = normals((20, cols)), labels_for(20, cols)
    losses, dx = k.cross_entropy(x, labels, gradient=False)
    assert dx is None
    assert_same_bits(losses, k.cross_entropy(x, labels)[0])


@pytest.mark.parametrize("cols", [10, 100])
def test_cross_entropy_of_impossible_label(isa, cols):
    x = np.zeros((2, cols), np.float32)
    x[0, 4] = -np.inf
    losses, dx = k.cross_entropy(x, np.array([4, 4]))
    assert losses[0] == np.inf and losses[1] == pytest.approx(np.log(cols))
    assert dx[0, 4] == -1
    losses, _ = k.cross_entropy(x, np.array([3, 3]))
    assert losses[0] == pytest.approx(np.log(cols - 1))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.int64, np.uint64, ">i4"])
def test_labels_of_every_integer_type(isa, dtype):
    x, labels = normals((20, 10)), labels_for(20, 10)
    expected = k.cross_entropy(x, labels)
    for got, same in zip(k.cross_entropy(x, labels.astype(dtype)), expected, strict=True):
        assert_same_bits(got, same)


def test_labels_strided_and_read_only(isa):
    x, labels = normals((3, 4, 5)), labels_for(24, 5).reshape(4, 6)[:, ::2].T
    labels.flags.writeable = False
    losses, dx = k.cross_entropy(x, labels)
    assert losses.shape == (3, 4) and dx.shape == (3, 4, 5)
    assert_same_bits(losses, k.cross_entropy(x, labels.copy())[0])


@pytest.mark.parametrize("bad", [10, -1, 2**40, -(2**40)])
def test_label_out_of_range_is_named(bad):
    x, labels = normals((6, 4, 10)), labels_for(24, 10).reshape(6, 4)
    labels[3, 2] = labels[5, 0] = bad
    with pytest.raises(ValueError, match=rf"labels\[3, 2\] is {bad}, but logits have 10 classes"):
        k.cross_entropy(x, labels)


def test_bad_arguments_name_themselves():
    x, labels = normals((6, 10)), labels_for(6, 10)
    with pytest.raises(ValueError, match=r"labels must have shape \(6,\).* got \(5,\)"):
        k.cross_entropy(x, labels[:5])
    with pytest.raises(TypeError, match="labels must be integers, got float64"):
        k.cross_entropy(x, labels.astype(float))
    with pytest.raises(TypeError, match="labels must be integers, got bool"):
        k.cross_entropy(x, labels > 2)
    with pytest.raises(ValueError, match=r"labels\[0\] is 18446744073709551615"):
        k.cross_entropy(x, np.full(6, 2**64 - 1, np.uint64))
    with pytest.raises(ValueError, match="label_smoothing must be from 0 to 1, got 1.5"):
        k.cross_entropy(x, labels, 1.5)
    with pytest.raises(ValueError, match="logits must have shape"):
        k.cross_entropy(np.array(1, np.float32), labels)
    with pytest.raises(ValueError, match="x must have at least one dimension, got a scalar"):
        k.softmax(np.array(1, np.float32))
    with pytest.raises(ValueError, match=r"dout must have the shape of y"):
        k.softmax_backward(x[:2], x)


# ---- binary cross entropy ----


def test_binary_cross_entropy_at_edges(isa):
    for n in (0, 1, 3, 8, 15, 16, 17, 16385):
        x, target = 5 * normals(n, 1), np.abs(np.sin(normals(n, 2)))
        check_kernel(isa, k.binary_cross_entropy, x, target)
        check_kernel(isa, k.binary_cross_entropy_slope, x, target)


def test_binary_cross_entropy_keeps_small_losses(isa):
    x = np.array([15, -15, 60, -60, 200, -200], np.float32)
    target = np.array([1, 0, 1, 0, 1, 0], np.float32)
    losses = k.binary_cross_entropy(x, target)
    np.testing.assert_allclose(
        losses, np.log1p(np.exp(-np.abs(x.astype(np.float64)))), rtol=1e-6, atol=1e-45
    )
    np.testing.assert_array_equal(k.binary_cross_entropy(x[4:], 1 - target[4:]), [200, 200])


def test_binary_cross_entropy_same_bits():
    x, target = 5 * normals(40_003, 1), np.abs(np.sin(normals(40_003, 2)))
    for kernel in (k.binary_cross_entropy, k.binary_cross_entropy_slope):
        check_same_on_isas(kernel, x, target)
        check_same_on_threads(kernel, x, target)
