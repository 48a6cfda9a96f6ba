"""The networks and the optimizers in JAX, as pure functions to be compiled whole."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, random

from bench.networks.definition import data, layers_of, walk, weights


def batch_of(batch, channels_last):
    """Images in the layout asked for, and labels, on the device."""
    x, labels = data(batch)
    if not channels_last:
        x = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    return jax.device_put(x), jax.device_put(labels)


def parameters(network, channels_last):
    """[(w, b)] in the layout asked for, on the device."""
    found, ours, spatial = [], iter(weights(network)), None
    for (kind, *_), shape in walk(network):
        if kind == "flatten":
            spatial = shape
        if kind not in ("conv", "linear"):
            continue
        w, b = next(ours)
        if kind == "conv" and not channels_last:
            w, b = w.transpose(3, 2, 0, 1), b.reshape(-1, 1, 1)
        if kind == "linear" and spatial and not channels_last and len(spatial) == 3:
            w = w.reshape(*spatial, -1).transpose(2, 0, 1, 3).reshape(w.shape)
        if kind == "linear":
            spatial = None
        found.append((w.copy(), b.copy()))
    return jax.device_put(found)


def forward(network, channels_last, parameters, x, key=None):
    """Logits; without a key, without dropout."""
    layout = ("NHWC", "HWIO", "NHWC") if channels_last else ("NCHW", "OIHW", "NCHW")
    window = (1, 2, 2, 1) if channels_last else (1, 1, 2, 2)
    parameters = iter(parameters)
    for kind, *numbers in layers_of(network):
        if kind == "conv":
            w, b = next(parameters)
            x = lax.conv_general_dilated(x, w, (1, 1), "VALID", dimension_numbers=layout) + b
        elif kind == "linear":
            w, b = next(parameters)
            x = x @ w + b
        elif kind == "relu":
            x = jnp.maximum(x, 0)
        elif kind == "pool":
            x = lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
        elif kind == "flatten":
            x = x.reshape(len(x), -1)
        elif key is not None:
            key, drawn = random.split(key)
            keep = 1 - numbers[0]
            x = jnp.where(random.bernoulli(drawn, keep, x.shape), x / keep, 0)
    return x


def loss(network, channels_last, parameters, x, labels, key):
    logp = jax.nn.log_softmax(forward(network, channels_last, parameters, x, key))
    return -jnp.take_along_axis(logp, labels[:, None], 1).mean()


def fresh_memory(parameters):
    """An optimizer's state: two arrays like each parameter, and the number of steps."""
    zeros = lambda: jax.tree.map(jnp.zeros_like, parameters)  # noqa: E731
    return zeros(), zeros(), jnp.zeros((), jnp.int32)


def _sgd(lr, p, g, velocity, unused, steps):
    velocity = 0.9 * velocity + g
    return p - lr * velocity, velocity, unused


def _adam(lr, p, g, mean, square, steps):
    mean, square = 0.9 * mean + 0.1 * g, 0.999 * square + 0.001 * g * g
    scale = jnp.sqrt(square / (1 - 0.999**steps)) + 1e-8
    return p - lr * (mean / (1 - 0.9**steps)) / scale, mean, square


def _rmsprop(lr, p, g, square, unused, steps):
    square = 0.99 * square + 0.01 * g * g
    return p - lr * g / (jnp.sqrt(square) + 1e-8), square, unused


def _adadelta(lr, p, g, square, moved, steps):
    square = 0.9 * square + 0.1 * g * g
    change = jnp.sqrt(moved + 1e-6) / jnp.sqrt(square + 1e-6) * g
    return p - lr * change, square, 0.9 * moved + 0.1 * change * change


RULES = {"sgd": _sgd, "adam": _adam, "rmsprop": _rmsprop, "adadelta": _adadelta}


def update(name, lr, parameters, gradients, memory):
    """(parameters, memory) after one step of the optimizer called `name`."""
    first, second, steps = memory
    leaves, tree = jax.tree.flatten(parameters)
    moved = [
        RULES[name](lr, *arrays, steps + 1)
        for arrays in zip(leaves, *map(jax.tree.leaves, (gradients, first, second)), strict=True)
    ]
    parameters, first, second = (tree.unflatten(column) for column in zip(*moved, strict=True))
    return parameters, (first, second, steps + 1)
