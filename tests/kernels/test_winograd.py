"""Winograd's convolution: every geometry within its bound of the direct one in float64, the exact
adjoint, the same bits on instruction sets, threads, blocks and batches, and who may take it."""

import numpy as np
import pytest
from helpers import (
    assert_same_bits,
    check_same_on_isas,
    check_same_on_threads,
    normals,
    run_python,
)

from minidrop import _kernels

# Largest error of an output or gradient over its largest magnitude, for standard normal operands,
# up to 256 channels. Typical: 1e-6 with 32 channels, 4e-6 with 256; direct has 5e-7.
BOUND = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-13}

# n, (h, w), cin, cout, kernel, padding
CASES = {
    "whole_tiles": (2, (10, 14), 16, 32, 3, 0),
    "ragged": (2, (9, 7), 3, 5, 3, 1),
    "one_pixel": (2, (3, 3), 4, 4, 3, 0),
    "one_row": (1, (3, 20), 17, 33, 3, 0),
    "padding_2": (2, (6, 11), 8, 9, 3, 2),
    "padding_beyond": (1, (2, 3), 4, 4, 3, 4),
    "uneven_padding": (2, (8, 6), 5, 20, 3, (0, 2)),
    "vector_tails": (1, (8, 8), 31, 17, 3, 1),
    "deep": (1, (6, 6), 200, 40, 3, 1),
    "strips": (1, (50, 66), 70, 60, 3, 1),
    "several_images_a_block": (40, (6, 6), 8, 8, 3, 0),
    "five": (2, (14, 14), 16, 20, 5, 2),
    "five_ragged": (3, (8, 7), 5, 33, 5, 1),
    "five_unpadded": (1, (5, 6), 33, 3, 5, 0),
}


def inputs(name, dtype=np.float32):
    n, size, cin, cout, kernel, padding = CASES[name]
    x = normals((n, *size, cin), 1, dtype)
    return x, normals((kernel, kernel, cin, cout), 2, dtype), normals(cout, 3, dtype), padding


def forward(x, w, b, padding, algo="winograd", **tail):
    return _kernels.conv2d_forward(x, w, b, 1, padding, algo=algo, **tail)


def backward(dy, x, w, padding, algo="winograd", **tail):
    return _kernels.conv2d_backward(dy, x, w, 1, padding, algo=algo, **tail)


def assert_bounded(got, expected):
    """Within BOUND of the largest magnitude expected."""
    assert got.shape == expected.shape
    if got.size:
        error = np.abs(got - expected).max() / max(np.abs(expected).max(), 1e-30)
        assert error <= BOUND[got.dtype], f"error {error:.1e} of the largest value"


def double(*arrays):
    return [a.astype(np.float64) for a in arrays]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_every_geometry_is_within_its_bound(isa, name, dtype):
    x, w, b, padding = inputs(name, dtype)
    exact = forward(*double(x, w, b), padding, algo="direct")
    assert_bounded(forward(x, w, b, padding), exact)
    dy = normals(exact.shape, 4, dtype)
    expected = backward(*double(dy, x, w), padding, algo="direct")
    for got, wanted in zip(backward(dy, x, w, padding), expected, strict=True):
        assert_bounded(got, wanted)


@pytest.mark.parametrize("channels", [(32, 64, 2e-6), (256, 64, 6e-6)])
def test_typical_errors(channels):
    cin, cout, bound = channels
    x, w = normals((2, 26, 26, cin), 1), normals((3, 3, cin, cout), 2)
    exact = forward(*double(x, w), None, 0, algo="direct")
    assert np.abs(forward(x, w, None, 0) - exact).max() <= bound * np.abs(exact).max()


def test_relu_and_pool_are_fused_with_the_same_bits(isa):
    for name, pool in (
        ("ragged", 2),
        ("vector_tails", 2),
        ("five_ragged", 2),
        ("whole_tiles", 4),
        ("five", 3),
        ("uneven_padding", 5),
    ):
        x, w, b, padding = inputs(name)
        y = forward(x, w, b, padding)
        relu = np.where(y > 0, y, np.float32(0))
        assert_same_bits(forward(x, w, b, padding, relu=True), relu)
        value, winners = forward(x, w, b, padding, relu=True, pool=pool, want_where=True)
        pooled, places = _kernels.max_pool2d_forward(relu, pool)
        assert_same_bits(value, pooled)
        assert_same_bits(winners, places)

        dy = normals(value.shape, 4)
        fused = backward(dy, x, w, padding, relu_output=value, pool=pool, where=winners)
        dz = np.where(value > 0, dy, np.float32(0))
        dz = _kernels.max_pool2d_backward(dz, places, relu.shape, pool)
        for got, expected in zip(fused, backward(dz, x, w, padding), strict=True):
            assert_same_bits(got, expected)


