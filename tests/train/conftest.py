"""A small classification problem, and the model and optimizer to learn it."""

import signal

import numpy as np
import pytest

import minidrop as md
from minidrop import nn, optim


@pytest.fixture(autouse=True)
def ctrl_c():
    """Python's own way with Ctrl-C, also where the tests were started with interrupts ignored, as
    shells start what runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def blobs():
    """(x, y): 90 points around three centres; float32 (90, 4) and int64 (90,)."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    x = rng.standard_normal((90, 4)) + 3 * np.eye(4)[y]
    return x.astype(np.float32), y


@pytest.fixture
def build():
    """A function that makes (model, optimizer) anew: same seed, same bits."""

    def build(seed=0, make=lambda p: optim.Adam(p, lr=0.01), inputs=4):
        md.manual_seed(seed)
        model = nn.Sequential(
            nn.Linear(inputs, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 3)
        )
        return model, make(model.parameters())

    return build
