"""A small net that has been trained a little: what the tests of files save and load."""

import numpy as np

import minidrop as md
from minidrop import nn, optim


def build(hidden=4, batchnorm=True, dropout=True):
    layers = [nn.Linear(3, hidden), nn.ReLU()]
    layers += [nn.BatchNorm1d(hidden)] if batchnorm else []
    layers += [nn.Dropout(0.5)] if dropout else []
    return nn.Sequential(*layers, nn.Linear(hidden, 2))


def train(model, optimizer, steps, seed=0):
    """A few steps on random data; the parameters afterwards depend on all of the state."""
    rng = np.random.default_rng(seed)
    loss = nn.CrossEntropyLoss()
    for _ in range(steps):
        optimizer.zero_grad()
        x = md.Tensor(rng.standard_normal((6, 3)).astype(np.float32))
        loss(model(x), rng.integers(0, 2, 6)).backward()
        optimizer.step()


def trained_net(seed, lr, steps):
    """A net and its optimizer after so many steps."""
    md.manual_seed(seed)
    model = build()
    optimizer = optim.Adam(model.parameters(), lr=lr)
    train(model, optimizer, steps)
    return model, optimizer
