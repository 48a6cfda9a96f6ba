"""Pooling layers, channels last."""

from .. import functional as F
from .arguments import pair
from .module import Module


class _Pool2d(Module):
    """The window that max and average pooling share."""

    def __init__(self, kernel_size, stride=None, padding=0):
        self.kernel_size = pair("kernel_size", kernel_size)
        self.stride = self.kernel_size if stride is None else pair("stride", stride)
        self.padding = pair("padding", padding, low=0)
        if any(2 * p > k for p, k in zip(self.padding, self.kernel_size, strict=True)):
            raise ValueError(f"padding must be at most half of kernel_size {self.kernel_size}, "
                             f"got {padding}")

    def extra_repr(self):
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPool2d(_Pool2d):
    """The largest value of each window and channel: (n, height, width, c) ->
    (n, out_height, out_width, c), out = (size + 2 padding - kernel) // stride + 1.

    kernel_size, stride (None: kernel_size), padding: an int, or two for height and width. What is
    padded is never the largest; NaN always is.
    """

    def forward(self, x):
        return F.max_pool2d(x, self.kernel_size, self.stride, self.padding)


class AvgPool2d(_Pool2d):
    """The mean of each window and channel; sizes and arguments as MaxPool2d. What is padded counts
    as zeros, as in PyTorch."""

    def forward(self, x):
        return F.avg_pool2d(x, self.kernel_size, self.stride, self.padding)


class AdaptiveAvgPool2d(Module):
    """The means of output_size windows that cover the image: (n, h, w, c) -> (n, *output_size, c).
    output_size: an int, or two for height and width; 1 is global average pooling, None keeps a
    size."""

    def __init__(self, output_size):
        sizes = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * 2
        pair("output_size", [1 if size is None else size for size in sizes])
        self.output_size = tuple(sizes)

    def forward(self, x):
        return F.adaptive_avg_pool2d(x, self.output_size)

    def extra_repr(self):
        return f"output_size={self.output_size}"
