"""Activation kernels: every instruction set against `reference`, at the edges of their vectors."""

from functools import partial

import numpy as np
import pytest
from helpers import check_kernel, check_same_on_isas, check_same_on_threads, normals

from minidrop import _kernels as k

# name: forward, backward(dout, saved), and whether `saved` is the output
ACTIVATIONS = {
    "relu": (k.relu, k.relu_backward, True),
    "leaky_relu": (
        partial(k.leaky_relu, negative_slope=0.2),
        partial(k.leaky_relu_backward, negative_slope=0.2),
        False,
    ),
    "elu": (partial(k.elu, alpha=0.7), partial(k.elu_backward, alpha=0.7), False),
    "selu": (
        partial(k.elu, alpha=1.758, scale=1.051),
        partial(k.elu_backward, alpha=1.758, scale=1.051),
        False,
    ),
    "gelu": (k.gelu, k.gelu_backward, False),
    "gelu_tanh": (
        partial(k.gelu, approximate="tanh"),
        partial(k.gelu_backward, approximate="tanh"),
        False,
    ),
    "silu": (k.silu, k.silu_backward, False),
    "sigmoid": (k.sigmoid, k.sigmoid_backward, True),
    "tanh": (k.tanh, k.tanh_backward, True),
    "softplus": (k.softplus, k.softplus_backward, False),
    "sharp_softplus": (partial(k.softplus, beta=3), partial(k.softplus_backward, beta=3), False),
}
LENGTHS = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 16383, 16384, 16385]
each = pytest.mark.parametrize("name", ACTIVATIONS)


@each
def test_at_vector_edges(isa, name):
    forward, backward, saves_output = ACTIVATIONS[name]
    for n in LENGTHS:
        x, dout = 3 * normals(n, 1), normals(n, 2)
        (y,) = check_kernel(isa, forward, x)
        check_kernel(isa, backward, dout, y if saves_output else x)


@each
def test_same_bits(name):
    forward, backward, saves_output = ACTIVATIONS[name]
    x, dout = 5 * normals(40_003, 1), normals(40_003, 2)
    (y,) = check_same_on_isas(forward, x)
    check_same_on_threads(forward, x)
    saved = y if saves_output else x
    check_same_on_isas(backward, dout, saved)
    check_same_on_threads(backward, dout, saved)


@each
def test_float64(name):
    forward, backward, saves_output = ACTIVATIONS[name]
    x, dout = 3 * normals(101, 1, np.float64), normals(101, 2, np.float64)
    y = forward(x)
    dx = backward(dout, y if saves_output else x)
    step = 1e-6
    slope = (forward(x + step) - forward(x - step)) / (2 * step)
    assert y.dtype == dx.dtype == np.float64
    np.testing.assert_allclose(dx, dout * slope, rtol=1e-5, atol=1e-7)


@each
def test_nan_in_nan_out(isa, name):
    x = np.where(np.arange(21) % 4 == 1, np.nan, 1).astype(np.float32)
    np.testing.assert_array_equal(np.isnan(ACTIVATIONS[name][0](x)), np.isnan(x))


@each
def test_infinite_inputs_give_limits(isa, name):
    forward, backward, saves_output = ACTIVATIONS[name]
    x = np.array([-np.inf, np.inf], np.float32)
    low = {"leaky_relu": -np.inf, "elu": -0.7, "selu": -1.758, "tanh": -1}.get(name, 0)
    high = {"sigmoid": 1, "tanh": 1}.get(name, np.inf)
    y = forward(x)
    np.testing.assert_array_equal(y, np.array([low, high], np.float32))
    slopes = {
        "relu": (0, 1),
        "leaky_relu": (0.2, 1),
        "selu": (0, 1.051),
        "sigmoid": (0, 0),
        "tanh": (0, 0),
    }.get(name, (0, 1))
    got = backward(np.ones(2, np.float32), y if saves_output else x)
    np.testing.assert_allclose(got, slopes, rtol=1e-6, atol=1e-7)


def test_relu_backward_selects(isa):
    y = np.array([0, -0.0, 1, np.nan, 2, 0], np.float32)
    dout = np.array([np.inf, np.nan, -3, 4, np.inf, 5], np.float32)
    np.testing.assert_array_equal(k.relu_backward(dout, y), [0, 0, -3, 0, np.inf, 0])


def test_read_only_and_strided_inputs(isa):
    x = normals((6, 10))
    x.flags.writeable = False
    np.testing.assert_array_equal(k.relu(x), np.maximum(x, 0))
    np.testing.assert_array_equal(k.relu(x[::2, ::-3]), np.maximum(x[::2, ::-3], 0))
    np.testing.assert_array_equal(k.relu(x.T), np.maximum(x.T, 0))
    np.testing.assert_array_equal(k.relu(x.astype(">f4")), np.maximum(x, 0))


def test_bad_arguments_name_themselves():
    x = normals(4)
    with pytest.raises(TypeError, match="x must be float32 or float64, got int64"):
        k.relu(np.arange(3))
    with pytest.raises(TypeError, match="x must be an ndarray, got list"):
        k.silu([1.0])
    with pytest.raises(ValueError, match=r"dout must have the shape of y, \(4,\), got \(3,\)"):
        k.relu_backward(x[:3], x)
    with pytest.raises(TypeError, match="dout is float64 but x is float32"):
        k.gelu_backward(x.astype(np.float64), x)
    with pytest.raises(ValueError, match="approximate must be 'none' or 'tanh', got 'erf'"):
        k.gelu(x, "erf")
    with pytest.raises(TypeError, match="negative_slope must be a number, got '0.1'"):
        k.leaky_relu(x, "0.1")
    with pytest.raises(ValueError, match="alpha must be a number, got nan"):
        k.elu(x, float("nan"))
    with pytest.raises(ValueError, match="beta must be above 0 and finite, got 0"):
        k.softplus(x, 0)
