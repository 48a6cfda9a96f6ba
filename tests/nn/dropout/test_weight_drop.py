"""nn.WeightDrop: weights are dropped for the length of a forward, and are then themselves again."""

import numpy as np
import pytest
from helpers import assert_close, assert_same_bits, hashes, normals

import minidrop as md
import minidrop.functional as F
from minidrop import nn, random
from minidrop.nn import Parameter, WeightDrop


@pytest.fixture(autouse=True)
def rng_state():
    before = random.get_rng_state()
    random.manual_seed(0)
    yield
    random.set_rng_state(before)


class Cell(nn.Module):
    """An Elman network over (batch, time, features), with states that go in and come out."""

    def __init__(self, features, hidden):
        self.weight_ih = Parameter(normals((features, hidden), 1) * 0.3)
        self.weight_hh = Parameter(normals((hidden, hidden), 2) * 0.3)
        self.seen = []

    def forward(self, x, state=None):
        if state is None:
            state = np.zeros((x.shape[0], self.weight_hh.shape[0]), np.float32)
        self.seen.append(self.weight_hh)
        for t in range(x.shape[1]):
            state = F.tanh(x[:, t] @ self.weight_ih + F.linear(state, self.weight_hh))
        return state, state * 2.0


X = normals((3, 4, 5))


def test_linear_with_dropped_weights(isa):
    linear = nn.Linear(5, 7)
    layer = WeightDrop(linear, "weight", 0.4, seed=3)
    for call in range(2):
        masked = F.dropout(linear.weight, 0.4, training=True, seed=3, call=call)
        assert_same_bits(layer(X).data, F.linear(X, masked, linear.bias).data)
    assert_same_bits(layer.eval()(X).data, linear(X).data)
    assert layer.call == 2


def test_one_mask_for_all_time_steps():
    cell = Cell(5, 6)
    layer = WeightDrop(cell, "weight_hh", 0.5, seed=3)
    last, doubled = layer(X)
    masked = F.dropout(cell.weight_hh, 0.5, training=True, seed=3)
    assert_same_bits(cell.seen[0].data, masked.data)
    state = np.zeros((3, 6), np.float32)
    for t in range(4):
        state = np.tanh(X[:, t] @ cell.weight_ih.data + state @ masked.data)
    assert_close(last.data, state, scale=10)
    assert_same_bits(doubled.data, last.data * 2)


def test_state_goes_through():
    cell = Cell(5, 6)
    layer = WeightDrop(cell, "weight_hh", 0.5, seed=3)
    state = normals((3, 6))
    whole = layer(X)[0]
    layer.call = 0
    with md.hold_masks():
        halfway = layer(X[:, :2], None)[0]
        assert_close(layer(X[:, 2:], halfway)[0].data, whole.data)
    assert layer(X, state)[0].shape == (3, 6)


def test_gradients_reach_the_parameters():
    cell = Cell(5, 6)
    layer = WeightDrop(cell, ("weight_hh", "weight_ih"), 0.5, seed=3)
    names = [name for name, _ in layer.named_parameters()]
    assert names == ["module.weight_ih", "module.weight_hh"]
    layer(X)[0].sum().backward()
    for weight, first in ((cell.weight_hh, 0), (cell.weight_ih, 36)):
        kept = F.dropout(np.ones_like(weight.data), 0.5, training=True, seed=3, offset=first).data
        assert np.array_equal(weight.grad != 0, kept != 0)


def test_the_parameters_are_back_after_the_forward():
    cell = Cell(5, 6)
    weight = cell.weight_hh
    layer = WeightDrop(cell, "weight_hh", 0.5)
    layer(X)
    assert cell.weight_hh is weight and cell.seen[0] is not weight
    with pytest.raises((TypeError, ValueError)):
        layer(X, normals((3, 7)))
    assert cell.weight_hh is weight and layer.call == 1
    assert list(vars(cell)) == ["weight_ih", "weight_hh", "seen"]


def test_path_below_the_module():
    inner = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2))
    layer = WeightDrop(inner, ("0.weight", "2.weight"), 0.5, seed=1)
    first = F.dropout(inner[0].weight, 0.5, training=True, seed=1)
    second = F.dropout(inner[2].weight, 0.5, training=True, seed=1, offset=20)
    hidden = F.relu(F.linear(X, first, inner[0].bias))
    assert_same_bits(layer(X).data, F.linear(hidden, second, inner[2].bias).data)


@pytest.mark.parametrize("mask", ["bits", "recompute"])
def test_gradient_goes_through_the_same_mask(mask):
    layer = WeightDrop(nn.Linear(5, 7, bias=False), "weight", 0.4, mask=mask, seed=3)
    eye = np.eye(5, dtype=np.float32)
    y = layer(eye)
    y.backward(layer.module.weight.data)
    assert_close(layer.module.weight.grad, y.data)


def test_golden():
    linear = nn.Linear(6, 6, bias=False)
    linear.weight.data[...] = 1
    y = WeightDrop(linear, "weight", 0.3, seed=5)(np.eye(6, dtype=np.float32))
    assert hashes(np.round(y.data, 4))[:16] == "71b4466e6d82c887"


def test_mask_shape():
    assert WeightDrop(Cell(5, 6), ("weight_hh", "weight_ih")).mask_shape(X) == (1, 66)


def test_bad_arguments():
    cell = Cell(5, 6)
    with pytest.raises(
        ValueError, match="'weight' is no parameter of Cell; its parameters: weight_ih, weight_hh"
    ):
        WeightDrop(cell, "weight")
    for wrong in ((), ("weight_hh", "weight_hh"), "seen", "a.b"):
        with pytest.raises(ValueError, match="WeightDrop: "):
            WeightDrop(cell, wrong)
    with pytest.raises(TypeError, match="WeightDrop: module must be a Module"):
        WeightDrop("cell", "weight_hh")
    with pytest.raises(TypeError, match="WeightDrop: p must be .*got 'half'"):
        WeightDrop(cell, "weight_hh", "half")


def test_repr():
    layer = WeightDrop(nn.Linear(3, 3), "weight", 0.25)
    assert repr(layer).startswith("WeightDrop(\n  weight, p=0.25\n  (module): Linear")
