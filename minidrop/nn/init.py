"""How parameters begin. Every function fills a tensor in place, from `minidrop.random` (so that
`md.manual_seed` decides the numbers), and returns it. Names and defaults are PyTorch's.

A weight's fans are the number of inputs that one output is summed from, and of outputs that one
input goes to: for (in, out) as they stand, for (kh, kw, cin/groups, cout) times kh kw.
"""

from math import prod, sqrt

from .. import random
from ..tensor import Tensor

GAINS = {
    "linear": 1.0, "conv2d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3, "relu": sqrt(2), "selu": 0.75
}  # fmt: skip


def fans(tensor):
    """(fan_in, fan_out) of a weight (..., in, out). ValueError for fewer than two dims."""
    _check_tensor(tensor)
    if tensor.ndim < 2:
        raise ValueError(f"fans need a weight of at least two dims, got shape {tensor.shape}")
    *window, inputs, outputs = tensor.shape
    return prod(window) * inputs, prod(window) * outputs


def calculate_gain(nonlinearity, param=None):
    """By how much the standard deviation should be larger so that a layer of this nonlinearity
    keeps that of its input. param: the slope of "leaky_relu", 0.01 unless given."""
    if nonlinearity == "leaky_relu":
        return sqrt(2 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in GAINS:
        names = ", ".join([*GAINS, "leaky_relu"])
        raise ValueError(f"nonlinearity must be one of {names}, got {nonlinearity!r}")
    return GAINS[nonlinearity]


def uniform_(tensor, a=0.0, b=1.0):
    """Uniform over [a, b)."""
    _check_tensor(tensor)
    if not a <= b:
        raise ValueError(f"a must not be more than b, got a={a}, b={b}")
    tensor.data[...] = random.uniform(tensor.shape, a, b)
    return tensor


def normal_(tensor, mean=0.0, std=1.0):
    """Normal with this mean and standard deviation."""
    _check_tensor(tensor)
    if not std >= 0:
        raise ValueError(f"std must be at least 0, got {std}")
    tensor.data[...] = random.normal(tensor.shape, mean, std)
    return tensor


def constant_(tensor, val):
    """One value everywhere."""
    _check_tensor(tensor)
    tensor.data[...] = val
    return tensor


def zeros_(tensor):
    """0 everywhere."""
    return constant_(tensor, 0)


def ones_(tensor):
    """1 everywhere."""
    return constant_(tensor, 1)


def kaiming_uniform_(tensor, a=0.0, mode="fan_in", nonlinearity="leaky_relu"):
    """Uniform, of standard deviation gain / sqrt(fan): keeps the variance through layers of that
    nonlinearity, forward ("fan_in") or backward ("fan_out"). a: the slope of a leaky ReLU.
    He et al. 2015, "Delving deep into rectifiers"."""
    bound = sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(tensor, a=0.0, mode="fan_in", nonlinearity="leaky_relu"):
    """Normal, of standard deviation gain / sqrt(fan): see `kaiming_uniform_`."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity))


def xavier_uniform_(tensor, gain=1.0):
    """Uniform, of variance gain^2 2 / (fan_in + fan_out): a compromise between forward and
    backward. Glorot and Bengio 2010, "Understanding the difficulty of training deep networks"."""
    bound = sqrt(3) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor, gain=1.0):
    """Normal, of variance gain^2 2 / (fan_in + fan_out): see `xavier_uniform_`."""
    return normal_(tensor, 0.0, _xavier_std(tensor, gain))


def lecun_normal_(tensor):
    """Normal, of variance 1 / fan_in: what SELU and AlphaDropout need.
    LeCun et al. 1998, "Efficient backprop"; Klambauer et al. 2017 for SELU."""
    return normal_(tensor, 0.0, 1 / sqrt(max(1, fans(tensor)[0])))


def default_(weight, bias=None):
    """What Linear and Conv2d begin with, as in PyTorch: weight and bias uniform over
    +-1 / sqrt(fan_in) of the weight."""
    bound = 1 / sqrt(max(1, fans(weight)[0]))
    uniform_(weight, -bound, bound)
    if bias is not None:
        uniform_(bias, -bound, bound)


def _check_tensor(tensor):
    if not isinstance(tensor, Tensor):
        raise TypeError(f"tensor must be a Tensor to fill, got {type(tensor).__name__}")


def _kaiming_std(tensor, a, mode, nonlinearity):
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f'mode must be "fan_in" or "fan_out", got {mode!r}')
    fan = fans(tensor)[mode == "fan_out"]
    return calculate_gain(nonlinearity, a) / sqrt(max(1, fan))


def _xavier_std(tensor, gain):
    return gain * sqrt(2 / max(1, sum(fans(tensor))))
