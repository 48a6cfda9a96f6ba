"""A trained net, the file that holds it, and another net to load it into."""

import pytest
from helpers import fingerprint
from trained import trained_net

import minidrop as md


@pytest.fixture
def trained():
    return trained_net(seed=3, lr=0.01, steps=3)


@pytest.fixture
def state(trained):
    """The fingerprint of what the file at `path` holds."""
    return fingerprint(*trained)


@pytest.fixture
def fresh(state):
    """Another model in another state; made after `state` has been taken."""
    return trained_net(seed=4, lr=0.5, steps=1)


@pytest.fixture
def path(tmp_path, trained):
    md.save(tmp_path / "model.safetensors", *trained, epoch=7)
    return tmp_path / "model.safetensors"
