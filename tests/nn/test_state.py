"""The state of a Module: what is saved, what is taken back, and what is refused whole."""

import numpy as np
import pytest
from helpers import assert_same_bits, normals
from models import Pair, Scale

from minidrop.nn import Module, Sequential


class Noisy(Module):
    """A layer with extra state, as random layers have."""

    def __init__(self, seed):
        self.seed, self.call = seed, 0

    def get_extra(self):
        return {"seed": self.seed, "call": self.call}

    def set_extra(self, extra):
        if extra["call"] < 0:
            raise ValueError(f"call must be at least 0, got {extra['call']}")
        self.seed, self.call = extra["seed"], extra["call"]


def test_state_dict_is_a_copy():
    model = Pair()
    state = model.state_dict()
    assert list(state) == ["bias", "first.factor", "first.calls", "second.factor", "second.calls"]
    model.first.factor.data[...] = 9
    assert state["first.factor"].tolist() == [2, 2, 2]
    assert all(type(value) is np.ndarray for value in state.values())


def test_load_state_dict_keeps_the_arrays():
    model, other = Pair(), Pair()
    for p in other.parameters():
        p.data[...] = normals(3)
    arrays = [p.data for p in model.parameters()]
    kept = model.load_state_dict(other.state_dict())
    assert kept.missing_keys == kept.unexpected_keys == []
    assert all(p.data is array for p, array in zip(model.parameters(), arrays, strict=True))
    for path, value in other.state_dict().items():
        assert_same_bits(model.state_dict()[path], value)


def test_load_state_dict_from_its_own_arrays():
    model = Pair()
    swapped = model.state_dict()
    swapped["first.factor"], swapped["second.factor"] = model.second.factor, model.first.factor
    model.load_state_dict(swapped)
    assert model.first.factor.data[0] == 3 and model.second.factor.data[0] == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("bias"), "bias: missing"),
        (lambda s: s.update(extra=1), "extra: unexpected"),
        (lambda s: s.update(bias=np.ones(4, np.float32)), r"must be float32 \(3,\), got float32"),
        (lambda s: s.update(bias=np.ones((1, 3), np.float32)), r"got float32 \(1, 3\)"),
        (lambda s: s.update(bias=np.ones(3)), "bias: must be float32 .* got float64"),
        (lambda s: s.update(bias=np.ones(3, np.float16)), "got float16"),
        (lambda s: s.update(bias=[1.0, 2.0, 3.0]), "got float64"),
        (lambda s: s.update(bias="abc"), "bias: must be"),
    ],
)
def test_load_state_dict_all_or_nothing(change, message):
    model = Pair()
    before, state = model.state_dict(), {k: v + 1 for k, v in model.state_dict().items()}
    change(state)
    with pytest.raises(ValueError, match=message):
        model.load_state_dict(state)
    for path, value in before.items():
        assert_same_bits(model.state_dict()[path], value)


def test_load_state_dict_names_every_fault():
    with pytest.raises(ValueError) as error:
        Pair().load_state_dict({"bias": np.ones(4, np.float32), "other": 1})
    for line in ("bias: must", "other: unexpected", "first.factor: missing", "calls: missing"):
        assert line in str(error.value)


def test_load_state_dict_not_strict():
    model = Pair()
    kept = model.load_state_dict({"bias": np.ones(3, np.float32), "other": 1}, strict=False)
    assert "first.factor" in kept.missing_keys and kept.unexpected_keys == ["other"]
    assert model.bias.data.tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="bias"):
        model.load_state_dict({"bias": np.ones(4, np.float32)}, strict=False)
    with pytest.raises(TypeError, match="state_dict must be a dict"):
        model.load_state_dict([1, 2])


def test_load_state_dict_read_only():
    model, state = Pair(), Pair().state_dict()
    state["bias"] += 1
    model.second.factor.data.flags.writeable = False
    with pytest.raises(ValueError, match="second.factor: .* read-only"):
        model.load_state_dict(state)
    assert model.bias.data.tolist() == [0, 0, 0]


def test_extra_state_by_path():
    model = Sequential(Scale(), Noisy(3), Sequential(Noisy(4)))
    assert model.extra_state() == {"1": {"seed": 3, "call": 0}, "2.0": {"seed": 4, "call": 0}}
    model.load_extra_state({"1": {"seed": 5, "call": np.int64(6)}, "2.0": {"seed": 7, "call": 8}})
    assert model.extra_state() == {"1": {"seed": 5, "call": 6}, "2.0": {"seed": 7, "call": 8}}
    assert Scale().extra_state() == {}
    Scale().load_extra_state({})


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"0": {"seed": 1, "call": 1}, "1": {"seed": 1, "call": 1}, "2": {}},
        {"0": {"seed": 1, "call": 1}, "1": {"seed": 1}},
        {"0": {"seed": 1, "call": 1}, "1": {"seed": 1, "call": 1.0}},
        {"0": {"seed": 1, "call": 1}, "1": {"seed": 1, "call": True}},
        {"0": {"seed": 1, "call": 1}, "1": 5},
        {"0": {"seed": 1, "call": 1}, "1": {"seed": 1, "call": -1}},  # refused by set_extra
    ],
)
def test_extra_state_all_or_nothing(extra):
    model = Sequential(Noisy(3), Noisy(4))
    before = model.extra_state()
    with pytest.raises(ValueError, match="extra|call must be"):
        model.load_extra_state(extra)
    assert model.extra_state() == before


def test_extra_state_not_a_dict():
    with pytest.raises(TypeError, match="extra must be a dict"):
        Sequential(Noisy(3)).load_extra_state(None)
