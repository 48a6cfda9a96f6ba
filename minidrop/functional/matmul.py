"""Matrix products: the value, and the closure that returns its gradients, side by side."""

import math

from .. import _kernels
from ..tensor import node
from .broadcast import sum_to
from .operands import as_tensor


def linear(x, w, b=None, *, relu=False, dropout=None):
    """x w + b, for x (..., in), w (in, out), b (out,) -> (..., out).

    relu=True takes max(., 0) in the same pass, with the same bits as a separate `relu`.
    dropout=(p, seed, stream, call, offset), behind a relu, is `dropout` in training, whose mask
    need not be kept: what is above 0 was. ValueError where the sizes do not fit.
    """
    if dropout is not None and not relu:
        raise ValueError("linear: dropout in the same pass takes a relu before it")
    x, w, b = as_tensor(x), as_tensor(w), b if b is None else as_tensor(b)
    rows, weight = x.data, w.data
    shape = rows.shape
    if not shape or weight.ndim != 2 or shape[-1] != weight.shape[0]:
        raise ValueError(f"linear: x (..., in) and w (in, out) do not fit: {shape}, {w.shape}")
    if rows.dtype != weight.dtype:
        raise TypeError(f"linear: x is {rows.dtype} but w is {weight.dtype}: one op takes one "
                        "element type")
    if len(shape) != 2:
        rows = rows.reshape(math.prod(shape[:-1]), shape[-1])
    y = _kernels.matmul(rows, weight, None if b is None else b.data, relu=relu)
    rate = None
    if dropout is not None:
        rate = dropout[0]
        _kernels.drop_in_place(y, *dropout)
    kept = y if relu else None

    def backward(dout):
        if len(shape) != 2:
            dout = dout.reshape(rows.shape[0], weight.shape[1])
        if relu:
            dout = _kernels.relu_backward(dout, kept, rate)
        dx = dw = db = None
        if x.requires_grad:
            dx = _kernels.matmul(dout, weight, trans="NT")
            if len(shape) != 2:
                dx = dx.reshape(shape)
        if w.requires_grad:
            dw = _kernels.matmul(rows, dout, trans="TN")
        if b is None:
            return dx, dw
        if b.requires_grad:
            db = _kernels.sum_over(dout, (0,))
        return dx, dw, db

    parents = (x, w) if b is None else (x, w, b)
    out = y if len(shape) == 2 else y.reshape(*shape[:-1], weight.shape[1])
    op = "linear" + "_relu" * bool(relu) + "_dropout" * (rate is not None)
    return node(out, parents, backward, op)


def matmul(a, b):
    """a @ b as NumPy has it: vectors, matrices, and stacks of matrices with broadcasting.
    ValueError where the inner sizes differ or a scalar is given."""
    a, b = as_tensor(a), as_tensor(b)
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul takes no scalars: a {a.shape}, b {b.shape}")
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(f"matmul: inner sizes differ: a {a.shape}, b {b.shape}")
    if a.dtype != b.dtype:
        raise TypeError(f"matmul: a is {a.dtype} but b is {b.dtype}: one op takes one element type")
    if b.ndim == 2:
        return linear(a, b)
    left = a.data.reshape(1, -1) if a.ndim == 1 else a.data
    right = b.data.reshape(-1, 1) if b.ndim == 1 else b.data
    value = _kernels.matmul_stack(left, right)
    shape = value.shape
    squeezed = shape[: len(shape) - 2] + shape[-2:-1] * (a.ndim > 1) + shape[-1:] * (b.ndim > 1)

    def backward(dout):
        dout = dout.reshape(shape)
        da = db = None
        if a.requires_grad:
            da = sum_to(_kernels.matmul_stack(dout, right, trans="NT"), left.shape).reshape(a.shape)
        if b.requires_grad:
            db = sum_to(_kernels.matmul_stack(left, dout, trans="TN"), right.shape).reshape(b.shape)
        return da, db

    return node(value.reshape(squeezed), (a, b), backward, "matmul")
