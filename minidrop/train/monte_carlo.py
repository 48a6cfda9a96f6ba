"""Monte-Carlo dropout: many predictions with dropout on, and how much they disagree."""

import contextlib
from collections import Counter
from typing import NamedTuple

import numpy as np

from .. import functional as F
from ..arguments import integer
from ..data.batches import Batches, as_samples
from ..nn import Dropout, Sequential, Sigmoid, Softmax
from ..nn.container import opened
from ..nn.dropout.base import DropoutLayer
from ..nn.dropout.director import directing, drop_at
from ..random import check_word, first_sample, sample_offset
from ..tensor import Tensor, no_grad
from .evaluate import as_floats, dtype_of, keeping_modes

FIRST_CALL = 2**63  # of the calls that predict_mc draws at: no training gets as far
KINDS = ("logits", "probabilities", "values")


class MCResult(NamedTuple):
    """What `predict_mc` returns, of n inputs; all arrays have the dtype of the model.

    mean: (n, ...), the mean over the samples. std: of that shape, their standard deviation (with
    1 / samples). entropy: (n,), of the mean, in nats: all uncertainty. mutual_info: (n,), the
    entropy of the mean less the mean of the entropies, in nats: the part that comes from not
    knowing the weights, 0 where all samples agree. Both None for outputs="values".
    samples: (samples, n, ...).
    """

    mean: np.ndarray
    std: np.ndarray
    entropy: np.ndarray | None
    mutual_info: np.ndarray | None
    samples: np.ndarray


