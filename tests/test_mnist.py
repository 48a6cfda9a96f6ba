"""The promise: the network of examples/mnist_cnn.py learns to read digits, dropout and all."""

from pathlib import Path

import pytest

import minidrop as md
from minidrop import data, nn, optim, train


@pytest.fixture
def build(monkeypatch):
    """The function of the example that builds its network."""
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "examples")
    import mnist_cnn

    return mnist_cnn.build


@pytest.fixture
def digits(monkeypatch):
    """(training pair, test pair, epochs, least test accuracy) for the data on this machine: all of
    MNIST, else 5,000 digits of it. Neither takes much longer than a minute on two cores."""
    monkeypatch.setenv("MINIDROP_OFFLINE", "1")
    try:
        return data.mnist(), data.mnist(split="test"), 1, 0.98
    except data.DataNotFoundError:
        return data.mnist5k(), data.mnist5k(split="test"), 5, 0.95


def test_the_example_s_network_learns(build, digits):
    train_pair, test_pair, epochs, least = digits
    md.manual_seed(0)
    model, loss = build(), nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    history = train.fit(
        model, optimizer, loss, train_pair, epochs=epochs, batch_size=64, progress=False
    )
    assert len(history) == epochs
    assert train.evaluate(model, loss, test_pair)["accuracy"] >= least
