"""Clipping of gradients, in place, between backward() and step()."""

import math

import numpy as np

from .. import _kernels
from ..tensor import Tensor
from .options import number


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False):
    """Scale all gradients by one factor, so that their norm, taken over all of them as one vector,
    is at most max_norm (Pascanu et al., 2013). Returns the norm that they had, a float.

    parameters: a Tensor or an iterable of them; those without a gradient are passed over.
    max_norm: at least 0; inf only measures. norm_type: 2, or inf for the greatest absolute value.
    error_if_nonfinite: raise ValueError, and change nothing, where the norm is inf or NaN;
        otherwise all gradients are then multiplied by 0 or by NaN, as in PyTorch.
    """
    max_norm = number("max_norm", max_norm, 0, allow_inf=True)
    if norm_type not in (2, math.inf):
        raise ValueError(f"norm_type must be 2 or inf, got {norm_type!r}")
    owners, grads = _gradients(parameters)
    norm = _norm(grads, norm_type)
    if error_if_nonfinite and not math.isfinite(norm):
        raise ValueError(f"the norm of the gradients is {norm}; nothing was clipped")
    factor = math.inf if max_norm == math.inf else max_norm / (norm + 1e-6)
    if not factor >= 1:
        _kernels.scale_list(grads, factor)
        _put(owners, grads)
    return norm


def clip_grad_value_(parameters, clip_value):
    """Limit every element of every gradient to [-clip_value, clip_value]; NaN stays NaN.

    parameters: a Tensor or an iterable of them; those without a gradient are passed over.
    clip_value: at least 0.
    """
    clip_value = number("clip_value", clip_value, 0, allow_inf=True)
    owners, grads = _gradients(parameters)
    for g in grads:
        np.clip(g, -clip_value, clip_value, out=g)
    _put(owners, grads)


def _norm(grads, norm_type):
    if norm_type == math.inf:
        return float(max((np.abs(g).max(initial=0) for g in grads), default=0.0))
    squares = 0.0  # added here in order: what sum() does with floats depends on Python's version
    for g in grads:
        squares += float(_kernels.sum_over(g, squares=True))
    return math.sqrt(squares)


def _gradients(parameters):
    """The parameters that have a gradient, in lists of those that share one; and the gradients,
    each once: the array itself where it can be worked on in place, else a copy."""
    owners = {}
    for i, p in enumerate([parameters] if isinstance(parameters, Tensor) else parameters):
        if not isinstance(p, Tensor):
            raise TypeError(f"parameters[{i}] must be a Tensor, got {type(p).__name__}")
        if p.grad is not None:
            owners.setdefault(id(p.grad), []).append(p)
    grads = []
    for (p, *_) in owners.values():
        g = np.asarray(p.grad)
        in_place = g.dtype == p.dtype and g.flags.carray
        grads.append(g if in_place else np.array(g, dtype=p.dtype, order="C"))
    return list(owners.values()), grads


def _put(owners, grads):
    for group, g in zip(owners, grads, strict=True):
        for p in group:
            p.grad = g