def predict_mc(model, x, samples=50, batch_size=256, *, outputs=None, seed=0, transform=None):
    """Predict the samples `x` many times with dropout on: an MCResult. Gal and Ghahramani 2016,
    "Dropout as a Bayesian approximation: representing model uncertainty in deep learning".

    samples: how many predictions. Every dropout layer drops as in training, each row and each
        sample by a mask of its own; all else, batch norm too, is in eval mode. (GaussianNoise
        drops nothing, and adds none.)
    batch_size: rows in a run of the model at most; it does not change the result.
    outputs: what the model gives. "logits": of classes, on the last axis; their softmax is taken.
        One logit a sample is that of the class 1: its sigmoid is taken. "probabilities": they are
        that already. "values": there is no entropy, as for a regression. None, the default, is
        "logits" for two outputs a sample or more and "values" for one, but "probabilities" after
        a last layer Softmax, or Sigmoid with one output, and "values" after it with more.
    seed: another one gives other samples, the same one the same. Sample s is the training forward
        number 2**63 + s of layers with this seed XORed to their own: those of a longer run begin
        with those of a shorter one, and no training draws them.
    transform, and what becomes of uint8 images: as in `data.batches`.

    What stands before the first dropout runs once, in any depth of Sequentials; the samples run
    together where batches are small. A model with a forward of its own around its dropout is run
    whole for each sample. The model is left as it was, modes and counts of calls too. No rows give
    empty arrays. ValueError for a model without a dropout layer; with p = 0 all samples are equal.
    """
    x = as_samples("x", x)
    samples, seed = integer("samples", samples), check_word(seed, "seed")
    check_outputs(outputs)
    batches = Batches(x, None, batch_size, shuffle=False, transform=transform)
    before, after = _split(model)
    together = all(_takes_parts(layer) for layer in after)
    dtype, drawn, row = dtype_of(model), None, 0
    with no_grad(), dropping(model):
        for xb in batches if len(x) else [batches.batch_of(np.arange(0))]:
            h = before(Tensor(as_floats(xb, dtype)))
            group = max(1, batch_size // max(1, len(xb))) if together else 1
            with sample_offset(first_sample() + row):
                for s in range(0, samples, group):
                    numbers = range(s, min(s + group, samples))
                    with directing(_Sampler(numbers, seed)):
                        y = after(h)
                    kind = outputs or kind_of(model, y)
                    y = _as_predictions(y, kind).numpy()
                    if drawn is None:
                        drawn = np.empty((samples, len(x), *y.shape[1:]), y.dtype)
                    # where nothing drops, all samples are the one
                    y = y.reshape(len(numbers) if len(after) else 1, len(xb), *y.shape[1:])
                    drawn[numbers.start : numbers.stop, row : row + len(xb)] = y
            row += len(xb)
    return _summed_up(drawn, kind)


class _Sampler:
    """The director of a run of the model for the samples `numbers`: at the first dropout layer the
    rows become len(numbers) times as many, sample after sample."""

    def __init__(self, numbers, seed):
        self.numbers, self.seed = numbers, seed
        self.expanded = False
        self.calls = Counter()  # of each layer in this run: a layer may stand in a model twice

    def __call__(self, layer, inputs):
        parts, expanded, self.expanded = len(self.numbers), self.expanded, True
        seed, stream = layer.seed ^ self.seed, layer.stream
        first = FIRST_CALL + (self.calls[layer] << 32)
        self.calls[layer] += 1
        if type(layer) is Dropout and not layer.shared_axes:  # the usual one: in one call
            return layer.drop_samples(*inputs, parts, not expanded, seed, stream,
                                      first + self.numbers.start)
        dropped = [
            drop_at(layer, [_part(t, i, parts) for t in inputs] if expanded else inputs, seed,
                    stream, first + s)
            for i, s in enumerate(self.numbers)
        ]  # fmt: skip
        return dropped[0] if parts == 1 else F.cat(dropped)


def check_outputs(outputs):
    """outputs, what a model gives, or ValueError: see predict_mc."""
    if outputs is not None and outputs not in KINDS:
        raise ValueError(f"outputs must be one of {KINDS} or None, got {outputs!r}")
    return outputs


def _part(t, i, parts):
    rows = len(t) // parts
    return t[i * rows : (i + 1) * rows] if parts > 1 else t


@contextlib.contextmanager
def dropping(model):
    """Meanwhile `model` is in eval mode, but for those of its dropout layers that drop."""
    with keeping_modes(model):
        for module in model.modules():
            module.training = isinstance(module, DropoutLayer) and module.p > 0
        yield


def _split(model):
    """The layers before the first that drops, and the others: two Sequentials."""
    if not any(isinstance(module, DropoutLayer) for module in model.modules()):
        raise ValueError(f"model must have a dropout layer, {type(model).__name__} has none")
    layers = opened(model)
    first = next((i for i, layer in enumerate(layers) if _live(layer)), len(layers))
    return Sequential(*layers[:first]), Sequential(*layers[first:])


def _live(layer):
    """Whether something in `layer` drops in train mode."""
    return any(isinstance(m, DropoutLayer) and m.p > 0 for m in layer.modules())


def _takes_parts(layer):
    """Whether `layer` can be given the rows of several samples at once: it drops nothing, or is a
    dropout layer, which _Sampler calls for each of them, and that calls no other."""
    return not _live(layer) or isinstance(layer, DropoutLayer) and not any(layer.children())


def kind_of(model, y):
    """What the outputs y of a model are, where nobody says: see predict_mc."""
    last, single = opened(model)[-1], y.ndim < 2 or y.shape[1:] == (1,)
    if isinstance(last, Sigmoid if single else Softmax):
        return "probabilities"
    return "values" if single or isinstance(last, Sigmoid) else "logits"


def _as_predictions(y, kind):
    if kind != "logits":
        return y
    return F.softmax(y) if y.ndim > 1 and y.shape[-1] > 1 else F.sigmoid(y)


def _summed_up(drawn, kind):
    mean = drawn.mean(axis=0, dtype=np.float64)
    std = drawn.std(axis=0, dtype=np.float64)
    if kind == "values":
        return MCResult(mean.astype(drawn.dtype), std.astype(drawn.dtype), None, None, drawn)
    every = _entropy(drawn.reshape(*drawn.shape[:2], *(drawn.shape[2:] or (1,))))
    total = _entropy(mean.reshape(len(mean), *(mean.shape[1:] or (1,))))
    shared = np.maximum(total - every.mean(axis=0), 0)  # a rounding error may be below
    return MCResult(*(a.astype(drawn.dtype) for a in (mean, std, total, shared)), drawn)


def _entropy(p):
    """In nats, of the probabilities on the last axis; of a single one, those of p and 1 - p."""
    p = p.astype(np.float64, copy=False)
    if p.shape[-1] == 1:
        p = np.concatenate([p, 1 - p], axis=-1)
    return -(p * np.log(np.where(p > 0, p, 1))).sum(axis=-1)
