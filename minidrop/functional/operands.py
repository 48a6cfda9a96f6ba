"""What the operands of one op become before a kernel sees them.

Tensors, arrays, lists and numbers are taken. A Python or NumPy number takes the element type of the
other operands, and never changes it. Integers and bools take the float type that they meet. float32
never meets float64. Where nothing holds floats, NumPy's rules for integers stand, and its loops do
the work: the graph and the kernels are for floats.
"""

import numpy as np

from ..tensor import Tensor, node

_NUMBERS = (int, float, np.number, np.bool_)


def constant(value):
    """A Tensor outside the graph, for an ndarray or NumPy number that an op made."""
    return node(np.asarray(value), (), None, "")


def number(value, dtype):
    """A Python or NumPy number as a Tensor of `dtype`, without dims."""
    try:
        return node(np.array(value, dtype), (), None, "")
    except OverflowError:
        raise ValueError(f"the number {value} does not fit into {dtype}") from None


def operands(op, a, b, floats=False):
    """a and b as tensors of one element type. floats=True makes it float32 where neither holds
    floats. TypeError, naming op, where float32 meets float64."""
    if isinstance(a, Tensor) and a.data.dtype.kind == "f":  # what nearly every call is
        if isinstance(b, Tensor):
            if a.data.dtype == b.data.dtype:
                return a, b
        elif isinstance(b, (float, int)):
            return a, number(b, a.data.dtype)
    return alike(op, (a, b), floats)


def as_tensor(x):
    """x as a Tensor, of the element type that it has."""
    return x if isinstance(x, Tensor) else Tensor(x)


def as_float(x):
    """x as a tensor of floats: integers and bools become float32, outside the graph."""
    if not isinstance(x, Tensor):
        x = Tensor(x)
    return x if x.data.dtype.kind == "f" else constant(x.data.astype(np.float32))


def alike(op, given, floats=False):
    """Any number of operands as tensors of one element type: see `operands`."""
    if all(isinstance(x, _NUMBERS) for x in given):
        given = [Tensor(x) for x in given]
    given = [x if isinstance(x, (Tensor, *_NUMBERS)) else Tensor(x) for x in given]
    dtype = _common_dtype(op, given, floats)
    return tuple(
        number(x, dtype)
        if not isinstance(x, Tensor)
        else x
        if x.data.dtype == dtype
        else constant(x.data.astype(dtype))
        for x in given
    )


def _common_dtype(op, given, floats):
    dtypes = {x.data.dtype for x in given if isinstance(x, Tensor)}
    reals = {dtype for dtype in dtypes if dtype.kind == "f"}
    if len(reals) > 1:
        raise TypeError(f"{op}: float32 and float64 do not mix; convert one of the operands")
    if reals:
        return reals.pop()
    numbers = [x for x in given if not isinstance(x, Tensor)]
    if floats or any(isinstance(x, (float, np.floating)) for x in numbers):
        return np.dtype(np.float32)
    if any(not isinstance(x, (bool, np.bool_)) for x in numbers) and dtypes == {np.dtype(bool)}:
        return np.dtype(np.int64)
    return np.result_type(*dtypes)
