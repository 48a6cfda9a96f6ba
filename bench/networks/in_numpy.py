"""The networks in plain NumPy, without dropout: the reference of training and inference."""

import numpy as np

from bench import reference
from bench.networks.definition import KERNEL, layers_of, weights


def forward(network, parameters, x):
    """(logits, what the backward pass needs of each layer)."""
    saved, parameters = [], iter(parameters)
    for kind, *_ in layers_of(network):
        before = x
        if kind == "conv":
            w, b = next(parameters)
            x = reference.conv2d(x, w) + b
            saved.append((before, w))
        elif kind == "linear":
            w, b = next(parameters)
            x = x @ w + b
            saved.append((before, w))
        elif kind == "relu":
            x = np.maximum(x, 0)
            saved.append(x > 0)
        elif kind == "pool":
            x, argmax = reference.max_pool2d(x)
            saved.append((argmax, before.shape[1]))
        elif kind == "flatten":
            x = x.reshape(len(x), -1)
            saved.append(before.shape)
        else:
            saved.append(None)
    return x, saved


def backward(network, saved, dx):
    """[(dw, db)] of the layers with weights, from the gradient of the logits."""
    gradients = []
    for (kind, *_), kept in zip(reversed(layers_of(network)), reversed(saved), strict=True):
        if kind == "conv":
            x, w = kept
            gradients.append((reference.conv2d_weight_gradient(x, dx, KERNEL), dx.sum((0, 1, 2))))
            dx = reference.conv2d_input_gradient(dx, w, x.shape[1])
        elif kind == "linear":
            x, w = kept
            gradients.append((x.T @ dx, dx.sum(0)))
            dx = dx @ w.T
        elif kind == "relu":
            dx = dx * kept
        elif kind == "pool":
            dx = reference.max_pool2d_gradient(dx, *kept)
        elif kind == "flatten":
            dx = dx.reshape(kept)
    return gradients[::-1]


def losses(network, batches, optimizer, lr, dtype=np.float32):
    """The loss of each batch (images, labels) before the optimizer's step on it."""
    parameters = [(w.astype(dtype), b.astype(dtype)) for w, b in weights(network)]
    flat = [array for pair in parameters for array in pair]
    rule = reference.Optimizer(optimizer, flat, lr)
    found = []
    for x, labels in batches:
        logits, saved = forward(network, parameters, x.astype(dtype))
        loss, dlogits = reference.cross_entropy(logits, labels)
        found.append(loss)
        gradients = backward(network, saved, dlogits)
        rule.step([array for pair in gradients for array in pair])
    return np.array(found)
