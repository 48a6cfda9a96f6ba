"""Losses: the value, and the closure that returns its gradients.

reduction: "mean" (over every loss, so that nothing gives NaN, as in PyTorch), "sum" (0 of nothing)
or "none" (each loss). Classes are the last dimension of logits, (..., classes). A target of classes
holds their numbers, integers (...) from 0 to classes - 1, as a tensor, an array or a list. Integers
elsewhere become float32.
"""

import numpy as np

from .. import _kernels
from ..tensor import as_array, node
from .arithmetic import abs, square, sub
from .broadcast import zeros
from .operands import as_float, operands
from .reduce import mean, sum


def cross_entropy(logits, target, reduction="mean", label_smoothing=0.0):
    """-log of the softmax of logits (..., classes) at the target (...), in one pass.

    label_smoothing s, from 0 to 1: a class weighs 1 - s + s / classes where it is the target and
    s / classes elsewhere (Szegedy et al., 2016). TypeError unless the target is of integers;
    ValueError, naming the first bad label and where it is, unless all of them are classes.
    """
    _check_reduction(reduction)
    logits = as_float(logits)
    labels = as_array(target)
    count = labels.size
    scale = 1 / count if reduction == "mean" and count else 1.0
    losses, slope = _kernels.cross_entropy(
        logits.data, labels, label_smoothing, scale=scale, gradient=logits.requires_grad
    )

    def backward(dout):
        if reduction == "none":
            return (_kernels.mul(slope, dout[..., None]),)
        return (slope if dout.item() == 1 else _kernels.mul(slope, dout),)

    return node(_reduced(losses, reduction), (logits,), backward, "cross_entropy")


def nll_loss(log_probabilities, target, reduction="mean"):
    """-log_probabilities (..., classes) at the target (...): cross entropy after log_softmax.
    Errors as there."""
    _check_reduction(reduction)
    x = as_float(log_probabilities)
    if x.ndim == 0:
        raise ValueError("log_probabilities must have shape (..., classes), got a scalar")
    place = _kernels.class_labels(as_array(target), x.shape[:-1], x.shape[-1])[..., None]
    losses = _kernels.neg(np.take_along_axis(x.data, place, -1)[..., 0])
    shape, count = x.shape, losses.size if reduction == "mean" else 1

    def backward(dout):
        dx = zeros(shape, dout.dtype)
        share = dout[..., None] if reduction == "none" else dout
        np.put_along_axis(dx, place, -share / max(count, 1), -1)
        return (dx,)

    return node(_reduced(losses, reduction), (x,), backward, "nll_loss")


def mse_loss(x, target, reduction="mean"):
    """(x - target)^2, for two tensors of one shape. ValueError where the shapes differ."""
    return _reduce(square(sub(*_pair("mse_loss", x, target, reduction))), reduction)


def l1_loss(x, target, reduction="mean"):
    """|x - target|, for two tensors of one shape; the gradient at 0 is 0. ValueError where the
    shapes differ."""
    return _reduce(abs(sub(*_pair("l1_loss", x, target, reduction))), reduction)


def binary_cross_entropy_with_logits(logits, target, reduction="mean"):
    """-target log p - (1 - target) log(1 - p), p = sigmoid(logits), for two tensors of one shape,
    targets from 0 to 1. From logits, so that neither logarithm overflows. ValueError where the
    shapes differ."""
    x, t = _pair("binary_cross_entropy_with_logits", logits, target, reduction)

    def backward(dout):
        dx = dt = None
        if x.requires_grad:
            dx = _kernels.mul(_kernels.binary_cross_entropy_slope(x.data, t.data), dout)
        if t.requires_grad:
            dt = _kernels.mul(_kernels.neg(x.data), dout)
        return dx, dt

    losses = _kernels.binary_cross_entropy(x.data, t.data)
    return _reduce(node(losses, (x, t), backward, "binary_cross_entropy"), reduction)


def _check_reduction(reduction):
    if not isinstance(reduction, str) or reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def _pair(op, x, target, reduction):
    """Both as tensors of one element type and one shape."""
    _check_reduction(reduction)
    x, target = operands(op, x, target, floats=True)
    if x.shape != target.shape:
        raise ValueError(f"{op}: target must have the shape of the input, {x.shape}, "
                         f"got {target.shape}")
    return x, target


def _reduce(losses, reduction):
    """A tensor of losses, reduced in the graph."""
    return losses if reduction == "none" else (mean if reduction == "mean" else sum)(losses)


def _reduced(losses, reduction):
    """An ndarray of losses, reduced."""
    return losses if reduction == "none" else _kernels.sum_over(losses, mean=reduction == "mean")
