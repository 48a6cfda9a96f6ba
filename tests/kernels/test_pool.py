"""Pooling kernels: every instruction set against `reference`, and `reference` against NumPy."""

import numpy as np
import pytest
from helpers import (
    assert_close,
    assert_same_bits,
    check_kernel,
    check_same_on_isas,
    check_same_on_threads,
    integers,
    normals,
    on_isa,
)

from minidrop import _kernels

# shape, kernel, stride, padding
GEOMETRIES = {
    "classic": ((2, 6, 6, 32), 2, None, 0),
    "odd_image": ((2, 7, 5, 16), 2, None, 0),
    "odd_channels": ((1, 6, 4, 19), 2, None, 0),
    "one_channel": ((3, 6, 6, 1), 2, 2, 0),
    "many_channels": ((1, 4, 4, 70), 2, 2, 0),
    "overlapping": ((2, 9, 8, 17), 3, 2, 1),
    "stride_one": ((1, 5, 5, 8), 3, 1, 1),
    "gaps": ((2, 8, 9, 5), 2, 3, 0),
    "gaps_and_padding": ((1, 9, 8, 4), (3, 2), (4, 5), (1, 1)),
    "no_overlap_with_padding": ((1, 6, 6, 16), 2, 2, 1),
    "two_sizes": ((2, 7, 8, 6), (2, 3), (1, 2), (1, 1)),
    "one_pixel": ((2, 3, 3, 4), 1, 1, 0),
    "whole_image": ((2, 5, 4, 9), (5, 4), 1, 0),
    "one_pixel_image": ((1, 1, 1, 3), 2, 1, 1),
    "window_of_256": ((1, 18, 17, 3), 16, 1, 0),
    "window_of_272": ((2, 20, 18, 18), (17, 16), (3, 2), (8, 8)),
}


@pytest.fixture(params=GEOMETRIES)
def geometry(request):
    return GEOMETRIES[request.param]


def numpy_windows(x, kernel, stride, padding, fill):
    """(n, oh, ow, kh kw, c): the pixels of each window, padding filled."""
    kh, kw = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    sy, sx = (kh, kw) if stride is None else stride if isinstance(stride, tuple) else (stride,) * 2
    py, px = padding if isinstance(padding, tuple) else (padding, padding)
    x = np.pad(x, ((0, 0), (py, py), (px, px), (0, 0)), constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), axis=(1, 2))[:, ::sy, ::sx]
    return view.reshape(*view.shape[:4], kh * kw).swapaxes(3, 4)


# ---- what it means ----


def test_max_against_numpy(isa, geometry):
    shape, *window = geometry
    x = normals(shape)
    y, arg = _kernels.max_pool2d_forward(x, *window)
    pixels = numpy_windows(x, *window, -np.inf)
    np.testing.assert_array_equal(y, pixels.max(3))
    np.testing.assert_array_equal(arg, pixels.argmax(3))
    assert arg.dtype == (np.uint32 if pixels.shape[3] > 256 else np.uint8)


def test_mean_against_numpy(isa, geometry):
    shape, *window = geometry
    x = normals(shape, dtype=np.float64)
    expected = numpy_windows(x, *window, 0).mean(3)
    assert_close(_kernels.avg_pool2d_forward(x, *window), expected)
    assert_close(_kernels.avg_pool2d_forward(x.astype(np.float32), *window), expected)


def test_max_gradient(isa, geometry):
    """Integers, so that sums are exact: each dy goes to its winner."""
    shape, *window = geometry
    y, arg = _kernels.max_pool2d_forward(normals(shape), *window)
    dy = integers(y.shape)
    (dx,) = check_kernel(isa, _kernels.max_pool2d_backward, dy, arg, shape, *window, exact=True)
    np.testing.assert_array_equal(dx.sum((1, 2)), dy.sum((1, 2)))


