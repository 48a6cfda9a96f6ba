"""From the one scaling of dropout to the other, in a trained model."""

import numpy as np

from .. import functional as F
from .activation import LeakyReLU, ReLU
from .container import Identity, Sequential, opened
from .conv import Conv2d
from .flatten import Flatten
from .linear import Linear
from .pool import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d

# What lets a factor through: f(c x) = c f(x) for c > 0. So does dropout that thins.
_PASSES = {AdaptiveAvgPool2d, AvgPool2d, Flatten, Identity, LeakyReLU, MaxPool2d, ReLU}
_TAKES = {Conv2d, Linear}


def convert_dropout(model, mode):
    """Give every dropout layer that has a mode this one, "inverted" or "standard", so that the
    model computes what it computed: in place; returns the model (`copy.deepcopy` it for a copy).

    Inverted dropout divides what it keeps by 1 - p in training and does nothing in eval; standard
    dropout (Srivastava et al. 2014) multiplies by 1 - p in eval instead. In both modes of the
    model they differ by the factor 1 - p, which moves into the weights that come next: those of
    the next Linear or Conv2d of the Sequential, past what lets a factor through (ReLU, LeakyReLU,
    pooling, Flatten, Identity, more dropout). Outputs stay equal up to rounding, in eval and, by
    the same masks, in training; bit for bit where p = 0.5.

    For trained models: what an optimizer remembers about the weights is not converted.
    ValueError, and nothing has changed, where a layer cannot be converted: no such weights follow
    it, they are used elsewhere too, or p = 1; and for any other mode.
    """
    mode = F.check_mode(mode)
    rows = list(_rows(model))
    change, factors = [], {}
    for path, layer in model.named_modules():
        if getattr(layer, "mode", mode) == mode or not hasattr(layer, "p"):
            continue
        where = f"{path} ({layer!r})" if path else repr(layer)
        keep = round((1 - layer.p) * 2**32) / 2**32
        if keep == 0:
            raise ValueError(f"convert_dropout: {where} keeps nothing, so that nothing can be "
                             "scaled instead")
        weight = _next_weight(model, rows, layer, where).weight
        if not weight.data.flags.writeable:
            raise ValueError(f"convert_dropout: the weights after {where} are read-only")
        _, factor = factors.get(id(weight), (weight, 1.0))
        factors[id(weight)] = weight, factor / keep if mode == "standard" else factor * keep
        change.append(layer)
    for layer in change:
        layer.mode = mode
    for weight, factor in factors.values():
        np.multiply(weight.data, weight.dtype.type(factor), out=weight.data)
    return model


def _rows(module):
    """Every row of layers that are called one after the other."""
    if isinstance(module, Sequential):
        layers = opened(module)
        if layers != [module]:
            yield layers
        for layer in layers:
            if layer is not module:
                yield from _rows(layer)
    else:
        for child in module.children():
            yield from _rows(child)


def _next_weight(model, rows, layer, where):
    """The layer whose weights can take the factor of a dropout layer."""
    places = [(row, i) for row in rows for i, other in enumerate(row) if other is layer]
    if len(places) != 1:
        many = "more than one place" if places else "no Sequential"
        raise ValueError(f"convert_dropout: {where} stands in {many}: what follows is not known")
    (row, i), = places
    for other in row[i + 1 :]:
        if type(other) in _TAKES:
            calls = sum(one is other for any_row in rows for one in any_row)
            owners = sum(other.weight is value for m in model.modules()
                         for value in vars(m).values())  # fmt: skip
            if calls > 1 or owners > 1:
                raise ValueError(f"convert_dropout: {other!r} after {where} shares its weights")
            return other
        if type(other) not in _PASSES and not getattr(other, "thins", False):
            raise ValueError(f"convert_dropout: {other!r} after {where} does not let a factor "
                             "through to weights")
    raise ValueError(f"convert_dropout: {where} has no weights after it that could take its factor")
