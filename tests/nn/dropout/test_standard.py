"""nn.Dropout: where its masks come from, and when it counts."""

import copy
import pickle

import numpy as np
import pytest
from helpers import assert_same_bits, normals

import minidrop.functional as F
from minidrop import random
from minidrop.nn.dropout import Dropout
from minidrop.tensor import Tensor

X = np.ones((20, 50), np.float32)


@pytest.fixture(autouse=True)
def rng_state():
    before = random.get_rng_state()
    yield
    random.set_rng_state(before)


def test_draws_what_the_function_draws(isa):
    layer = Dropout(0.3, seed=5)
    for call in range(3):
        expected = F.dropout(X, 0.3, training=True, seed=5, call=call)
        assert_same_bits(layer(X).data, expected.data)


def test_every_training_forward_has_its_own_mask():
    layer = Dropout()
    first, second = layer(X).data, layer(X).data
    assert layer.p == 0.5 and layer.call == 2
    assert 0.4 < (first == second).mean() < 0.6


def test_eval_returns_its_input_and_does_not_count():
    layer = Dropout(0.5, seed=1)
    x = Tensor(X)
    layer.eval()
    assert layer(x) is x and layer.call == 0
    layer.train()
    assert_same_bits(layer(x).data, F.dropout(X, 0.5, training=True, seed=1).data)
    assert layer.p == 0.5 and layer.call == 1


def test_p_0_counts():
    layer = Dropout(0, seed=1)
    x = Tensor(X)
    assert layer(x) is x and layer.call == 1
    layer.p = 0.5
    assert_same_bits(layer(x).data, F.dropout(X, 0.5, training=True, seed=1, call=1).data)


def test_a_failed_call_does_not_count():
    layer = Dropout(0.5, seed=1)
    for bad in (np.zeros(3, np.int64), "text", None):
        with pytest.raises((TypeError, ValueError)):
            layer(bad)
    assert layer.call == 0


def test_seeds_and_streams():
    random.manual_seed(9)
    layers = [Dropout(), Dropout(), Dropout(seed=9), Dropout(seed=9)]
    assert [(layer.seed, layer.stream) for layer in layers] == [(9, 1), (9, 2), (9, 0), (9, 0)]
    masks = [layer(X).data for layer in layers]
    assert_same_bits(masks[2], masks[3])
    assert not np.array_equal(masks[0], masks[1]) and not np.array_equal(masks[0], masks[2])
    random.manual_seed(9)
    assert_same_bits(Dropout()(X).data, masks[0])


@pytest.mark.parametrize("mask", ["bits", "recompute"])
def test_gradient(mask):
    layer = Dropout(0.4, mask=mask, seed=2)
    x = Tensor(normals((9, 9)), requires_grad=True)
    y = layer(x)
    layer(x)  # another call in between
    y.backward(x.data)
    assert_same_bits(x.grad, y.data)


def test_state_travels():
    layer = Dropout(0.5, seed=2**63)
    layer(X)
    state = layer.extra_state()
    assert state == {"": {"seed": 2**63, "stream": 0, "call": 1}}
    expected = layer(X).data
    other = Dropout(0.5)
    other.load_extra_state(state)
    assert_same_bits(other(X).data, expected)
    assert layer.state_dict() == {}


@pytest.mark.parametrize("wrong", [{"seed": -1}, {"call": 2**64}, {"stream": -5}])
def test_state_that_does_not_fit_changes_nothing(wrong):
    layer = Dropout(0.5, seed=1)
    before = layer.extra_state()
    with pytest.raises(ValueError):
        layer.load_extra_state({"": {**before[""], "call": 7, **wrong}})
    assert layer.extra_state() == before


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_go_on_from_the_same_call(copied):
    layer = Dropout(0.5, mask="recompute", seed=3)
    layer(X)
    twin = copied(layer)
    assert_same_bits(twin(X).data, layer(X).data)
    assert twin.call == layer.call == 2 and twin.mask == "recompute"


@pytest.mark.parametrize(
    "p, error",
    [
        (2, ValueError),
        (-0.1, ValueError),
        (256, ValueError),
        (float("nan"), ValueError),
        ("half", TypeError),
        (None, TypeError),
    ],
)
def test_bad_p(p, error):
    with pytest.raises(error, match=f"Dropout: p must be .*got {p!r}"):
        Dropout(p)
    layer = Dropout(0.5)
    with pytest.raises(error, match="Dropout: p must be"):
        layer.p = p
    assert layer.p == 0.5


def test_bad_seed_and_mask():
    with pytest.raises(ValueError, match="seed must be in"):
        Dropout(seed=-1)
    with pytest.raises(TypeError, match="seed must be an int"):
        Dropout(seed="1")
    with pytest.raises(ValueError, match="mask must be"):
        Dropout(mask="bytes")
    with pytest.raises(TypeError):
        Dropout(0.5, 1)


def test_repr():
    assert repr(Dropout(0.25)) == "Dropout(p=0.25)"
