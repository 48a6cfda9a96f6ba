"""Convolution: every geometry against `reference`, and chains of multiply-adds to the bit."""

import itertools

import numpy as np
import pytest
from helpers import (
    BIT_EQUAL,
    GROUPS,
    assert_close,
    assert_same_bits,
    backward_of,
    check_kernel,
    check_same_on_isas,
    check_same_on_threads,
    conv_inputs,
    integers,
    normals,
    on_isa,
)

from minidrop import _kernels

# (channels, filters): vectors of channels that are partial, whole, and whole and partial
CHANNELS = [(1, 1), (1, 32), (3, 7), (8, 8), (16, 33), (17, 16), (32, 64), (33, 70)]


@pytest.mark.parametrize("channels", GROUPS.values(), ids=GROUPS)
@pytest.mark.parametrize("kernel", [(1, 1), (3, 3), (2, 3), (1, 5), (4, 1)])
@pytest.mark.parametrize("stride", [1, 2, (1, 3), (3, 2)])
def test_every_geometry(isa, channels, kernel, stride):
    x, w, b = conv_inputs(2, (8, 10), kernel, channels)
    for padding, dilation in itertools.product((0, 1, (0, 2), (3, 1)), (1, 2, (1, 2), (2, 1))):
        where = (stride, padding, dilation, channels[2])
        check_kernel(isa, _kernels.conv2d_forward, x, w, b, *where, exact=True)
        check_kernel(isa, backward_of(x, w, b, *where), exact=True)


@pytest.mark.parametrize("cin, cout", CHANNELS)
def test_channels_at_vector_edges(isa, cin, cout):
    for size, kernel in (((5, 6), (3, 3)), ((1, 40), (1, 3)), ((7, 3), (1, 1))):
        x, w, b = conv_inputs(3, size, kernel, (cin, cout, 1))
        for padding in (0, 1):
            check_kernel(isa, _kernels.conv2d_forward, x, w, b, 1, padding, exact=True)
            check_kernel(isa, backward_of(x, w, b, 1, padding), exact=True)


@pytest.mark.parametrize("cin", [1, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, (3, 4)])
def test_gradient_of_few_channels(isa, cin, stride):
    for size, kernel, cout in (((9, 21), (3, 3), 16), ((12, 7), (5, 2), 33), ((4, 40), (1, 1), 20)):
        x, w, b = conv_inputs(3, size, kernel, (cin, cout, 1))
        for padding, dilation in ((0, 1), ((1, 2), 1), (2, (1, 2))):
            check_kernel(isa, backward_of(x, w, b, stride, padding, dilation), exact=True)


@pytest.mark.parametrize("channels", [7, 8, 15, 16, 17, 33])
def test_depthwise_at_vector_edges(isa, channels):
    x, w, b = conv_inputs(2, (6, 11), (3, 3), (channels, channels, channels))
    for stride in (1, 2):
        where = (stride, 1, 1, channels)
        check_kernel(isa, _kernels.conv2d_forward, x, w, b, *where, exact=True)
        check_kernel(isa, backward_of(x, w, b, *where), exact=True)


