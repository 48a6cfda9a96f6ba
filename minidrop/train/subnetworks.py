"""The ensemble that dropout trains: its thinned networks, their averages, and weight scaling."""

from collections import Counter
from typing import NamedTuple

import numpy as np

from .. import functional as F
from ..arguments import integer
from ..data.batches import as_samples, prepare_images
from ..nn.dropout.base import DropoutLayer
from ..nn.dropout.director import directing
from ..random import check_word
from ..tensor import Tensor
from .evaluate import as_floats, dtype_of, evaluating
from .monte_carlo import FIRST_CALL, check_outputs, dropping, kind_of

MOST_UNITS = 20  # of `exact`: a million networks
_ROWS = 4096  # of a run of the model, at most


class Averages(NamedTuple):
    """The averages of thinned networks for n inputs, float64 arrays (n, ...).

    arithmetic: the mean of their outputs (probabilities, for classes). geometric: the geometric
    mean of their probabilities, divided by its sum; None for values. scaled: the model in eval
    mode, whose weight scaling stands in for the average. outputs: (networks, n, ...), those of
    every network; None from `exact`, which does not keep them.
    """

    arithmetic: np.ndarray
    geometric: np.ndarray | None
    scaled: np.ndarray
    outputs: np.ndarray | None


def subnetworks(model, *, outputs=None):
    """The thinned networks of `model`: a Subnetworks, whose `sample(x)` averages some and whose
    `exact(x)` all 2^n of them, beside the prediction by weight scaling.

    A thinned network has one mask for all inputs: a unit is in it or not. (A layer that the model
    calls twice has two masks, as in training.) Srivastava et al. 2014,
    "Dropout: a simple way to prevent neural networks from overfitting", figure 11, compare weight
    scaling with the average over sampled networks. Baldi and Sadowski 2013, "Understanding
    dropout": in linear networks weight scaling is the arithmetic mean, in a softmax layer the
    geometric one.

    outputs: what the model gives, as for `predict_mc`. ValueError for a model without dropout;
    TypeError, when it is run, for dropout layers that do other than keep units or zero them.
    """
    return Subnetworks(model, check_outputs(outputs))


