"""Ops that move elements and change none: the value, and the closure that returns its gradient.

As in NumPy, a result may be a view of its input's memory.
"""

import math

import numpy as np

from .. import _kernels
from ..tensor import Tensor, node
from .broadcast import zeros
from .operands import alike, as_tensor, constant


def reshape(x, *shape):
    """The same elements in another shape: ints or one tuple, of which one may be -1. ValueError
    where their number differs."""
    x = as_tensor(x)
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = tuple(shape[0])
    try:
        value = x.data.reshape(shape)
    except ValueError:
        raise ValueError(f"reshape: shape {x.shape} cannot become {shape}") from None
    before = x.shape
    return node(value, (x,), lambda dout: (dout.reshape(before),), "reshape")


def flatten(x, start_dim=0, end_dim=-1):
    """Dims start_dim to end_dim, both included, as one. A scalar gets one dim."""
    x = as_tensor(x)
    shape = x.data.shape
    if not shape:
        return reshape(x, 1)
    first = _kernels.checked_dim(start_dim, len(shape))
    last = _kernels.checked_dim(end_dim, len(shape))
    if first > last:
        raise ValueError(f"start_dim {start_dim} comes after end_dim {end_dim} of shape {shape}")
    flat = math.prod(shape[first : last + 1])
    value = x.data.reshape(shape[:first] + (flat,) + shape[last + 1 :])
    return node(value, (x,), lambda dout: (dout.reshape(shape),), "flatten")


def transpose(x, *axes):
    """The dims in the order of `axes`, a permutation of them (ints or one tuple); without axes, in
    reverse. As NumPy's transpose, not PyTorch's."""
    x = as_tensor(x)
    if not axes:
        return node(x.data.T, (x,), lambda dout: (dout.T,), "transpose")
    if len(axes) == 1 and isinstance(axes[0], (tuple, list)):
        axes = tuple(axes[0])
    order = [_kernels.checked_dim(a, x.ndim) for a in axes]
    if sorted(order) != list(range(x.ndim)):
        raise ValueError(f"axes must be a permutation of the {x.ndim} dims of x, got {axes}")
    back = sorted(range(x.ndim), key=order.__getitem__)
    return node(x.data.transpose(order), (x,), lambda dout: (dout.transpose(back),), "transpose")


def getitem(x, index):
    """x[index] as in NumPy: ints, slices, None, Ellipsis, arrays or tensors of ints or bools. An
    element that is taken several times gets the sum of its gradients. IndexError beyond the end."""
    index = tuple(map(_plain, index)) if isinstance(index, tuple) else _plain(index)
    value = x.data[index]
    if x.dtype.kind != "f":
        return constant(value)
    shape = x.shape

    def backward(dout):
        dx = zeros(shape, dout.dtype)
        if _takes_each_once(index):
            dx[index] = dout
        else:
            np.add.at(dx, index, dout)
        return (dx,)

    return node(np.asarray(value), (x,), backward, "getitem")


def _plain(item):
    return item.data if isinstance(item, Tensor) else item


def _takes_each_once(index):
    items = index if isinstance(index, tuple) else (index,)
    if len(items) == 1 and isinstance(items[0], np.ndarray) and items[0].dtype.kind == "b":
        return True
    basic = (int, np.integer, slice, type(None), type(Ellipsis))
    return all(isinstance(item, basic) and not isinstance(item, bool) for item in items)


def cat(tensors, dim=0):
    """Tensors joined along dim; their other dims agree. ValueError where they do not, or where
    there is none."""
    tensors = _several("cat", tensors)
    first = tensors[0]
    d = _kernels.checked_dim(dim, first.ndim)
    for t in tensors:
        if t.ndim != first.ndim or t.shape[:d] + t.shape[d + 1 :] != (
            first.shape[:d] + first.shape[d + 1 :]
        ):
            raise ValueError(f"cat: shapes must agree but for dim {dim}: {_shapes(tensors)}")
    ends = np.cumsum([t.shape[d] for t in tensors]).tolist()
    arrays = [t.data for t in tensors]
    if first.dtype.kind != "f":
        return constant(np.concatenate(arrays, d))
    out = _kernels.empty((*first.shape[:d], ends[-1], *first.shape[d + 1 :]), first.dtype)
    np.concatenate(arrays, d, out=out)
    before = (slice(None),) * d

    def backward(dout):
        starts = [0, *ends]
        return tuple(dout[(*before, slice(a, b))] for a, b in zip(starts, ends, strict=False))

    return node(out, tensors, backward, "cat")


def stack(tensors, dim=0):
    """Tensors of one shape joined along a new dim."""
    tensors = _several("stack", tensors)
    first = tensors[0]
    d = _kernels.checked_dim(dim, first.ndim + 1)
    if any(t.shape != first.shape for t in tensors):
        raise ValueError(f"stack: shapes must agree: {_shapes(tensors)}")
    arrays = [t.data for t in tensors]
    if first.dtype.kind != "f":
        return constant(np.stack(arrays, d))
    out = _kernels.empty((*first.shape[:d], len(arrays), *first.shape[d:]), first.dtype)
    np.stack(arrays, d, out=out)
    return node(out, tensors, lambda dout: tuple(np.moveaxis(dout, d, 0)), "stack")


def _several(op, tensors):
    if not isinstance(tensors, (tuple, list)):
        raise TypeError(f"{op} takes a list or tuple of tensors, got {type(tensors).__name__}")
    if not tensors:
        raise ValueError(f"{op} of no tensors")
    return alike(op, [as_tensor(x) for x in tensors])


def _shapes(tensors):
    return ", ".join(str(t.shape) for t in tensors)
