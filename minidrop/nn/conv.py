"""The convolution layer."""

from .. import functional as F
from ..functional.conv import check_algo
from . import init
from .arguments import flag, integer, pair, parameter
from .module import Module


class Conv2d(Module):
    """2-d convolution, channels last: (n, height, width, in_channels) ->
    (n, out_height, out_width, out_channels), where
    out = (size + 2 padding - dilation (kernel - 1) - 1) // stride + 1.

    kernel_size, stride, padding, dilation: an int, or two for height and width. groups: how many
    independent convolutions share the channels; it must divide both numbers of channels.
    weight: (kh, kw, in_channels / groups, out_channels), bias: (out_channels,) or None; both begin
    uniform over +-1 / sqrt(kh kw in_channels / groups), as in PyTorch. algo: "auto", "direct" or
    "winograd", as in `minidrop.functional.conv2d`; ValueError for "winograd" where it cannot be.
    """

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1,
                 groups=1, bias=True, *, algo="auto"):
        self.in_channels = integer("in_channels", in_channels)
        self.out_channels = integer("out_channels", out_channels)
        self.kernel_size = pair("kernel_size", kernel_size)
        self.stride = pair("stride", stride)
        self.padding = pair("padding", padding, low=0)
        self.dilation = pair("dilation", dilation)
        self.groups = integer("groups", groups)
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ValueError(f"groups must divide in_channels {in_channels} and out_channels "
                             f"{out_channels}, got {groups}")
        check_algo(algo, self.kernel_size, self.stride, self.dilation, self.groups)
        self.algo = algo
        shape = *self.kernel_size, self.in_channels // self.groups, self.out_channels
        self.weight = parameter("weight", shape)
        self.bias = parameter("bias", shape[-1:]) if flag("bias", bias) else None
        self.reset_parameters()

    def reset_parameters(self):
        """Begin anew: see `init.default_`."""
        init.default_(self.weight, self.bias)

    def forward(self, x):
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation,
                        self.groups, algo=self.algo)

    def extra_repr(self):
        text = (f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
                f"stride={self.stride}")
        defaults = {"padding": (0, 0), "dilation": (1, 1), "groups": 1, "algo": "auto"}
        for name, default in defaults.items():
            if getattr(self, name) != default:
                text += f", {name}={getattr(self, name)!r}"
        return text + (", bias=False" if self.bias is None else "")
