"""Elementwise arithmetic with broadcasting: the value, and the closure that returns its gradients.
`operands` says what may meet what."""

import numpy as np

from .. import _kernels
from ..tensor import node
from .broadcast import sum_to
from .operands import as_float, as_tensor, constant, operands


def add(a, b):
    """a + b."""
    a, b = operands("add", a, b)
    if a.dtype.kind != "f":
        return constant(np.add(a.data, b.data))

    def backward(dout):
        da = sum_to(dout, a.shape) if a.requires_grad else None
        db = sum_to(dout, b.shape) if b.requires_grad else None
        return da, db

    return node(_kernels.add(a.data, b.data), (a, b), backward, "add")


def sub(a, b):
    """a - b."""
    a, b = operands("sub", a, b)
    if a.dtype.kind != "f":
        return constant(np.subtract(a.data, b.data))

    def backward(dout):
        da = sum_to(dout, a.shape) if a.requires_grad else None
        db = _kernels.neg(sum_to(dout, b.shape)) if b.requires_grad else None
        return da, db

    return node(_kernels.sub(a.data, b.data), (a, b), backward, "sub")


def mul(a, b):
    """a * b."""
    a, b = operands("mul", a, b)
    if a.dtype.kind != "f":
        return constant(np.multiply(a.data, b.data))

    def backward(dout):
        da = sum_to(_kernels.mul(dout, b.data), a.shape) if a.requires_grad else None
        db = sum_to(_kernels.mul(dout, a.data), b.shape) if b.requires_grad else None
        return da, db

    return node(_kernels.mul(a.data, b.data), (a, b), backward, "mul")


def div(a, b):
    """a / b; integers are divided as float32."""
    a, b = operands("div", a, b, floats=True)
    value = _kernels.div(a.data, b.data)

    def backward(dout):
        da = db = None
        if a.requires_grad:
            da = sum_to(_kernels.div(dout, b.data), a.shape)
        if b.requires_grad:
            slope = _kernels.div(value, b.data)
            db = _kernels.neg(sum_to(_kernels.mul(dout, slope), b.shape))
        return da, db

    return node(value, (a, b), backward, "div")


def pow(a, b):
    """a to the power b. With one number for b, whole powers from -4 to 4 are products and 0.5 is
    the square root; x ** 0 is 1 for every x."""
    a, b = operands("pow", a, b)
    if a.dtype.kind != "f":
        return constant(np.power(a.data, b.data))
    value = _kernels.power(a.data, b.data)

    def backward(dout):
        da = db = None
        if a.requires_grad:
            da = sum_to(_kernels.mul(dout, _pow_slope(a.data, b.data)), a.shape)
        if b.requires_grad:
            # 0 to a power from 0 up does not move with the power, whatever its logarithm
            still = (a.data == 0) & (b.data >= 0)
            slope = _kernels.where(still, 0.0, _kernels.mul(value, _kernels.log(a.data)))
            db = sum_to(_kernels.mul(dout, slope), b.shape)
        return da, db

    return node(value, (a, b), backward, "pow")


def _pow_slope(a, b):
    """d(a**b)/da = b a**(b - 1), and 0 where b is 0, for a = 0 too."""
    slope = _kernels.mul(b, _kernels.power(a, _kernels.sub(b, 1.0)))
    return _kernels.where(b == 0, 0.0, slope) if (b == 0).any() else slope


def maximum(a, b):
    """The greater of a and b; NaN where either is NaN. Equals share the gradient."""
    return _greater(a, b, "maximum", _kernels.maximum, np.maximum, np.greater)


def minimum(a, b):
    """The smaller of a and b; NaN where either is NaN. Equals share the gradient."""
    return _greater(a, b, "minimum", _kernels.minimum, np.minimum, np.less)


def _greater(a, b, op, kernel, numpy_op, wins):
    a, b = operands(op, a, b)
    if a.dtype.kind != "f":
        return constant(numpy_op(a.data, b.data))

    def backward(dout):
        half = _kernels.mul(dout, 0.5)
        shared = _kernels.where(a.data == b.data, half, 0.0)
        da = db = None
        if a.requires_grad:
            da = sum_to(_kernels.where(wins(a.data, b.data), dout, shared), a.shape)
        if b.requires_grad:
            db = sum_to(_kernels.where(wins(b.data, a.data), dout, shared), b.shape)
        return da, db

    return node(kernel(a.data, b.data), (a, b), backward, op)


