"""The promises about a whole training run: the same bits on any number of threads and on every
instruction set with fused multiply-adds; and no new memory once it is under way."""

import numpy as np
import pytest
from helpers import hashes

import minidrop as md
from minidrop import nn, optim

FUSED = [name for name in md.available_isas() if name in ("avx512", "avx2", "neon")]
OPTIMIZERS = {
    "sgd": lambda parameters: optim.SGD(parameters, lr=0.05, momentum=0.9, nesterov=True),
    "adam": lambda parameters: optim.Adam(parameters, lr=1e-3),
}


def network():
    """The example's kind of network, smaller: every kernel that it uses, odd sizes included."""
    return nn.Sequential(
        nn.Conv2d(1, 20, 3), nn.ReLU(),
        nn.Conv2d(20, 33, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25),
        nn.Conv2d(33, 17, 3, stride=2, padding=1), nn.BatchNorm2d(17), nn.SiLU(),
        nn.Flatten(), nn.Linear(17 * 5 * 5, 40), nn.ReLU(), nn.Dropout(0.2), nn.Linear(40, 10),
    )  # fmt: skip


def train_steps(steps, optimizer="adam"):
    """Train on noise; yields the model after each step."""
    md.manual_seed(7)
    rng = np.random.default_rng(0)
    model = network()
    update = OPTIMIZERS[optimizer](model.parameters())
    loss = nn.CrossEntropyLoss()
    for _ in range(steps):
        x = rng.random((19, 24, 24, 1), dtype=np.float32)
        labels = rng.integers(0, 10, 19)
        update.zero_grad()
        loss(model(x), labels).backward()
        update.step()
        yield model


def fingerprint(steps, **options):
    *_, model = train_steps(steps, **options)
    return hashes(*(value for _, value in sorted(model.state_dict().items())))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_threads_and_isas(optimizer):
    found = {}
    for isa in FUSED or md.available_isas()[:1]:
        for threads in (1, 2, 4):
            md.use_isa(isa)
            md.set_num_threads(threads)
            found[isa, threads] = fingerprint(20, optimizer=optimizer)
    assert len(set(found.values())) == 1, found


def test_another_seed_differs():
    *_, one = train_steps(2)
    before = hashes(one.state_dict()["0.weight"])
    md.manual_seed(8)
    other = network()
    assert hashes(other.state_dict()["0.weight"]) != before


@pytest.mark.parametrize("threads", [1, 3])
def test_no_new_memory_after_two_steps(threads):
    md.set_num_threads(threads)
    mappings = [md.pool_stats()["mappings"] for _ in train_steps(6)]
    assert mappings[2:] == [mappings[1]] * 4
