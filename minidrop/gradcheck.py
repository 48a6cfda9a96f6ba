"""Check the gradients of a function against central differences."""

import numpy as np

from .tensor import Tensor, no_grad


def gradcheck(fn, inputs, eps=1e-6, atol=1e-5, rtol=1e-3):
    """True where backward() through fn agrees with its central differences, in float64.

    fn: takes tensors, one for each input, and returns a tensor or a tuple of them, the same for
    the same inputs (a random one needs a fixed seed). inputs: an array or tensor, or a sequence of
    them. Tensors that require a gradient are checked; where none does, every float input is. They
    are copied as float64 first; integers and bools are passed as they are.

    Each output is weighted by fixed random numbers v, and each element of each input is moved by
    +-eps: analytic = d(v . out)/dx must be within atol + rtol |numeric| of numeric.
    AssertionError names the worst element: its input, index, numeric and analytic value.
    TypeError where there is no float input.
    """
    tensors, checked = _prepare(inputs)
    outputs = _outputs(fn(*tensors))
    rng = np.random.default_rng(0)
    weights = [rng.uniform(0.5, 1.5, out.shape) * rng.choice([-1, 1], out.shape) for out in outputs]
    analytic = _analytic(fn, tensors, checked, weights)

    worst, message = 0.0, None
    for i in checked:
        for index in np.ndindex(tensors[i].shape):
            numeric = _difference(fn, tensors, i, index, eps, weights)
            error = abs(analytic[i][index] - numeric)
            excess = error / (atol + rtol * abs(numeric)) if error == error else np.inf
            if excess > 1 and excess > worst:
                worst, message = (
                    excess,
                    (
                        f"gradient of input {i} is wrong, worst at index {index}: "
                        f"numeric {numeric:.9g}, analytic {analytic[i][index]:.9g}, "
                        f"off by {error:.3g} (atol {atol}, rtol {rtol})"
                    ),
                )
    if message:
        raise AssertionError(message)
    return True


def _prepare(inputs):
    """Every input as a tensor of its own, and the positions of those to check."""
    inputs = inputs if isinstance(inputs, (tuple, list)) else (inputs,)
    given = [x if isinstance(x, Tensor) else Tensor(x) for x in inputs]
    floats = [i for i, t in enumerate(given) if t.dtype.kind == "f"]
    if not floats:
        dtypes = ", ".join(str(t.dtype) for t in given)
        raise TypeError(f"inputs must hold a float array, got {dtypes}")
    checked = [i for i in floats if given[i].requires_grad] or floats
    tensors = [
        Tensor(np.array(t.data, np.float64, order="C"), requires_grad=i in checked)
        if i in floats
        else t
        for i, t in enumerate(given)
    ]
    return tensors, checked


def _outputs(out):
    return out if isinstance(out, (tuple, list)) else (out,)


def _analytic(fn, tensors, checked, weights):
    """d(weights . outputs)/dx by backward(): one graph an output, since a walk frees its graph."""
    total = {i: np.zeros(tensors[i].shape) for i in checked}
    for k, weight in enumerate(weights):
        out = _outputs(fn(*tensors))[k]
        if not out.requires_grad:
            continue
        out.backward(weight)
        for i in checked:
            if tensors[i].grad is not None:
                total[i] += tensors[i].grad
            tensors[i].grad = None
    return total


def _difference(fn, tensors, i, index, eps, weights):
    """d(weights . outputs)/dx[index] by central differences."""
    data = tensors[i].data
    before = data[index]
    sides = []
    with no_grad():
        for moved in (before + eps, before - eps):
            data[index] = moved
            sides.append([np.array(out.data) for out in _outputs(fn(*tensors))])
    data[index] = before
    moves = zip(*sides, weights, strict=True)
    return sum(np.sum((right - left) * weight) for right, left, weight in moves) / (2 * eps)
