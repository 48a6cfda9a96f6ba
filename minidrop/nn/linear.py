"""The fully connected layer."""

from .. import functional as F
from . import init
from .arguments import flag, integer, parameter
from .module import Module


class Linear(Module):
    """x W + b: (..., in_features) -> (..., out_features).

    weight: (in_features, out_features), bias: (out_features,) or None; both begin uniform over
    +-1 / sqrt(in_features), as in PyTorch (whose weight is the transpose of this one).
    """

    def __init__(self, in_features, out_features, bias=True):
        self.in_features = integer("in_features", in_features)
        self.out_features = integer("out_features", out_features)
        shape = self.in_features, self.out_features
        self.weight = parameter("weight", shape)
        self.bias = parameter("bias", shape[1:]) if flag("bias", bias) else None
        self.reset_parameters()

    def reset_parameters(self):
        """Begin anew: see `init.default_`."""
        init.default_(self.weight, self.bias)

    def forward(self, x):
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self):
        return (f"in_features={self.in_features}, out_features={self.out_features}, "
                f"bias={self.bias is not None}")
