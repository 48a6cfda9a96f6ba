"""Pooling, channels last: the value, and the closure that returns its gradient.

kernel_size, stride and padding: an int, or two for height and width; stride=None is kernel_size.
x (n, height, width, c) -> (n, out_height, out_width, c), out = (size + 2 padding - kernel) //
stride + 1. ValueError where the windows do not fit: an image of no pixels, padding of more than
half of the kernel, a kernel of more than the padded image.
"""

from .. import _kernels
from ..tensor import node
from .operands import as_tensor


def max_pool2d(x, kernel_size, stride=None, padding=0):
    """The largest of each window, channel by channel. NaN is larger than any number; padding never
    wins. The gradient goes to the first of equals."""
    x = as_tensor(x)
    where = (kernel_size, stride, padding)
    y, arg = _kernels.max_pool2d_forward(x.data, *where)
    shape = x.shape

    def backward(dout):
        return (_kernels.max_pool2d_backward(dout, arg, shape, *where),)

    return node(y, (x,), backward, "max_pool2d")


def avg_pool2d(x, kernel_size, stride=None, padding=0):
    """The mean of each window, channel by channel; padding counts as zeros."""
    x = as_tensor(x)
    where = (kernel_size, stride, padding)
    shape = x.shape

    def backward(dout):
        return (_kernels.avg_pool2d_backward(dout, shape, *where),)

    return node(_kernels.avg_pool2d_forward(x.data, *where), (x,), backward, "avg_pool2d")


def adaptive_avg_pool2d(x, output_size):
    """The means of as many windows as asked for: x (n, h, w, c) -> (n, *output_size, c).

    output_size: an int, or two for height and width; None keeps a size. Window i of m over h pixels
    has pixels i h // m to ceil((i + 1) h / m) - 1. output_size=1 is global average pooling."""
    x = as_tensor(x)
    shape = x.shape

    def backward(dout):
        return (_kernels.adaptive_avg_pool2d_backward(dout, shape, output_size),)

    y = _kernels.adaptive_avg_pool2d_forward(x.data, output_size)
    return node(y, (x,), backward, "adaptive_avg_pool2d")
