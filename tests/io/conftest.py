"""A trained net, the file that holds it, and another net to load it into."""

import pytest
from helpers import fingerprint
from trained import build, train

import minidrop as md
from minidrop import optim


@pytest.fixture
def trained():
    md.manual_seed(3)
    model = build()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    train(model, optimizer, 3)
    return model, optimizer


@pytest.fixture
def state(trained):
    """The fingerprint of what the file at `path` holds."""
    return fingerprint(*trained)


@pytest.fixture
def fresh(state):
    """Another model in another state; made after `state` has been taken."""
    md.manual_seed(4)
    model = build()
    optimizer = optim.Adam(model.parameters(), lr=0.5)
    train(model, optimizer, 1)
    return model, optimizer


@pytest.fixture
def path(tmp_path, trained):
    md.save(tmp_path / "model.safetensors", *trained, epoch=7)
    return tmp_path / "model.safetensors"