@pytest.mark.parametrize("kernel", [(1, 7), (3, 3), (4, 2), (5, 5), (7, 6)])
@pytest.mark.parametrize("width", [1, 5, 6, 8, 9, 10, 13, 25])
def test_depthwise_pixels_that_go_together_and_squares_of_taps(isa, kernel, width):
    x, w, b = conv_inputs(2, (7, width), kernel, (20, 20, 20))
    half = tuple(k // 2 for k in kernel)
    for stride, padding, dilation in ((1, half, 1), ((1, 2), half, 1), (1, 7, 2), ((2, 3), 7, 1)):
        where = (stride, padding, dilation, 20)
        check_kernel(isa, _kernels.conv2d_forward, x, w, b, *where, relu=True, exact=True)
        check_kernel(isa, backward_of(x, w, b, *where, relu=True), exact=True)


@pytest.mark.parametrize("cin", [191, 192, 193, 384, 400])
def test_deep_channels_are_cut_into_slices(isa, cin):
    x, w, b = conv_inputs(1, (3, 4), (3, 3), (cin, 3, 1))
    check_kernel(isa, _kernels.conv2d_forward, x, w, b, 1, 1, relu=True, exact=True)
    check_kernel(isa, backward_of(x, w, b, 1, 1, relu=True), exact=True)


@pytest.mark.parametrize("n", [0, 1, 2, 15, 16, 17, 40])
def test_batch_sizes(isa, n):
    x, w, b = conv_inputs(n, (5, 5), (3, 3), (2, 4, 1))
    check_kernel(isa, _kernels.conv2d_forward, x, w, b, exact=True)
    check_kernel(isa, backward_of(x, w, b), exact=True)


def test_empty_batch_has_zero_gradients(isa):
    x, w, b = conv_inputs(0, (5, 5), (3, 3), (2, 4, 1))
    dx, dw, db = backward_of(x, w, b)()
    assert dx.shape == x.shape and not dw.any() and not db.any()


@pytest.mark.parametrize("channels", [(0, 3, 1), (3, 0, 1), (0, 0, 1)])
def test_no_channels(isa, channels):
    x, w, b = conv_inputs(2, (4, 4), (3, 3), channels)
    y = _kernels.conv2d_forward(x, w, b)
    np.testing.assert_array_equal(y, np.broadcast_to(b, (2, 2, 2, channels[1])), strict=True)
    dx, dw, db = backward_of(x, w, b)()
    assert dx.shape == x.shape and dw.shape == w.shape and db.shape == b.shape
    assert not dx.any()


def test_kernel_as_large_as_the_image(isa):
    x, w, b = conv_inputs(2, (5, 4), (5, 4), (3, 2, 1))
    check_kernel(isa, _kernels.conv2d_forward, x, w, b, exact=True)
    check_kernel(isa, backward_of(x, w, b), exact=True)


def test_padding_beyond_the_kernel(isa):
    x, w, b = conv_inputs(1, (2, 2), (2, 2), (3, 2, 1))
    check_kernel(isa, _kernels.conv2d_forward, x, w, b, 1, 4, exact=True)
    check_kernel(isa, backward_of(x, w, b, 1, 4), exact=True)


def test_stride_that_leaves_pixels_out(isa):
    x, w, b = conv_inputs(2, (8, 9), (1, 2), (3, 4, 1))
    check_kernel(isa, backward_of(x, w, b, (3, 5)), exact=True)
    x, w, b = conv_inputs(2, (2, 2), (1, 1), (3, 4, 1))
    check_kernel(isa, backward_of(x, w, b, 7), exact=True)


@pytest.mark.parametrize("wanted", list(itertools.product([False, True], repeat=3)))
def test_only_wanted_gradients_are_made(isa, wanted):
    x, w, b = conv_inputs(3, (6, 6), (3, 3), (2, 5, 1))
    dy = integers((3, 4, 4, 5), 4)
    everything = _kernels.conv2d_backward(dy, x, w)
    want = dict(zip(("want_dx", "want_dw", "want_db"), wanted, strict=True))
    for got, expected, there in zip(
        _kernels.conv2d_backward(dy, x, w, **want), everything, wanted, strict=True
    ):
        assert (got is not None) == there
        if there:
            assert_same_bits(got, expected)


@pytest.mark.parametrize("channels", GROUPS.values(), ids=GROUPS)
def test_relu_is_fused_with_the_same_bits(isa, channels):
    x, w, b = conv_inputs(3, (6, 7), (3, 3), channels, normals)
    where = (1, 1, 1, channels[2])
    y = _kernels.conv2d_forward(x, w, b, *where)
    assert_same_bits(
        _kernels.conv2d_forward(x, w, b, *where, relu=True), np.where(y > 0, y, np.float32(0))
    )
    dy = normals(y.shape, 4)
    masked = np.where(y > 0, dy, np.float32(0))
    fused = _kernels.conv2d_backward(dy, x, w, *where, relu_output=np.maximum(y, 0))
    for got, expected in zip(fused, _kernels.conv2d_backward(masked, x, w, *where), strict=True):
        assert_same_bits(got, expected)


BEHIND_A_RELU = {
    **{name: (channels, {}) for name, channels in GROUPS.items()},
    "one_channel": ((1, 32, 1), {}),
    "few_channels": ((3, 40, 1), {"padding": 1}),
    "strided": ((17, 5, 1), {"stride": 2, "padding": 1}),
    "winograd": ((17, 33, 1), {"algo": "winograd", "padding": 1}),
    "sparse": ((17, 33, 1), {"pool": 2}),
}


@pytest.mark.parametrize("channels, options", BEHIND_A_RELU.values(), ids=BEHIND_A_RELU)
@pytest.mark.parametrize("want_dw", [False, True])
def test_dx_is_masked_by_the_relu_before(isa, channels, options, want_dw):
    x, w, _ = conv_inputs(3, (9, 8), (3, 3), channels, normals)
    x = np.maximum(x, 0)
    x.flat[5] = np.nan
    options = {"groups": channels[2], **options}
    pool = options.get("pool", 1)
    y = _kernels.conv2d_forward(x, w, **options, want_where=pool > 1)
    if pool > 1:
        y, options["where"] = y
    options |= {"want_dw": want_dw, "want_db": want_dw}
    dy = normals(y.shape, 4)
    plain = on_isa(isa, _kernels.conv2d_backward, dy, x, w, **options)
    masked = on_isa(isa, _kernels.conv2d_backward, dy, x, w, **options, mask_dx=True)
    assert_same_bits(masked[0], np.where(x > 0, plain[0], np.float32(0)))
    assert plain[0][x == 0].any()
    if want_dw:
        assert_same_bits(masked[1], plain[1])
        assert_same_bits(masked[2], plain[2])


BIT_CASES = {
    "first_layer": (3, (12, 12), (3, 3), (1, 32, 1), (1, 0)),
    "first_layer_of_colours": (2, (13, 15), (5, 3), (3, 16, 1), ((2, 3), (2, 1), (1, 2))),
    "second_layer": (2, (10, 10), (3, 3), (32, 64, 1), (1, 1)),
    "strided": (2, (11, 9), (3, 3), (5, 7, 1), (2, 1)),
    "grouped": (2, (9, 9), (3, 3), (8, 12, 4), (1, 1)),
    "depthwise": (2, (9, 9), (3, 3), (19, 19, 19), (1, 1)),
    "dilated": (2, (13, 13), (3, 3), (4, 6, 1), (1, 2, 2)),
    "deep": (1, (5, 5), (3, 3), (200, 20, 1), (1, 1)),
    "sides": (2, (14, 11), (3, 3), (20, 24, 1), (1, 2)),
}


def bit_case(name):
    n, size, kernel, channels, (stride, padding, *dilation) = BIT_CASES[name]
    x, w, b = conv_inputs(n, size, kernel, channels, normals)
    return x, w, b, (stride, padding, *(dilation or [1]), channels[2])


@pytest.mark.parametrize("name", BIT_CASES)
def test_forward_bits_equal_the_chain(name):
    x, w, b, where = bit_case(name)
    check_same_on_isas(
        _kernels.conv2d_forward, x, w, b, *where, isas=[*BIT_EQUAL, "reference"], relu=True
    )


@pytest.mark.parametrize("name", BIT_CASES)
@pytest.mark.parametrize("relu", [False, True])
def test_backward_same_bits_on_isas_and_threads(name, relu):
    x, w, b, where = bit_case(name)
    call = backward_of(x, w, b, *where, relu=relu, make=normals)
    check_same_on_isas(call)
    check_same_on_threads(call)


@pytest.mark.parametrize("n", [1, 3, 20])
def test_forward_same_bits_on_threads(n):
    x, w, b = conv_inputs(n, (30, 30), (3, 3), (8, 16, 1), normals)
    check_same_on_threads(_kernels.conv2d_forward, x, w, b, 1, 1)


def test_an_image_does_not_depend_on_its_batch():
    x, w, b = conv_inputs(33, (12, 12), (3, 3), (4, 20, 1), normals)
    whole = _kernels.conv2d_forward(x, w, b, 1, 1)
    dy = normals(whole.shape, 4)
    dx, _, _ = _kernels.conv2d_backward(dy, x, w, 1, 1)
    for n in (1, 5, 17):
        assert_same_bits(_kernels.conv2d_forward(x[:n], w, b, 1, 1), whole[:n])
        assert_same_bits(_kernels.conv2d_backward(dy[:n], x[:n], w, 1, 1)[0], dx[:n])


def test_nan_stays_in_its_window(isa):
    x, w, b = conv_inputs(1, (6, 6), (3, 3), (2, 4, 1))
    x[0, 0, 0, 0] = np.nan
    y = _kernels.conv2d_forward(x, w, b, relu=True)
    assert np.isnan(y[0, 0, 0]).all() and not np.isnan(y[0, 1:]).any()


def test_float64(isa):
    channels = (4, 6, 2)
    x, w, b = conv_inputs(2, (7, 6), (3, 2), channels, normals, np.float64)
    where = (2, 1, 1, 2)
    single = [a.astype(np.float32) for a in (x, w, b)]
    y = _kernels.conv2d_forward(x, w, b, *where)
    assert y.dtype == np.float64
    assert_close(_kernels.conv2d_forward(*single, *where), y, 5)
    for got in backward_of(x, w, b, *where, make=normals)():
        assert got.dtype == np.float64


BAD = {
    "x_rank": ({"x": (5, 5, 3)}, ValueError, r"x must have .*\(5, 5, 3\)"),
    "w_rank": ({"w": (3, 3, 4)}, ValueError, "w must have"),
    "channels": ({"x": (2, 5, 5, 4)}, ValueError, r"x \(2, 5, 5, 4\) has 4 channels"),
    "looks_like_nchw": ({"x": (2, 3, 5, 5)}, ValueError, "NCHW"),
    "bias": ({"b": (5,)}, ValueError, r"bias must have shape \(4,\), got \(5,\)"),
    "stride_0": ({"stride": 0}, ValueError, "stride must be from 1"),
    "stride_negative": ({"stride": (1, -1)}, ValueError, "stride must be from 1"),
    "stride_text": ({"stride": "2"}, TypeError, "stride must be an int"),
    "stride_three": ({"stride": (1, 1, 1)}, ValueError, "stride must be an int or two"),
    "stride_bool": ({"stride": True}, TypeError, "stride must be an int"),
    "padding_negative": ({"padding": -1}, ValueError, "padding must be from 0"),
    "padding_huge": ({"padding": 2**62}, ValueError, "padding must be from 0"),
    "padding_large": ({"padding": 2**31}, (ValueError, MemoryError), None),
    "padding_float": ({"padding": 1.0}, TypeError, "padding must be an int"),
    "dilation_0": ({"dilation": 0}, ValueError, "dilation must be from 1"),
    "dilation_too_far": ({"dilation": 3}, ValueError, "reaches over 7 x 7 pixels"),
    "groups_0": ({"groups": 0}, ValueError, "groups must be from 1"),
    "groups_odd": ({"x": (2, 5, 5, 9), "groups": 3}, ValueError, "groups=3 must divide the 4"),
    "pool_0": ({"pool": 0}, ValueError, "pool must be"),
    "pool_17": ({"pool": 17}, ValueError, "pool must be"),
    "kernel_empty": ({"w": (0, 3, 3, 4)}, ValueError, "at least 1 x 1"),
}


@pytest.mark.parametrize("change, error, message", BAD.values(), ids=BAD)
def test_bad_input_is_named(change, error, message):
    given = {"x": (2, 5, 5, 3), "w": (3, 3, 3, 4), "b": (4,)} | change
    x, w, b = (integers(given.pop(name)) for name in "xwb")
    with pytest.raises(error, match=message):
        _kernels.conv2d_forward(x, w, b, **given)


def test_bad_gradient_is_named():
    x, w, _ = conv_inputs(2, (5, 5), (3, 3), (3, 4, 1))
    with pytest.raises(ValueError, match=r"dy must have shape \(2, 3, 3, 4\), got \(2, 3, 3, 5\)"):
        _kernels.conv2d_backward(integers((2, 3, 3, 5)), x, w)
    with pytest.raises(ValueError, match=r"where must be a contiguous uint8 array of shape \(2, 1"):
        _kernels.conv2d_backward(integers((2, 1, 1, 4)), x, w, pool=2)
    with pytest.raises(TypeError, match="dy is float64 but x is float32"):
        _kernels.conv2d_backward(integers((2, 3, 3, 4), dtype=np.float64), x, w)
