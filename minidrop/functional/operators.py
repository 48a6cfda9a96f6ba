"""What Python's protocols ask of Tensor beyond the ops themselves."""

import numpy as np

from . import arithmetic
from .operands import alike, constant


def swapped(op):
    """The reflected operator: what `b op a` calls where b is not a Tensor."""

    def reflected(a, b):
        return op(b, a)

    return reflected


def equal(a, b):
    """a == b; a tensor equals no None and no text."""
    return NotImplemented if b is None or isinstance(b, str) else arithmetic.eq(a, b)


def unequal(a, b):
    """a != b, alike."""
    return NotImplemented if b is None or isinstance(b, str) else arithmetic.ne(a, b)


def iterate(x):
    """The tensors x[0], x[1], ... TypeError for a scalar."""
    if x.ndim == 0:
        raise TypeError("a tensor without dims has nothing to iterate over")
    return (x[i] for i in range(len(x)))


def both(a, b):
    """a & b, of bools or integers, with broadcasting."""
    return _bitwise("&", np.bitwise_and, a, b)


def either(a, b):
    """a | b, of bools or integers, with broadcasting."""
    return _bitwise("|", np.bitwise_or, a, b)


def opposite(a):
    """~a, of bools or integers."""
    return _bitwise("~", np.invert, a)


def _bitwise(op, numpy_op, *given):
    tensors = alike(op, given)
    if tensors[0].dtype.kind == "f":
        raise TypeError(f"{op} takes bools and integers, got {tensors[0].dtype}")
    return constant(numpy_op(*(t.data for t in tensors)))
