"""A pooling behind a convolution: the same values as one after the other. Large images go by in
bands of rows. What skips the zeros of dz is in test_conv2d_sparse.py."""

import numpy as np
import pytest
from helpers import GROUPS, check_kernel, conv_inputs, integers, unpooled, windows

from minidrop import _kernels

CHANNELS = GROUPS | {"vectors": (1, 33, 1)}
# Of 64 filters, whose z or dz is more than one band.
LARGE = {"colours": (3, 64, 1), "patches": (1, 64, 1), "depthwise": (64, 64, 64)}


def check_forward(isa, inputs, where, pool, relu):
    """The value before pooling, and what pooling gave: whole numbers have ties in the windows."""
    y = _kernels.conv2d_forward(*inputs, *where, relu=relu)
    how = {"relu": relu, "pool": pool, "want_where": True}
    value, winners = check_kernel(isa, _kernels.conv2d_forward, *inputs, *where, **how, exact=True)
    np.testing.assert_array_equal(value, windows(y, pool).max(3), strict=True)
    np.testing.assert_array_equal(winners, windows(y, pool).argmax(3))
    return y, value, winners


def check_backward(isa, inputs, where, pool, relu, forward, **wanted):
    x, w, _ = inputs
    y, value, winners = forward
    dy = integers(value.shape, 4)
    how = {"pool": pool, "where": winners, "relu_output": value if relu else None}
    got = check_kernel(isa, _kernels.conv2d_backward, dy, x, w, *where, **how, **wanted, exact=True)
    dz = np.where(value > 0, dy, np.float32(0)) if relu else dy
    expected = _kernels.conv2d_backward(
        unpooled(dz, winners, y.shape, pool), x, w, *where, **wanted
    )
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


@pytest.mark.parametrize("channels", CHANNELS.values(), ids=CHANNELS)
@pytest.mark.parametrize("pool", [2, 3, 5])
@pytest.mark.parametrize("relu", [False, True])
def test_pool_is_fused_with_the_same_bits(isa, channels, pool, relu):
    for n, padding in ((2, 0), (17, 1)):
        inputs = conv_inputs(n, (8, 9), (3, 2), channels)
        where = (1, padding, 1, channels[2])
        forward = check_forward(isa, inputs, where, pool, relu)
        check_backward(isa, inputs, where, pool, relu, forward)


@pytest.mark.parametrize("channels", LARGE.values(), ids=LARGE)
@pytest.mark.parametrize("pool", [2, 3])
@pytest.mark.parametrize("padding", [0, 1])
def test_bands(isa, channels, pool, padding):
    """Rows of z that no window has are left over, in the last band or in one of their own."""
    for n, size in ((1, (41, 48)), (1, (27, 48)), (16, (36, 40))):
        inputs = conv_inputs(n, size, (3, 3), channels)
        where = (1, padding, 1, channels[2])
        forward = check_forward(isa, inputs, where, pool, True)
        check_backward(isa, inputs, where, pool, True, forward, want_dx=False)


@pytest.mark.parametrize("channels", LARGE.values(), ids=LARGE)
def test_bands_without_a_pooling(isa, channels):
    inputs = x, w, _ = conv_inputs(1, (41, 48), (3, 3), channels)
    where = (1, 1, 1, channels[2])
    y = _kernels.conv2d_forward(*inputs, *where, relu=True)
    how = {"relu_output": y, "want_dx": False}
    dy = integers(y.shape, 4)
    check_kernel(isa, _kernels.conv2d_backward, dy, x, w, *where, **how, exact=True)