@pytest.mark.parametrize("channels", [*range(1, 18), 23, 31, 33])
@pytest.mark.parametrize("window", [(2, None, 0), (3, 2, 1)])
def test_channels_at_vector_edges(isa, channels, window):
    """The last places, too, are written and read to the byte."""
    x = integers((2, 7, 6, channels))
    y, arg = check_kernel(isa, _kernels.max_pool2d_forward, x, *window, exact=True)
    dy = integers(y.shape, 1)
    check_kernel(isa, _kernels.max_pool2d_backward, dy, arg, x.shape, *window, exact=True)


@pytest.mark.parametrize("channels", [1, 4, 5, 8])
@pytest.mark.parametrize("window", [(2, None, 0), (3, None, 1), (3, 2, 1), (5, 1, 2)])
def test_few_channels_have_the_bits_of_many(isa, channels, window):
    """Elements of so few are scattered, by rows of pixels that cut windows in two."""
    many = normals((3, 150, 61, 9))
    few = many[..., :channels].copy()
    results = []
    for x in (many, few):
        y, arg = _kernels.max_pool2d_forward(x, *window)
        dy = normals((*y.shape[:-1], 9), 1)[..., : x.shape[-1]].copy()
        results.append(_kernels.max_pool2d_backward(dy, arg, x.shape, *window))
        check_same_on_threads(_kernels.max_pool2d_backward, dy, arg, x.shape, *window)
    assert_same_bits(results[1], results[0][..., :channels].copy())


def test_mean_gradient(isa, geometry):
    shape, *window = geometry
    dy = normals(_kernels.avg_pool2d_forward(normals(shape), *window).shape)
    check_kernel(isa, _kernels.avg_pool2d_backward, dy, shape, *window)


def test_mean_gradient_is_the_transpose_of_the_mean(geometry):
    """<avg(x), dy> = <x, gradient of dy>."""
    shape, *window = geometry
    x = normals(shape, dtype=np.float64)
    y = _kernels.avg_pool2d_forward(x, *window)
    dy = normals(y.shape, 1, np.float64)
    dx = _kernels.avg_pool2d_backward(dy, shape, *window)
    assert np.isclose(np.sum(y * dy), np.sum(x * dx), rtol=1e-12)


