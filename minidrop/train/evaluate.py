"""Measuring and using a trained model: nothing of it changes here."""

import contextlib

import numpy as np

from ..data.batches import Batches, as_samples
from ..nn.module import checked_layer
from ..tensor import Tensor, no_grad
from .metrics import Totals, as_metrics


def evaluate(model, loss, data, *, batch_size=256, metrics=("accuracy",), transform=None):
    """{"loss": mean, "accuracy": mean} of `model` over the samples `data` = (x, y).

    loss: a function of (outputs, targets), such as nn.CrossEntropyLoss(), that gives the mean
        over a batch; batches of different sizes are weighted by their size. Both are Tensors.
    metrics: names ("accuracy") or functions, see metrics.py; each gives an entry under its name.
    transform, and what becomes of uint8 images: as in `data.batches`.

    The model is in eval mode meanwhile, and each of its modules then in the mode it was in. No
    samples give nan.
    """
    check_model_and_loss(model, loss)
    x, y = as_pair("data", data)
    totals = Totals(as_metrics(metrics))
    samples = Batches(x, y, batch_size, shuffle=False, transform=transform)
    dtype = dtype_of(model)
    with evaluating(model):
        for xb, yb in samples:
            outputs, value = forward(model, loss, xb, yb, dtype)
            totals.add(*totals.measure(value.item(), outputs.numpy(), yb))
    return totals.means()


def predict(model, x, batch_size=256, *, transform=None):
    """The outputs of `model` for the samples `x`, one array: (n, ...).

    In batches of `batch_size`, which does not change the result; in eval mode, like `evaluate`.
    No samples give an empty array with the shape that outputs have.
    """
    checked_layer("model", model)
    x = as_samples("x", x)
    samples = Batches(x, None, batch_size, shuffle=False, transform=transform)
    dtype = dtype_of(model)
    result, filled = None, 0
    with evaluating(model):
        for xb in samples if len(x) else [samples.batch_of(np.arange(0))]:
            outputs = model(Tensor(as_floats(xb, dtype))).numpy()
            if result is None:
                result = np.empty((len(x), *outputs.shape[1:]), dtype=outputs.dtype)
            result[filled : filled + len(outputs)] = outputs
            filled += len(outputs)
    return result


def forward(model, loss, xb, yb, dtype):
    """(outputs, loss) of one batch, both Tensors; the loss is a single number."""
    outputs = model(Tensor(as_floats(xb, dtype)))
    value = loss(outputs, Tensor(as_floats(yb, dtype)))
    if value.shape not in ((), (1,)):
        raise ValueError(f"loss must give one number, got shape {value.shape}")
    return outputs, value


def check_model_and_loss(model, loss):
    """TypeError unless they are a Module and a function."""
    checked_layer("model", model)
    if not callable(loss):
        raise TypeError(f"loss must be a function of (outputs, targets), got {loss!r}")


@contextlib.contextmanager
def keeping_modes(model):
    """Afterwards, each module of `model` is in training or eval mode as it was before."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextlib.contextmanager
def evaluating(model):
    """Meanwhile, `model` is in eval mode and no graph is recorded."""
    with keeping_modes(model), no_grad():
        model.eval()
        yield


def dtype_of(model):
    """The dtype in which `model` computes: that of its first parameter, else float32."""
    for parameter in model.parameters():
        return parameter.data.dtype
    return np.dtype(np.float32)


def as_floats(array, dtype):
    """`array` in `dtype` if it holds fractions of any precision; integers stay what they are."""
    return array.astype(dtype, copy=False) if array.dtype.kind == "f" else array


def as_pair(name, data):
    """(x, y) as arrays with the same number of samples."""
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise TypeError(f"{name} must be a pair (x, y) of arrays, got {type(data).__name__}")
    x, y = as_samples(f"{name}[0]", data[0]), as_samples(f"{name}[1]", data[1])
    if len(x) != len(y):
        raise ValueError(f"{name} must have as many samples as targets, got {len(x)} and {len(y)}")
    return x, y
