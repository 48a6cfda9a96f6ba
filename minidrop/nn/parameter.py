"""What a module owns: parameters, which are learned, and buffers, which are only remembered."""

import numpy as np

from ..tensor import Tensor, as_array


class Parameter(Tensor):
    """A Tensor that an optimizer changes: a Module lists it once it is an attribute.

    array: what a Tensor takes; it is copied only where it is read-only, not contiguous or not
    aligned, so that `p.data[...] = x` and an optimizer's step always work. requires_grad=False
    freezes it. Copies and pickles carry the values, without the gradient.
    """

    __slots__ = ()

    def __init__(self, array, requires_grad=True):
        super().__init__(writable(array), requires_grad)

    def __repr__(self):
        return super().__repr__().replace("Tensor(", "Parameter(", 1)

    def __reduce__(self):
        return type(self), (self.data, self.requires_grad)


def writable(array):
    """array as an ndarray that can be written in place: itself, or a copy."""
    a = as_array(array)
    if a.flags.carray:  # contiguous, aligned, writable
        return a
    return np.array(a, order="C")
