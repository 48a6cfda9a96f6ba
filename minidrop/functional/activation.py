"""Activations: the value, and the closure that returns its gradient.

Each takes a tensor of any shape, or what becomes one, and returns one of the same shape; integers
become float32. NaN stays NaN. A closure keeps the output where that tells the derivative (relu,
sigmoid, tanh, softmax), the input elsewhere.
"""

import numpy as np

from .. import _kernels
from ..tensor import node
from .broadcast import spread
from .operands import as_float

# Of "Self-Normalizing Neural Networks" (Klambauer et al., 2017): mean 0 and variance 1 stay so.
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def relu(x):
    """max(x, 0). The gradient at 0 is 0."""
    x = as_float(x)
    y = _kernels.relu(x.data)

    def backward(dout):
        return (_kernels.relu_backward(dout, y),)

    return node(y, (x,), backward, "relu")


def leaky_relu(x, negative_slope=0.01):
    """x above 0, negative_slope * x elsewhere (Maas et al., 2013)."""
    x = as_float(x)

    def backward(dout):
        return (_kernels.leaky_relu_backward(dout, x.data, negative_slope),)

    return node(_kernels.leaky_relu(x.data, negative_slope), (x,), backward, "leaky_relu")


def elu(x, alpha=1.0):
    """x above 0, alpha * (e^x - 1) elsewhere (Clevert et al., 2016)."""
    return _elu(x, alpha, 1.0, "elu")


def selu(x):
    """elu, scaled so that layers of it keep mean 0 and variance 1 (Klambauer et al., 2017)."""
    return _elu(x, SELU_ALPHA * SELU_SCALE, SELU_SCALE, "selu")


def _elu(x, alpha, scale, op):
    x = as_float(x)

    def backward(dout):
        return (_kernels.elu_backward(dout, x.data, alpha, scale),)

    return node(_kernels.elu(x.data, alpha, scale), (x,), backward, op)


def gelu(x, approximate="none"):
    """x times the share of the normal distribution below x (Hendrycks and Gimpel, 2016).

    approximate: "none", or "tanh" for 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). ValueError
    for anything else.
    """
    x = as_float(x)

    def backward(dout):
        return (_kernels.gelu_backward(dout, x.data, approximate),)

    return node(_kernels.gelu(x.data, approximate), (x,), backward, "gelu")


def silu(x):
    """x * sigmoid(x), also called swish (Elfwing et al., 2017)."""
    x = as_float(x)

    def backward(dout):
        return (_kernels.silu_backward(dout, x.data),)

    return node(_kernels.silu(x.data), (x,), backward, "silu")


def sigmoid(x):
    """1 / (1 + e^-x)."""
    x = as_float(x)
    y = _kernels.sigmoid(x.data)

    def backward(dout):
        return (_kernels.sigmoid_backward(dout, y),)

    return node(y, (x,), backward, "sigmoid")


def tanh(x):
    """The hyperbolic tangent."""
    x = as_float(x)
    y = _kernels.tanh(x.data)

    def backward(dout):
        return (_kernels.tanh_backward(dout, y),)

    return node(y, (x,), backward, "tanh")


def softplus(x, beta=1.0):
    """log(1 + e^(beta x)) / beta, a smooth relu; beta is above 0. It overflows nowhere, so there is
    no threshold."""
    x = as_float(x)

    def backward(dout):
        return (_kernels.softplus_backward(dout, x.data, beta),)

    return node(_kernels.softplus(x.data, beta), (x,), backward, "softplus")


def softmax(x, dim=-1):
    """e^x divided by its sum along dim: positive, and 1 in sum. Large x do not overflow, -inf gives
    0; NaN, inf, or nothing but -inf along dim gives NaN there. ValueError where x has no such dim.
    """
    return _softmax(x, dim, False)


def log_softmax(x, dim=-1):
    """The logarithm of softmax, x - log(sum of e^x) along dim, without its rounding to 0."""
    return _softmax(x, dim, True)


def _softmax(x, dim, log):
    """The kernel knows the last dim: another one changes places with it, and back."""
    op = "log_softmax" if log else "softmax"
    x = as_float(x)
    dim = _kernels.checked_dim(dim, x.ndim)
    y = _kernels.softmax(np.swapaxes(x.data, dim, -1), log=log)

    def backward(dout):
        dx = _kernels.softmax_backward(np.swapaxes(dout, dim, -1), y, log=log)
        return (_swapped_back(dx, dim),)

    return node(_swapped_back(y, dim), (x,), backward, op)


def _swapped_back(array, dim):
    """array with dim and the last dim in each other's place, in a new array if that moves them."""
    if dim == array.ndim - 1:
        return array
    view = np.swapaxes(array, dim, -1)
    return spread(view, view.shape)