@pytest.mark.parametrize("pool", [2, 3])
def test_pool_is_fused_for_nan(isa, pool):
    x, w, b, padding = inputs("ragged")
    x[0, 2, 2, 0] = np.inf
    unpooled = forward(x, w, b, padding, relu=True)
    assert np.isnan(unpooled).any() and not np.isnan(unpooled).all()
    expected, places = _kernels.max_pool2d_forward(unpooled, pool)
    y, winners = forward(x, w, b, padding, relu=True, pool=pool, want_where=True)
    np.testing.assert_array_equal(y, expected)
    np.testing.assert_array_equal(winners, places)


@pytest.mark.parametrize("pool", [1, 2, 3, 7])
def test_strips_hold_whole_windows(pool):
    x, w, b, padding = inputs("strips")
    y = forward(x, w, b, padding, pool=pool)
    whole = forward(x, w, b, padding)
    n, rows, cols, c = y.shape
    windows = whole[:, : rows * pool, : cols * pool].reshape(n, rows, pool, cols, pool, c)
    assert_same_bits(y, windows.max((2, 4)))


@pytest.mark.parametrize("name", CASES)
def test_same_bits_on_isas_and_threads(name):
    x, w, b, padding = inputs(name)
    y = forward(x, w, b, padding, relu=True)
    dy = normals(y.shape, 4)
    for check in (check_same_on_isas, check_same_on_threads):
        check(forward, x, w, b, padding, relu=True)
        check(backward, dy, x, w, padding, relu_output=y)
        check(backward, dy, x, w, padding, relu_output=y, mask_dx=True)


def test_an_image_does_not_depend_on_its_batch():
    x, w, b = normals((37, 9, 9, 16), 1), normals((3, 3, 16, 24), 2), normals(24, 3)
    whole = forward(x, w, b, 1)
    dy = normals(whole.shape, 4)
    dx, _, _ = backward(dy, x, w, 1)
    for n in (1, 2, 5, 17):
        assert_same_bits(forward(x[:n], w, b, 1), whole[:n])
        assert_same_bits(backward(dy[:n], x[:n], w, 1)[0], dx[:n])


def test_gradients_are_the_adjoint():
    x, w, _, padding = inputs("ragged", np.float64)
    y = forward(x, w, None, padding)
    dy, other_x, other_w = normals(y.shape, 5, y.dtype), normals(x.shape, 6, x.dtype), None
    dx, dw, _ = backward(dy, x, w, padding)
    np.testing.assert_allclose(
        (dy * forward(other_x, w, None, padding)).sum(), (dx * other_x).sum(), rtol=1e-12
    )
    other_w = normals(w.shape, 7, w.dtype)
    np.testing.assert_allclose(
        (dy * forward(x, other_w, None, padding)).sum(), (dw * other_w).sum(), rtol=1e-12
    )


def test_empty_batch(isa):
    x, w, b = normals((0, 8, 8, 16)), normals((3, 3, 16, 20)), normals(20)
    y = forward(x, w, b, 1)
    assert y.shape == (0, 8, 8, 20)
    dx, dw, db = backward(y, x, w, 1)
    assert dx.shape == x.shape and not dw.any() and not db.any()


@pytest.mark.parametrize("channels", [(0, 3), (3, 0)])
def test_no_channels(isa, channels):
    cin, cout = channels
    x, w, b = normals((2, 6, 6, cin)), normals((3, 3, cin, cout)), normals(cout, 1)
    y = forward(x, w, b, 0)
    np.testing.assert_array_equal(y, np.broadcast_to(b, (2, 4, 4, cout)))
    dx, dw, db = backward(y, x, w, 0)
    assert dw.shape == w.shape and db.shape == b.shape and not dx.any()


@pytest.mark.parametrize("wanted", [(1, 0, 0), (0, 1, 0), (1, 0, 1), (0, 1, 1), (0, 0, 1)])
def test_only_wanted_gradients_are_made(isa, wanted):
    x, w, b, padding = inputs("ragged")
    dy = normals(forward(x, w, b, padding).shape, 4)
    want = dict(zip(("want_dx", "want_dw", "want_db"), map(bool, wanted), strict=True))
    everything = backward(dy, x, w, padding)
    for got, expected, there in zip(
        backward(dy, x, w, padding, **want), everything, wanted, strict=True
    ):
        assert (got is not None) == bool(there)
        if there:
            assert_same_bits(got, expected)


def test_nan_stays_in_the_tiles_that_see_it(isa):
    x, w, b = normals((1, 14, 14, 4)), normals((3, 3, 4, 4)), normals(4)
    x[0, 1, 1, 0] = np.nan
    y = forward(x, w, b, 0, relu=True)
    assert np.isnan(y[0, :4, :4]).all() and not np.isnan(y[0, 4:]).any()


