"""A net with two dropout layers, and what a training run of it gives."""

from helpers import normals

import minidrop as md
from minidrop import nn


def net(p=0.5):
    md.manual_seed(3)
    return nn.Sequential(
        nn.Linear(6, 8), nn.ReLU(), nn.Dropout(p), nn.Linear(8, 8), nn.Dropout(0.25),
        nn.Linear(8, 3),
    )  # fmt: skip


def calls(model):
    return [extra["call"] for extra in model.extra_state().values()]


def run(model, x):
    """The output of a training forward and the gradients of all parameters."""
    model.zero_grad()
    out = model(x)
    (out * out).sum().backward()
    return [out.numpy()] + [p.grad for p in model.parameters()]


X = normals((10, 6), seed=1)
