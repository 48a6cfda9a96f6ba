"""Shapes that meet in one op: broadcasting and its reverse, on ndarrays."""

import numpy as np

from .. import _kernels


def sum_to(array, shape):
    """The reverse of broadcasting: array summed over the dims along which an array of `shape` was
    repeated to become as large. array itself where there are none."""
    if array.shape == shape:
        return array
    extra = array.ndim - len(shape)
    dims = [d for d in range(array.ndim) if d < extra or shape[d - extra] != array.shape[d]]
    total = _kernels.sum_over(array, dims)
    return total if total.shape == shape else total.reshape(shape)


def spread(array, shape):
    """array repeated to `shape`, as a new contiguous array."""
    out = _kernels.empty(shape, array.dtype)
    np.copyto(out, array)
    return out


def zeros(shape, dtype):
    """A new array of zeros on a block of the pool."""
    out = _kernels.empty(shape, dtype)
    out.fill(0)
    return out