CANNOT = {
    "stride": ((5, 5), (3, 3), {"stride": 2}),
    "dilation": ((7, 7), (3, 3), {"dilation": (1, 2)}),
    "groups": ((5, 5), (3, 3), {"groups": 2}),
    "kernel_1": ((5, 5), (1, 1), {}),
    "kernel_3_5": ((5, 5), (3, 5), {}),
    "kernel_7": ((7, 7), (7, 7), {}),
}


@pytest.mark.parametrize("size, kernel, options", CANNOT.values(), ids=CANNOT)
def test_asked_where_it_cannot_be(size, kernel, options):
    x, w = normals((1, *size, 4)), normals((*kernel, 4 // options.get("groups", 1), 4))
    with pytest.raises(ValueError, match="algo='winograd' takes kernels of 3 x 3"):
        _kernels.conv2d_forward(x, w, algo="winograd", **options)
    y = _kernels.conv2d_forward(x, w, algo="auto", **options)
    assert_same_bits(y, _kernels.conv2d_forward(x, w, algo="direct", **options))
    with pytest.raises(ValueError, match="algo='winograd' takes"):
        _kernels.conv2d_backward(y, x, w, algo="winograd", **options)


def test_unknown_algo_is_named():
    x, w = normals((1, 5, 5, 4)), normals((3, 3, 4, 4))
    for call in (
        lambda: _kernels.conv2d_forward(x, w, algo="fast"),
        lambda: _kernels.set_conv_algo("fast"),
        lambda: _kernels.set_conv_algo(None),
    ):
        with pytest.raises(ValueError, match="algo must be one of auto, direct, winograd, got"):
            call()
    assert _kernels.conv_algo() == "auto"


def test_the_switch_decides_for_auto():
    x, w = normals((1, 6, 6, 4)), normals((3, 3, 4, 4), 1)  # too few channels for auto
    direct, fast = (_kernels.conv2d_forward(x, w, algo=a) for a in ("direct", "winograd"))
    assert (direct != fast).any()
    try:
        for switch, expected in (("winograd", fast), ("direct", direct), ("auto", direct)):
            _kernels.set_conv_algo(switch)
            assert _kernels.conv_algo() == switch
            assert_same_bits(_kernels.conv2d_forward(x, w, algo="auto"), expected)
            assert_same_bits(_kernels.conv2d_forward(x, w, algo="winograd"), fast)
            assert_same_bits(_kernels.conv2d_forward(x, w, algo="direct"), direct)
        _kernels.set_conv_algo("winograd")  # where it cannot be, direct
        strided = _kernels.conv2d_forward(x, w, stride=2, algo="auto")
        assert_same_bits(strided, _kernels.conv2d_forward(x, w, stride=2))
    finally:
        _kernels.set_conv_algo("auto")


AUTO = {
    "enough": (26, 16, 16, 3, "winograd"),
    "few_inputs": (26, 15, 64, 3, "direct"),
    "few_outputs": (26, 64, 15, 3, "direct"),
    "one_tile": (6, 32, 32, 3, "direct"),
    "wasted_tiles": (7, 32, 32, 3, "direct"),  # 5 x 5 outputs in 8 x 8
    "half_saved": (8, 32, 32, 3, "winograd"),
    "five": (18, 16, 16, 5, "winograd"),
    "one_by_one": (8, 32, 32, 1, "direct"),
}


@pytest.mark.parametrize("size, cin, cout, kernel, expected", AUTO.values(), ids=AUTO)
def test_auto(size, cin, cout, kernel, expected):
    x, w = normals((2, size, size, cin)), normals((kernel, kernel, cin, cout), 1)
    y = _kernels.conv2d_forward(x, w, algo="auto")
    assert_same_bits(y, _kernels.conv2d_forward(x, w, algo=expected))
    dx, dw, _ = _kernels.conv2d_backward(y, x, w, algo="auto")
    other_dx, other_dw, _ = _kernels.conv2d_backward(y, x, w, algo=expected)
    assert_same_bits(dx, other_dx)
    assert_same_bits(dw, other_dw)


def test_verbose_says_which():
    run = run_python(
        "import numpy as np; from minidrop import _kernels as k;"
        "x, w = np.ones((1, 9, 9, 4), 'f'), np.ones((3, 3, 4, 4), 'f');"
        "y = k.conv2d_forward(x, w, algo='winograd');"
        "k.conv2d_backward(y, x, w, algo='winograd');"
        "k.conv2d_forward(x, w)",
        MINIDROP_VERBOSE="1",
    )
    assert run.returncode == 0, run.stderr
    lines = [" ".join(line.split()[2:4]) for line in run.stderr.splitlines()]
    assert lines == ["conv2d_forward winograd", "conv2d_backward winograd", "conv2d_forward direct"]
