"""Activations as layers: each calls the function of its name."""

from .. import functional as F
from .arguments import integer, real
from .module import Module


class ReLU(Module):
    """max(x, 0)."""

    def forward(self, x):
        return F.relu(x)


class LeakyReLU(Module):
    """x where x > 0, else negative_slope x. Maas et al. 2013, "Rectifier nonlinearities"."""

    def __init__(self, negative_slope=0.01):
        self.negative_slope = real("negative_slope", negative_slope)

    def forward(self, x):
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self):
        return f"negative_slope={self.negative_slope}"


class ELU(Module):
    """x where x > 0, else alpha (exp(x) - 1). Clevert et al. 2015, "Exponential linear units"."""

    def __init__(self, alpha=1.0):
        self.alpha = real("alpha", alpha)

    def forward(self, x):
        return F.elu(x, self.alpha)

    def extra_repr(self):
        return f"alpha={self.alpha}"


class SELU(Module):
    """ELU, scaled so that activations tend to mean 0 and variance 1; begin its layers with
    `init.lecun_normal_`. Klambauer et al. 2017, "Self-normalizing neural networks"."""

    def forward(self, x):
        return F.selu(x)


class GELU(Module):
    """x times the standard normal distribution function of x; approximate="tanh" is the cheaper
    form. Hendrycks and Gimpel 2016, "Gaussian error linear units"."""

    def __init__(self, approximate="none"):
        if approximate not in ("none", "tanh"):
            raise ValueError(f'approximate must be "none" or "tanh", got {approximate!r}')
        self.approximate = approximate

    def forward(self, x):
        return F.gelu(x, self.approximate)

    def extra_repr(self):
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """x sigmoid(x), also called swish. Elfwing et al. 2017, "Sigmoid-weighted linear units"."""

    def forward(self, x):
        return F.silu(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, x):
        return F.sigmoid(x)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, x):
        return F.tanh(x)


class Softmax(Module):
    """exp(x) over its sum along `dim`: probabilities."""

    def __init__(self, dim=-1):
        self.dim = integer("dim", dim, low=None)

    def forward(self, x):
        return F.softmax(x, self.dim)

    def extra_repr(self):
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """The logarithm of the softmax along `dim`, without going through it."""

    def __init__(self, dim=-1):
        self.dim = integer("dim", dim, low=None)

    def forward(self, x):
        return F.log_softmax(x, self.dim)

    def extra_repr(self):
        return f"dim={self.dim}"