class Subnetworks:
    """See subnetworks. The model is used as it is at each call, and left as it was."""

    def __init__(self, model, outputs=None):
        if not any(isinstance(module, DropoutLayer) for module in model.modules()):
            raise ValueError(f"model must have a dropout layer, {type(model).__name__} has none")
        self.model, self.outputs = model, outputs

    def units(self, x):
        """path of a dropout layer -> the shape of the units that it keeps or drops, without the
        batch, when the model is run on inputs like `x` (n, ...). A second call of a layer has the
        path "... (call 2)"."""
        paths = {module: path for path, module in self.model.named_modules()}
        return {paths[layer] + f" (call {call + 1})" * (call > 0): shape
                for (layer, call), shape in self._drops(self._inputs(x)).items()}

    def sample(self, x, networks=100, seed=0):
        """The Averages of this many thinned networks, drawn at random: another seed draws others;
        those of a smaller number are the first of a larger."""
        x, networks = self._inputs(x), integer("networks", networks)
        drops, seed = self._drops(x), check_word(seed, "seed")
        masks = {}
        for (layer, call), shape in drops.items():
            ones = np.ones((networks, *shape), np.float32)
            drawn = F.dropout(ones, layer.p, training=True, seed=layer.seed ^ seed,
                              stream=layer.stream, call=FIRST_CALL - 1 - call)
            masks[layer, call] = drawn.numpy() != 0
        kept = []
        total = self._averaged(x, masks, np.full(networks, 1 / networks), kept)
        return total._replace(outputs=np.concatenate(kept))

    def exact(self, x):
        """The Averages of all thinned networks, each with its probability. ValueError for more than
        20 units."""
        x = self._inputs(x)
        drops = self._drops(x)
        sizes = [int(np.prod(shape)) for shape in drops.values()]
        if sum(sizes) > MOST_UNITS:
            raise ValueError(f"exact needs {MOST_UNITS} units at most, got {sum(sizes)}, which "
                             f"make 2**{sum(sizes)} networks: use sample")
        bits = np.arange(2 ** sum(sizes))[:, np.newaxis] >> np.arange(sum(sizes)) & 1 == 1
        weights, masks, first = np.ones(len(bits)), {}, 0
        for (drop, shape), size in zip(drops.items(), sizes, strict=True):
            part, p = bits[:, first : first + size], drop[0].p
            weights *= np.where(part, 1 - p, p).prod(axis=1)
            masks[drop] = part.reshape(len(bits), *shape)
            first += size
        return self._averaged(x, masks, weights)

    def _inputs(self, x):
        return as_floats(prepare_images(as_samples("x", x)), dtype_of(self.model))

    def _drops(self, x):
        """{(layer, which of its calls): shape of its units} of all that drops, in order."""
        found, calls = {}, Counter()

        def note(layer, inputs):
            if not layer.thins:
                raise TypeError(f"subnetworks needs layers that keep units or zero them, "
                                f"got {layer!r}")
            found[layer, calls[layer]] = tuple(layer.mask_shape(inputs[0])[1:])
            calls[layer] += 1
            return inputs[0]

        with evaluating(self.model), dropping(self.model), directing(note):
            self.model(Tensor(x))
        return found

    def _averaged(self, x, masks, weights, kept=None):
        """The Averages over networks of these masks (networks, *units) and weights; what each gives
        is added to `kept`."""
        n, arithmetic, logs = len(x), 0.0, 0.0
        together = max(1, _ROWS // max(1, n))
        with evaluating(self.model):
            scaled = self.model(Tensor(x))
            kind = self.outputs or kind_of(self.model, scaled)
            shape = scaled.shape[1:]
            for first in range(0, len(weights), together):
                part = slice(first, first + together)
                thinned = _Thinned({drop: mask[part] for drop, mask in masks.items()})
                weight, copies = weights[part], len(weights[part])
                with dropping(self.model), directing(thinned):
                    y = self.model(Tensor(np.concatenate([x] * copies)))
                values, log = _read(y.numpy().reshape(copies, n, *shape), kind)
                arithmetic = arithmetic + np.tensordot(weight, values, 1)
                if log is not None:
                    logs = logs + np.tensordot(weight, log, 1)
                if kept is not None:
                    kept.append(values)
        geometric = None
        if kind != "values":
            likely = np.exp(logs - logs.max(axis=-1, keepdims=True))
            geometric = likely / likely.sum(axis=-1, keepdims=True)
            if _single(arithmetic):
                geometric = geometric[..., 1].reshape(arithmetic.shape)
        return Averages(arithmetic, geometric, _read(scaled.numpy()[np.newaxis], kind)[0][0], None)


class _Thinned:
    """The director of one run that gives the rows of each network its masks: network after
    network. masks: {(layer, which of its calls): (networks, *units)}."""

    def __init__(self, masks):
        self.masks, self.calls = masks, Counter()

    def __call__(self, layer, inputs):
        x, mask = inputs[0].numpy(), self.masks[layer, self.calls[layer]]
        self.calls[layer] += 1
        parts = x.reshape(len(mask), -1, *x.shape[1:])
        plain = getattr(layer, "mode", "inverted") == "standard" or layer.p == 1
        factor = x.dtype.type(1 if plain else 1 / (1 - layer.p))
        return Tensor(np.where(mask[:, np.newaxis], parts * factor, 0).reshape(x.shape))


def _single(y):
    """Whether y (n, ...) has one number a sample."""
    return y.ndim < 2 or y.shape[1:] == (1,)


def _read(y, kind):
    """(what y (networks, n, ...) says, float64; the logarithms of the probabilities, with two of
    them for a single one, or None for values)."""
    y = y.astype(np.float64)
    if kind == "values":
        return y, None
    single = _single(y[0])
    if single:
        y = y.reshape(*y.shape[:2], 1)
        zero = np.zeros_like(y)
        y = np.concatenate([zero, y] if kind == "logits" else [1 - y, y], axis=-1)
    logs = F.log_softmax(y).numpy() if kind == "logits" else np.log(np.maximum(y, 1e-300))
    values = np.exp(logs) if kind == "logits" else y
    return values[..., 1:] if single else values, logs
