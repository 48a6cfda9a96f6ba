"""Neighbours of a Sequential that one function computes in one pass, with the same bits.

A pattern is the exact types of the layers (a subclass may do something else, and is called as it
is) and a function of x and those layers. Adding one is adding an entry to PATTERNS.
"""

from .. import functional as F
from .. import random
from .activation import ReLU
from .conv import Conv2d
from .dropout import Dropout
from .dropout.director import director
from .linear import Linear
from .norm import BatchNorm1d, BatchNorm2d
from .pool import MaxPool2d


def conv_relu(x, conv, relu, pool=1, dropout=None):
    return F.conv2d(x, conv.weight, conv.bias, conv.stride, conv.padding, conv.dilation,
                    conv.groups, relu=True, pool=pool, dropout=dropout, algo=conv.algo)


def tiling(pool):
    """The size of the windows of a pooling that can end a convolution, as they are square and tile
    the image; or None."""
    size = pool.kernel_size[0]
    tiles = pool.kernel_size == pool.stride == (size, size) and pool.padding == (0, 0)
    return size if tiles and size <= 16 else None


def conv_relu_pool(x, conv, relu, pool):
    size = tiling(pool)
    return conv_relu(x, conv, relu, size) if size else pool(conv_relu(x, conv, relu))


def conv_relu_dropout(x, conv, relu, drop):
    return dropped(drop, lambda mask: conv_relu(x, conv, relu, dropout=mask))


def conv_relu_pool_dropout(x, conv, relu, pool, drop):
    size = tiling(pool)
    if size is None:
        return drop(conv_relu_pool(x, conv, relu, pool))
    return dropped(drop, lambda mask: conv_relu(x, conv, relu, size, mask))


def linear_relu(x, linear, relu, dropout=None):
    return F.linear(x, linear.weight, linear.bias, relu=True, dropout=dropout)


def linear_relu_dropout(x, linear, relu, drop):
    return dropped(drop, lambda mask: linear_relu(x, linear, relu, mask))


def norm_relu(x, norm, relu):
    return norm.normalized(x, relu=True)


def dropped(drop, compute):
    """compute(mask) with the next mask of a layer, counted; where that is no plain one, what the
    layer makes of compute(None)."""
    plain = drop.mode == "inverted" and not drop.shared_axes
    if plain and not drop.training:
        return compute(None)  # the layer would give back its input
    mask = next_mask(drop) if plain else None
    if mask is None:
        return drop(compute(None))
    out = compute(mask)
    drop.count_call()
    return out


def next_mask(drop):
    """(p, seed, stream, call, offset) of the mask that a layer in training draws next; or None
    where there is none, p = 0, or something else says which mask is next."""
    if not drop.p or director() is not None or random.first_sample():
        return None
    return drop.p, drop.seed, drop.stream, drop.call, 0


PATTERNS = {
    (Conv2d, ReLU, MaxPool2d, Dropout): conv_relu_pool_dropout,
    (Conv2d, ReLU, MaxPool2d): conv_relu_pool,
    (Conv2d, ReLU, Dropout): conv_relu_dropout,
    (Conv2d, ReLU): conv_relu,
    (Linear, ReLU, Dropout): linear_relu_dropout,
    (Linear, ReLU): linear_relu,
    (BatchNorm1d, ReLU): norm_relu,
    (BatchNorm2d, ReLU): norm_relu,
}


def plan(layers):
    """What to call for a list of layers, in order: a layer, or the Fused step of several. The
    longest pattern wins."""
    steps, i = [], 0
    while i < len(layers):
        for length in range(max(map(len, PATTERNS)), 1, -1):
            function = PATTERNS.get(tuple(map(type, layers[i : i + length])))
            if function:
                break
        else:
            length = 1
        steps.append(Fused(function, layers[i : i + length]) if function else layers[i])
        i += length
    return steps


class Fused:
    """Several layers as one function, unless one of them must be called itself: it has a hook, or a
    forward of its own."""

    __slots__ = ("function", "layers")

    def __init__(self, function, layers):
        self.function, self.layers = function, layers

    def __call__(self, x):
        for layer in self.layers:
            if layer._forward_hooks or "forward" in layer.__dict__:
                break
        else:
            return self.function(x, *self.layers)
        for layer in self.layers:
            x = layer(x)
        return x
