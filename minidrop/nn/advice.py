"""What `summary()` says about dropout: expected active parameters, mask bytes, and warnings."""

from math import prod

import numpy as np

from .activation import SELU, LogSoftmax, Sigmoid, Softmax
from .container import Identity
from .conv import Conv2d
from .dropout.alpha import AlphaDropout, FeatureAlphaDropout
from .dropout.base import DropoutLayer
from .dropout.drop_connect import DropConnect
from .dropout.drop_path import DropPath
from .dropout.weight_drop import WeightDrop
from .flatten import Flatten
from .linear import Linear
from .norm import BatchNorm1d, BatchNorm2d

HIGH = 0.9  # from here on, few networks learn
_CHANGES_NO_UNIT = (Flatten, Identity)
_OUTPUT_ACTIVATIONS = (LogSoftmax, Sigmoid, Softmax)


def dropout_lines(calls, paths, parameters, batch_size):
    """The lines for the calls of a model, [(layer, its input, its output)] in order; [] for a model
    that has no dropout layer. paths: {module: path}; parameters: how many there are."""
    if not any(isinstance(layer, DropoutLayer) for layer, _, _ in calls):
        return []
    active = parameters - _idle_parameters(calls)
    size = sum(_mask_bytes(layer, x, batch_size) for layer, x, _ in calls)
    return [
        f"Expected active parameters in training: {active:,.0f}",
        f"Mask bytes for a batch of {batch_size}: {size:,}",
        *(f"Warning: {text}" for text in warnings(calls, paths)),
    ]


def warnings(calls, paths):
    """What is likely a mistake, a sentence each. Arguments as for dropout_lines."""
    found = []
    layers = [layer for layer, _, _ in calls]
    drops = [i for i, layer in enumerate(layers) if _drops(layer)]
    # Not on weights; and DropPath has its place at the end of a residual branch, whatever follows.
    on_units = [i for i in drops
                if not any(layers[i].children()) and not isinstance(layers[i], DropPath)]

    def name(i):
        return f"{paths[layers[i]]} ({type(layers[i]).__name__})".lstrip()

    for i in drops:
        after = range(i + 1, len(layers))
        if layers[i].p >= HIGH:
            found.append(f"{name(i)} drops with p={layers[i].p:g}: few networks learn at "
                         f"{HIGH} and above (is it the rate to keep?)")
        if i not in on_units:
            continue
        norm = next((j for j in after if isinstance(layers[j], (BatchNorm1d, BatchNorm2d))), None)
        if norm is not None:
            found.append(f"{name(i)} stands before {name(norm)}, whose running variance is then "
                         "that of training, not of eval (Li et al. 2019): put dropout after the "
                         "last batch norm")
        if isinstance(layers[i], (AlphaDropout, FeatureAlphaDropout)):
            before = [layer for layer in layers[:i] if _is_activation(layer)]
            if not before or not isinstance(before[-1], SELU):
                found.append(f"{name(i)} does not follow SELU, whose mean and variance it keeps "
                             "(Klambauer et al. 2017): use Dropout")
        following = next((j for j in after if not _is_transparent(layers[j])), None)
        if following in on_units:
            found.append(f"{name(i)} and {name(following)} drop twice in a row: together they keep "
                         f"{(1 - layers[i].p) * (1 - layers[following].p):.3g}")
        rest = [layers[j] for j in after]
        if all(isinstance(layer, (*_CHANGES_NO_UNIT, *_OUTPUT_ACTIVATIONS, DropoutLayer))
               for layer in rest):  # fmt: skip
            found.append(f"{name(i)} stands after the last layer: it drops outputs")
    return list(dict.fromkeys(found))


def _drops(layer):
    return isinstance(layer, DropoutLayer) and layer.p > 0


def _is_transparent(layer):
    return isinstance(layer, _CHANGES_NO_UNIT) or isinstance(layer, DropoutLayer) and layer.p == 0


def _is_activation(layer):
    return type(layer).__module__ == SELU.__module__


def _mask_bytes(layer, x, batch_size):
    if not _drops(layer) or getattr(layer, "mask", "bits") != "bits":
        return 0
    batch = np.broadcast_to(x.numpy(), (batch_size, *x.shape[1:]))
    return -(-prod(layer.mask_shape(batch)) // 32) * 4


def _idle_parameters(calls):
    """The expected number of weights that are dropped, or, in a Linear or Conv2d, whose input or
    output unit is, in calls that follow each other, as in a Sequential."""
    idle, counted = 0.0, set()
    left = {id(w): (w.size, 1 - drop.p) for drop, _, _ in calls for w in _dropped_weights(drop)}
    weighted = [i for i, (layer, _, _) in enumerate(calls) if isinstance(layer, (Linear, Conv2d))]
    edges = [-1, *weighted, len(calls)]
    for before, here, after in zip(edges, weighted, edges[2:], strict=False):
        layer = calls[here][0]
        if layer in counted:
            continue
        counted.add(layer)
        inputs = _kept(calls[before + 1 : here], layer)
        outputs = _kept(calls[here + 1 : after], layer)
        _, kept = left.pop(id(layer.weight), (0, 1.0))
        idle += layer.weight.size * (1 - inputs * outputs * kept)
        idle += (layer.bias.size if layer.bias is not None else 0) * (1 - outputs)
    return idle + sum(size * (1 - kept) for size, kept in left.values())  # of layers of other kinds


def _dropped_weights(drop):
    if isinstance(drop, DropConnect):
        return [drop.layer.weight]
    if isinstance(drop, WeightDrop):
        return [w for path, w in drop.module.named_parameters() if path in drop.weights]
    return []


def _kept(calls, layer):
    """The probability that a unit beside `layer` survives the dropout among these calls. A weight
    of a convolution meets all places of a channel: only whole channels take it away."""
    kept = 1.0
    for drop, x, _ in calls:
        if _drops(drop) and drop.thins:
            whole = prod(drop.mask_shape(x)[1:]) < prod(x.shape[1:])
            if whole or isinstance(layer, Linear):
                kept *= 1 - drop.p
    return kept
