"""Reductions over dims: the value, and the closure that returns its gradient.

dim: an int, where a tuple is said to be allowed several, or None for all. keepdim=True leaves the
reduced dims with size 1. Integers are summed as int64 and averaged as float32.
"""

import math
from typing import NamedTuple

import numpy as np

from .. import _kernels
from ..tensor import Tensor, node
from .arithmetic import mul, sub
from .broadcast import spread, zeros
from .operands import as_float, as_tensor, constant


class Extreme(NamedTuple):
    """What max and min along a dim return."""

    values: Tensor
    indices: Tensor  # int64


def sum(x, dim=None, keepdim=False):
    """The sum over dim: an int, a tuple of ints, or None for all."""
    x = as_tensor(x)
    dims = _dims(dim, x.ndim)
    if x.dtype.kind != "f":
        return constant(np.sum(x.data, axis=dims, keepdims=keepdim, dtype=np.int64))
    shape = x.shape

    def backward(dout):
        return (spread(_kept(dout, dims, keepdim), shape),)

    return node(_kernels.sum_over(x.data, dims, keepdim=keepdim), (x,), backward, "sum")


def mean(x, dim=None, keepdim=False):
    """The mean over dim: an int, a tuple of ints, or None for all. NaN where there is nothing."""
    x = as_float(x)
    dims = _dims(dim, x.ndim)
    shape = x.shape
    count = math.prod(shape if dims is None else (shape[d] for d in dims))

    def backward(dout):
        share = _kernels.div(_kept(dout, dims, keepdim), float(count))
        return (spread(share, shape),)

    value = _kernels.sum_over(x.data, dims, keepdim=keepdim, mean=True)
    return node(value, (x,), backward, "mean")


def var(x, dim=None, correction=1, keepdim=False):
    """The variance over dim: an int, a tuple of ints, or None for all. The sum of squares is
    divided by n - correction: 1 for a sample's estimate, 0 for a whole population."""
    x = as_float(x)
    dims = _dims(dim, x.ndim)
    count = math.prod(x.shape if dims is None else (x.shape[d] for d in dims))
    off = sub(x, mean(x, dims, keepdim=True))
    scale = 1 / (count - correction) if count > correction else math.nan
    return mul(sum(mul(off, off), dims, keepdim), scale)


def max(x, dim=None, keepdim=False):
    """Without dim the greatest element. With dim, an int, (values, indices): the greatest along it
    and where it is. NaN beats every number. Of equals the first is taken, and gets the gradient.
    ValueError where there is nothing to choose from."""
    return _extreme(x, dim, keepdim, False)


def min(x, dim=None, keepdim=False):
    """The least element, or the least along dim and where it is: see `max`."""
    return _extreme(x, dim, keepdim, True)


def argmax(x, dim=None, keepdim=False):
    """Where the greatest element along dim is, int64; without dim, where it is in the flattened
    tensor. NaN beats every number, of equals the first is taken."""
    return _places(x, dim, keepdim, False)


def argmin(x, dim=None, keepdim=False):
    """Where the least element is: see `argmax`."""
    return _places(x, dim, keepdim, True)


def _extreme(x, dim, keepdim, least):
    x = as_tensor(x)
    d = None if dim is None else _kernels.checked_dim(dim, x.ndim)
    if x.dtype.kind != "f":
        values, places = _integer_extreme(x.data, d, keepdim, least)
        return constant(values) if d is None else Extreme(constant(values), constant(places))
    value, place = _kernels.extreme(x.data, d, least=least, keepdim=keepdim)
    shape = x.shape

    def backward(dout):
        dx = zeros(shape, dout.dtype)
        if d is None:
            dx.reshape(-1)[place.reshape(-1)] = dout.reshape(-1)
        else:
            dims = (d,)
            np.put_along_axis(dx, _kept(place, dims, keepdim), _kept(dout, dims, keepdim), d)
        return (dx,)

    out = node(value, (x,), backward, "min" if least else "max")
    return out if d is None else Extreme(out, constant(place))


def _places(x, dim, keepdim, least):
    x = as_tensor(x)
    d = None if dim is None else _kernels.checked_dim(dim, x.ndim)
    if x.dtype.kind != "f":
        return constant(_integer_extreme(x.data, d, keepdim, least)[1])
    return constant(_kernels.extreme(x.data, d, least=least, keepdim=keepdim)[1])


def _integer_extreme(x, d, keepdim, least):
    find, choose = (np.argmin, np.min) if least else (np.argmax, np.max)
    try:
        return choose(x, axis=d, keepdims=keepdim), find(x, axis=d, keepdims=keepdim)
    except ValueError:
        what = "min" if least else "max"
        raise ValueError(f"{what} of no elements: x has shape {x.shape}") from None


def _dims(dim, ndim):
    """dim as a tuple of different ints from 0, or None for all."""
    if dim is None:
        return None
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    dims = tuple(_kernels.checked_dim(d, ndim) for d in dims)
    if len(set(dims)) != len(dims):
        raise ValueError(f"dim must not name a dimension twice, got {dim}")
    return dims


def _kept(array, dims, keepdim):
    """A reduced array with its reduced dims as size 1, ready to be repeated along them."""
    return array if keepdim or dims is None else np.expand_dims(array, dims)