@pytest.mark.parametrize("output", [1, 2, 3, (2, 5), (None, 3), None, (9, 7), 8])
def test_adaptive(isa, output):
    shape = (2, 6, 7, 17)
    oh, ow = output if isinstance(output, tuple) else (output, output)
    oh, ow = oh or 6, ow or 7
    x = normals(shape, dtype=np.float64)
    expected = np.empty((2, oh, ow, 17))
    for i, j in np.ndindex(oh, ow):
        rows = slice(i * 6 // oh, -(-(i + 1) * 6 // oh))
        cols = slice(j * 7 // ow, -(-(j + 1) * 7 // ow))
        expected[:, i, j] = x[:, rows, cols].mean((1, 2))
    assert_close(_kernels.adaptive_avg_pool2d_forward(x, output), expected)
    x = x.astype(np.float32)
    y = _kernels.adaptive_avg_pool2d_forward(x, output)
    assert_close(y, expected)
    dy = normals(y.shape, 1)
    (dx,) = check_kernel(isa, _kernels.adaptive_avg_pool2d_backward, dy, shape, output)
    assert np.isclose(np.sum(dx), np.sum(dy), rtol=1e-4)


# ---- edges of max ----


def test_nan_wins(isa):
    x = normals((1, 4, 4, 20))
    x[0, 1, 0, 3] = x[0, 3, 3, 7] = np.nan
    y, arg = check_kernel(isa, _kernels.max_pool2d_forward, x, 2, exact=True)
    assert np.isnan(y[0, 0, 0, 3]) and arg[0, 0, 0, 3] == 2
    assert np.isnan(y[0, 1, 1, 7]) and arg[0, 1, 1, 7] == 3
    assert np.isnan(y).sum() == 2


def test_first_of_equals_wins(isa):
    for value in (0.0, -np.inf, np.inf, np.nan):
        x = np.full((1, 5, 5, 18), value, np.float32)
        y, arg = _kernels.max_pool2d_forward(x, 3, 2)
        assert_same_bits(y, np.full((1, 2, 2, 18), value, np.float32))
        assert (arg == 0).all()


@pytest.mark.parametrize("value", [-1.0, -np.inf, np.nan])
def test_padding_never_wins(isa, value):
    x = np.full((1, 4, 4, 18), value, np.float32)
    y, arg = _kernels.max_pool2d_forward(x, 3, 2, 1)
    assert_same_bits(y, np.full((1, 2, 2, 18), value, np.float32))
    np.testing.assert_array_equal(arg[0, :, :, 0], [[4, 3], [1, 0]])


def test_places_that_forward_never_gives(isa):
    """A wrong arg gives a wrong gradient, and reads or writes nothing else."""
    arg = np.full((1, 2, 2, 17), 255, np.uint8)
    dx = _kernels.max_pool2d_backward(normals((1, 2, 2, 17)), arg, (1, 4, 4, 17), 3, 2, 1)
    assert (dx == 0).all()


# ---- bits ----


def test_isas_have_equal_bits(geometry):
    shape, *window = geometry
    x = normals(shape)
    y, arg = check_same_on_isas(_kernels.max_pool2d_forward, x, *window)
    dy = normals(y.shape, 1)
    check_same_on_isas(_kernels.max_pool2d_backward, dy, arg, shape, *window)
    check_same_on_isas(_kernels.avg_pool2d_forward, x, *window)
    check_same_on_isas(_kernels.avg_pool2d_backward, dy, shape, *window)
    for output in (1, 3):
        (y,) = check_same_on_isas(_kernels.adaptive_avg_pool2d_forward, x, output)
        check_same_on_isas(_kernels.adaptive_avg_pool2d_backward, y, shape, output)


@pytest.mark.parametrize("window", [(2, None, 0), (3, 2, 1)])
def test_threads_have_equal_bits(window):
    x = normals((8, 25, 26, 33))
    y, arg = check_same_on_threads(_kernels.max_pool2d_forward, x, *window)
    check_same_on_threads(_kernels.max_pool2d_backward, y, arg, x.shape, *window)
    check_same_on_threads(_kernels.avg_pool2d_forward, x, *window)
    check_same_on_threads(_kernels.avg_pool2d_backward, y, x.shape, *window)


def test_double_has_the_places_of_float(geometry):
    shape, *window = geometry
    x = normals(shape)
    y, arg = _kernels.max_pool2d_forward(x, *window)
    wide, wide_arg = _kernels.max_pool2d_forward(x.astype(np.float64), *window)
    np.testing.assert_array_equal(wide, y)
    np.testing.assert_array_equal(wide_arg, arg)
    dx = _kernels.max_pool2d_backward(wide, arg, shape, *window)
    assert_close(on_isa("reference", _kernels.max_pool2d_backward, y, arg, shape, *window)[0], dx)


# ---- sizes and bad input ----


@pytest.mark.parametrize("shape", [(0, 4, 4, 3), (2, 4, 4, 0)])
def test_empty(isa, shape):
    y, arg = _kernels.max_pool2d_forward(np.zeros(shape, np.float32), 2)
    assert y.shape == arg.shape == (shape[0], 2, 2, shape[3])
    assert _kernels.max_pool2d_backward(y, arg, shape, 2).shape == shape
    y = _kernels.avg_pool2d_forward(np.zeros(shape, np.float32), 2)
    assert _kernels.avg_pool2d_backward(y, shape, 2).shape == shape
    y = _kernels.adaptive_avg_pool2d_forward(np.zeros(shape, np.float32), 1)
    assert _kernels.adaptive_avg_pool2d_backward(y, shape, 1).shape == shape


def test_strided_and_read_only():
    x = normals((2, 3, 6, 8))
    expected = _kernels.max_pool2d_forward(np.ascontiguousarray(x.transpose(0, 2, 3, 1)), 2)
    x.flags.writeable = False
    for got, want in zip(
        _kernels.max_pool2d_forward(x.transpose(0, 2, 3, 1), 2), expected, strict=True
    ):
        assert_same_bits(got, want)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"kernel_size": 0}, "kernel_size must be from 1"),
        ({"kernel_size": 2, "stride": 0}, "stride must be from 1"),
        ({"kernel_size": 2, "padding": -1}, "padding must be from 0"),
        ({"kernel_size": 2, "padding": 2}, "padding must be at most half"),
        ({"kernel_size": 3, "padding": 2}, "padding must be at most half"),
        ({"kernel_size": (2, 2, 2)}, "kernel_size must be an int or two"),
        ({"kernel_size": 5}, "more than x"),
        ({"kernel_size": 2, "stride": 2**62}, "stride must be from 1"),
        ({"kernel_size": 2**62}, "kernel_size must be from 1"),
    ],
)
def test_geometry_that_does_not_fit(arguments, words):
    x = np.zeros((1, 4, 4, 3), np.float32)
    for op in (_kernels.max_pool2d_forward, _kernels.avg_pool2d_forward):
        with pytest.raises(ValueError, match=words):
            op(x, **arguments)


