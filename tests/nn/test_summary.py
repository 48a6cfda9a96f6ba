"""summary(): the table, and that nothing is touched by making it."""

import numpy as np
import pytest
from helpers import assert_same_bits

from minidrop import nn
from minidrop.nn import init


def conv_net():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.BatchNorm2d(64), nn.ReLU(),
        nn.Flatten(), nn.Linear(4096, 10),
    )  # fmt: skip


def test_table():
    assert conv_net().summary((12, 12, 1)) == (
        "layer            output shape     parameters\n"
        "---------------  ---------------  ----------\n"
        "0 (Conv2d)       (1, 10, 10, 32)         320\n"
        "1 (ReLU)         (1, 10, 10, 32)           0\n"
        "2 (Conv2d)       (1, 8, 8, 64)        18,496\n"
        "3 (BatchNorm2d)  (1, 8, 8, 64)           128\n"
        "4 (ReLU)         (1, 8, 8, 64)             0\n"
        "5 (Flatten)      (1, 4096)                 0\n"
        "6 (Linear)       (1, 10)              40,970\n"
        "---------------  ---------------  ----------\n"
        "Total parameters: 59,914\n"
        "Trainable parameters: 59,914\n"
        "Size of the parameters: 0.24 MB"
    )


def test_nothing_is_touched():
    model = conv_net().train()
    model[1].eval()
    model(np.zeros((2, 12, 12, 1), np.float32))
    calls = []
    model.register_forward_hook(lambda *_: calls.append("model"))
    handle = model[0].register_forward_hook(lambda *_: calls.append("conv"))
    before, training = model.state_dict(), [m.training for m in model.modules()]
    attributes = [list(vars(m)) for m in model.modules()]
    model.summary((12, 12, 1))
    assert calls == []
    assert [m.training for m in model.modules()] == training
    assert [sorted(vars(m)) for m in model.modules()] == [sorted(names) for names in attributes]
    for name, value in model.state_dict().items():
        assert_same_bits(value, before[name])
    assert all(p.grad is None for p in model.parameters())
    handle.remove()
    model(np.zeros((2, 12, 12, 1), np.float32))
    assert calls == ["model"]


def test_nothing_is_touched_where_it_fails():
    model = conv_net()
    with pytest.raises(ValueError):
        model.summary((5, 5, 1))
    assert all(m.training and not m._forward_hooks for m in model.modules())
    with pytest.raises(ValueError, match="input_shape must be"):
        model.summary(("a", 3))


def test_shared_layer_frozen_parameter_and_one_not_called():
    class Net(nn.Module):
        def __init__(self):
            self.scale = nn.Parameter(init.ones_(nn.Parameter(np.zeros(1, np.float32))))
            self.twice = nn.Linear(3, 3)
            self.unused = nn.Linear(3, 2)
            self.unused.weight.requires_grad = False

        def forward(self, x):
            return self.twice(self.twice(x)) * self.scale

    lines = Net().summary(3).splitlines()
    assert [line.split("  ")[0] for line in lines[2:6]] == [
        "twice (Linear)", "twice (Linear)", "Net", "unused (Linear)",
    ]  # fmt: skip
    assert [line.split()[-1] for line in lines[2:6]] == ["12", "0", "1", "8"]
    assert "not called" in lines[5]
    assert lines[7:9] == ["Total parameters: 21", "Trainable parameters: 15"]


def test_several_outputs_and_a_dtype():
    class Split(nn.Module):
        def forward(self, x):
            assert x.dtype == np.int64
            return x, (x, None)

    assert "(1, 4), (1, 4), ()" in Split().summary((4,), dtype=np.int64)


def test_empty_model():
    assert "Total parameters: 0" in nn.Sequential().summary((3, 3, 1))
