"""Convolution of an image of one channel, as one product with its patches. More in test_conv2d.py
and test_slide.py, which has what slides instead."""

import numpy as np
import pytest
from helpers import (
    assert_same_bits,
    backward_of,
    check_kernel,
    check_same_on_threads,
    conv_inputs,
    normals,
)

from minidrop import _kernels

# size, kernel, stride, padding, dilation
GEOMETRIES = {
    "classic": ((28, 28), (3, 3), 1, 0, 1),
    "padded": ((9, 11), (3, 3), 1, 1, 1),
    "one_tap": ((5, 7), (1, 1), 1, 0, 1),
    "most_taps": ((9, 20), (4, 4), 1, 2, 1),
    "too_many_taps": ((9, 20), (5, 4), 1, 2, 1),
    "one_pixel": ((3, 3), (3, 3), 1, 0, 1),
    "one_column": ((12, 3), (2, 3), 1, 0, 1),
    "stride_down": ((13, 9), (3, 3), (2, 1), 1, 1),
    "stride_across": ((9, 13), (3, 3), (1, 2), 1, 1),
    "dilated": ((14, 13), (3, 3), 1, (2, 3), (2, 3)),
    "sweeps_down": ((40, 9), (3, 3), (2, 1), 1, 1),
    "sweeps_across": ((5, 300), (3, 3), (2, 1), 1, 1),
    "sweeps_of_too_many_taps": ((5, 300), (5, 4), 1, 2, 1),
    "sweeps_dilated": ((9, 300), (3, 3), 1, (2, 3), (2, 3)),
    "bands": ((70, 60), (3, 3), 1, 1, 1),
    "widest_row": ((3, 455), (3, 3), 1, (0, 1), 1),
    "too_wide_a_row": ((3, 456), (3, 3), 1, (0, 1), 1),
}


@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES.keys())
@pytest.mark.parametrize("cout", [1, 7, 32, 35])
@pytest.mark.parametrize("n", [2, 17])
def test_equal_to_the_reference(isa, geometry, cout, n):
    """17 images are an item each, of two images each part is one."""
    size, kernel, *where = geometry
    x, w, b = conv_inputs(n, size, kernel, (1, cout, 1))
    check_kernel(isa, _kernels.conv2d_forward, x, w, b, *where, relu=True, exact=True)
    check_kernel(isa, _kernels.conv2d_forward, x, w, None, *where, exact=True)


@pytest.mark.parametrize("geometry", GEOMETRIES.values(), ids=GEOMETRIES.keys())
@pytest.mark.parametrize("cout", [1, 7, 35])
def test_gradients_equal_to_the_reference(isa, geometry, cout):
    """Those of the weights take patches too, a sweep of pixels at a time (conv2d_dw.h)."""
    size, kernel, *where = geometry
    x, w, b = conv_inputs(3, size, kernel, (1, cout, 1))
    check_kernel(isa, backward_of(x, w, b, *where), exact=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_element_is_the_chain_of_a_product(isa, dtype):
    x, w, _ = conv_inputs(3, (9, 12), (3, 3), (1, 20, 1), normals, dtype)
    patches = np.lib.stride_tricks.sliding_window_view(x[..., 0], (3, 3), (1, 2))
    rows = np.ascontiguousarray(patches.reshape(-1, 9))
    y = _kernels.conv2d_forward(x, w)
    assert_same_bits(y.reshape(-1, 20), _kernels.matmul(rows, w.reshape(9, 20)))


def test_pooled_and_dropped(isa):
    x, w, b = conv_inputs(3, (17, 14), (3, 3), (1, 20, 1))
    how = {"relu": True, "pool": 2, "want_where": True, "drop": (0.25, 1, 2, 3, 0)}
    check_kernel(isa, _kernels.conv2d_forward, x, w, b, exact=True, **how)


def test_threads():
    x, w, b = conv_inputs(3, (40, 41), (3, 3), (1, 35, 1), normals)
    check_same_on_threads(_kernels.conv2d_forward, x, w, b)