@pytest.mark.parametrize("bad", [2.0, "2", None, True])
def test_geometry_of_the_wrong_type(bad):
    with pytest.raises(TypeError, match="kernel_size must be an int"):
        _kernels.max_pool2d_forward(np.zeros((1, 4, 4, 3), np.float32), bad)


@pytest.mark.parametrize("shape", [(4, 4, 3), (1, 4, 4, 3, 1), (1, 0, 4, 3), (1, 4, 0, 3)])
def test_shapes_of_x(shape):
    for op in (
        _kernels.max_pool2d_forward,
        _kernels.avg_pool2d_forward,
        _kernels.adaptive_avg_pool2d_forward,
    ):
        with pytest.raises(ValueError, match="x must have"):
            op(np.zeros(shape, np.float32), 1)


def test_output_sizes():
    x = np.zeros((1, 4, 4, 3), np.float32)
    for bad in (0, -1, (1, 2, 3), (0, 1), 2**40):
        with pytest.raises(ValueError, match="output_size must be"):
            _kernels.adaptive_avg_pool2d_forward(x, bad)
    with pytest.raises(TypeError, match="output_size must be an int"):
        _kernels.adaptive_avg_pool2d_forward(x, 1.5)
    with pytest.raises(MemoryError):
        _kernels.adaptive_avg_pool2d_forward(x, 2**31)


def test_gradients_that_do_not_fit():
    dy, arg = np.zeros((1, 2, 2, 3), np.float32), np.zeros((1, 2, 2, 3), np.uint8)
    shape = (1, 4, 4, 3)
    with pytest.raises(ValueError, match=r"dy must have shape \(1, 2, 2, 3\)"):
        _kernels.max_pool2d_backward(dy[:, :1], arg, shape, 2)
    with pytest.raises(ValueError, match=r"arg must have shape \(1, 2, 2, 3\)"):
        _kernels.max_pool2d_backward(dy, arg[:, :1], shape, 2)
    for bad in (arg.astype(np.int64), arg[..., ::-1], None):
        with pytest.raises(TypeError, match="arg must be a contiguous uint8 array"):
            _kernels.max_pool2d_backward(dy, bad, shape, 2)
    with pytest.raises(ValueError, match="dy must have shape"):
        _kernels.avg_pool2d_backward(dy[:, :1], shape, 2)
    with pytest.raises(ValueError, match="dy must have shape"):
        _kernels.adaptive_avg_pool2d_backward(dy, shape, 3)