def where(condition, a, b):
    """a where condition (bool) is true, else b, with broadcasting of all three. What is not chosen
    gets the gradient 0."""
    condition = as_tensor(condition)
    if condition.dtype.kind != "b":
        raise TypeError(f"condition must hold bools, got {condition.dtype}")
    a, b = operands("where", a, b)
    if a.dtype.kind != "f":
        return constant(np.where(condition.data, a.data, b.data))
    mask = condition.data

    def backward(dout):
        da = sum_to(_kernels.where(mask, dout, 0.0), a.shape) if a.requires_grad else None
        db = sum_to(_kernels.where(mask, 0.0, dout), b.shape) if b.requires_grad else None
        return da, db

    return node(_kernels.where(mask, a.data, b.data), (a, b), backward, "where")


def neg(x):
    """-x."""
    x = as_tensor(x)
    if x.dtype.kind != "f":
        return constant(np.negative(x.data))
    return node(_kernels.neg(x.data), (x,), lambda dout: (_kernels.neg(dout),), "neg")


def abs(x):
    """x without its sign; the gradient at 0 is 0."""
    x = as_tensor(x)
    if x.dtype.kind != "f":
        return constant(np.abs(x.data))

    def backward(dout):
        return (_kernels.mul(dout, np.sign(x.data)),)

    return node(_kernels.absolute(x.data), (x,), backward, "abs")


def exp(x):
    """e to the power x."""
    x = as_float(x)
    value = _kernels.exp(x.data)
    return node(value, (x,), lambda dout: (_kernels.mul(dout, value),), "exp")


def log(x):
    """The natural logarithm; -inf at 0, NaN below."""
    x = as_float(x)
    return node(_kernels.log(x.data), (x,), lambda dout: (_kernels.div(dout, x.data),), "log")


def sqrt(x):
    """The square root; NaN below 0. The gradient at 0 is infinite."""
    x = as_float(x)
    value = _kernels.sqrt(x.data)

    def backward(dout):
        return (_kernels.div(dout, _kernels.mul(value, 2.0)),)

    return node(value, (x,), backward, "sqrt")


def square(x):
    """x * x."""
    return mul(x, x)


def clip(x, min=None, max=None):
    """x, but `min` where it is less and `max` where it is greater; NaN stays NaN. min, max:
    numbers, of which one may be left out. The gradient is 0 outside [min, max]. ValueError where
    both are left out or one is NaN."""
    x = as_tensor(x)
    for name, bound in (("min", min), ("max", max)):
        if bound is not None and not isinstance(bound, (int, float, np.number)):
            raise TypeError(f"{name} must be a number or None, got {bound!r}")
        if bound is not None and bound != bound:
            raise ValueError(f"{name} must not be NaN")
    if min is None and max is None:
        raise ValueError("clip needs min or max")
    if x.dtype.kind != "f":
        try:
            return constant(np.clip(x.data, min, max))
        except OverflowError as error:
            raise ValueError(f"min {min} or max {max} does not fit into {x.dtype}") from error
    low = x.dtype.type(-np.inf if min is None else min)
    high = x.dtype.type(np.inf if max is None else max)

    def backward(dout):
        return (_kernels.where((x.data >= low) & (x.data <= high), dout, 0.0),)

    return node(_kernels.clip(x.data, low, high), (x,), backward, "clip")


def eq(a, b):
    """a == b, as a bool tensor."""
    return _compared("==", np.equal, a, b)


def ne(a, b):
    """a != b, as a bool tensor."""
    return _compared("!=", np.not_equal, a, b)


def lt(a, b):
    """a < b, as a bool tensor."""
    return _compared("<", np.less, a, b)


def le(a, b):
    """a <= b, as a bool tensor."""
    return _compared("<=", np.less_equal, a, b)


def gt(a, b):
    """a > b, as a bool tensor."""
    return _compared(">", np.greater, a, b)


def ge(a, b):
    """a >= b, as a bool tensor."""
    return _compared(">=", np.greater_equal, a, b)


def _compared(op, compare, a, b):
    a, b = operands(op, a, b)
    return constant(compare(a.data, b.data))
