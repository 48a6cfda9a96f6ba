"""Steps, and the state that they leave."""

import copy
import pickle

import numpy as np
import pytest
from helpers import assert_same_bits, normals

from minidrop import optim
from minidrop.tensor import Tensor

MAKERS = {
    "SGD": lambda params, **options: optim.SGD(params, lr=0.1, momentum=0.9, **options),
    "Adam": optim.Adam,
    "AdamW": optim.AdamW,
    "RMSprop": lambda params, **o: optim.RMSprop(params, centered=True, momentum=0.5, **o),
    "Adagrad": optim.Adagrad,
    "Adadelta": optim.Adadelta,
}


def parameter(*shape, seed=0):
    return Tensor(normals(shape, seed), requires_grad=True)


def parameters():
    return [parameter(4, 3), parameter(3, seed=1), parameter(2, 5, seed=2)]


def set_gradients(params, step):
    for i, p in enumerate(params):
        p.grad = normals(p.shape, 100 * step + i)


def train(optimizer, params, steps):
    for step in steps:
        set_gradients(params, step)
        optimizer.step()


def everything(optimizer):
    """All that a step may change, as one comparable value."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    values = [p.data.tobytes() if isinstance(p.data, np.ndarray) else p.data for p in params]
    state = optimizer.state_dict()
    for kept in state["state"].values():
        for name, value in kept.items():
            kept[name] = value.tobytes() if isinstance(value, np.ndarray) else value
    return values, state


def test_zero_grad():
    params = parameters()
    set_gradients(params, 1)
    optim.Adam(params).zero_grad()
    assert [p.grad for p in params] == [None] * 3


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_no_gradient(maker):
    """A parameter without a gradient is passed over, and its count of steps waits."""
    params = parameters()
    optimizer = maker(params)
    train(optimizer, params, [1])
    set_gradients(params, 2)
    params[1].grad = None
    before, kept = params[1].data.copy(), copy.deepcopy(optimizer.state[params[1]])
    optimizer.step()
    assert_same_bits(params[1].data, before)
    assert optimizer.state[params[1]]["step"] == kept["step"] == 1
    assert optimizer.state[params[0]]["step"] == 2
    alone = parameters()[1]  # as if the missed step had never been
    other = maker([alone])
    for step in (1, 3):
        alone.grad = normals(alone.shape, 100 * step + 1)
        other.step()
    train(optimizer, params, [3])
    assert_same_bits(alone.data, params[1].data)


def test_never_a_gradient():
    optimizer = optim.Adam(parameters())
    optimizer.step()
    assert optimizer.state == {}


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_written_and_rebound(maker):
    """Parameters are ordinary arrays: what the user puts there is what is updated."""
    p, q = parameter(4), parameter(4)
    first, second = maker([p]), maker([q])
    train(first, [p], [1])
    train(second, [q], [1])
    p.data[...] = 2
    q.data = np.full(4, 2, np.float32)
    train(first, [p], [2])
    train(second, [q], [2])
    assert_same_bits(p.data, q.data)
    assert (p.data != 2).all()


def break_read_only(optimizer, p):
    p.data.flags.writeable = False


def break_shape(optimizer, p):
    p.data = np.zeros(7, np.float32)
    p.grad = np.zeros(7, np.float32)


def break_type(optimizer, p):
    p.data = p.data.astype(np.float64)


def break_data(optimizer, p):
    p.data = [1.0, 2.0]


def break_gradient(optimizer, p):
    p.grad = np.zeros(9, np.float32)


def break_option(optimizer, p):
    optimizer.param_groups[1]["lr"] = float("nan")


def break_contiguity(optimizer, p):
    p.data = np.zeros((5, 2), np.float32).T


BREAKS = [break_read_only, break_shape, break_type, break_data, break_gradient, break_option,
          break_contiguity]  # fmt: skip


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("broken", BREAKS)
@pytest.mark.parametrize("fresh", [False, True])
def test_failed_step_changes_nothing(maker, broken, fresh):
    """The last parameter, in a group of its own, is wrong: the first must not have moved."""
    params = parameters()
    optimizer = maker([{"params": params[:2]}, {"params": params[2:]}])
    if not fresh:
        train(optimizer, params, [1])
    set_gradients(params, 2)
    broken(optimizer, params[2])
    before = everything(optimizer)
    if fresh and broken in (break_shape, break_type):
        optimizer.step()  # nothing has been kept yet that would not fit
        return
    with pytest.raises((ValueError, TypeError), match=r"params\[2\]|lr must"):
        optimizer.step()
    assert repr(everything(optimizer)) == repr(before)


# ---- state ----


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_state_round_trip(maker):
    """A new optimizer with the state of an old one goes on with the same bits."""
    params, others = parameters(), parameters()
    first = maker([{"params": params[:1], "lr": 0.05}, {"params": params[1:]}])
    second = maker([{"params": others[:1]}, {"params": others[1:]}])
    train(first, params, [1, 2])
    state = copy.deepcopy(first.state_dict())
    for p, other in zip(params, others, strict=True):
        other.data = p.data.copy()
    second.load_state_dict(state)
    assert second.param_groups[0]["lr"] == 0.05
    train(second, others, [3, 4])
    train(first, params, [3, 4])
    for p, other in zip(params, others, strict=True):
        assert_same_bits(other.data, p.data)
    assert repr(everything(first)) == repr(everything(second))


def test_state_layout():
    params = parameters()
    optimizer = optim.Adam([{"params": params[:2]}, {"params": params[2:], "lr": 0.5}])
    params[1].grad = np.ones(3, np.float32)
    optimizer.step()
    state = optimizer.state_dict()
    assert list(state) == ["state", "param_groups"]
    assert list(state["state"]) == [1]
    assert state["state"][1].keys() == {"step", "exp_avg", "exp_avg_sq"}
    assert state["state"][1]["step"] == 1
    assert [group["params"] for group in state["param_groups"]] == [[0, 1], [2]]
    assert state["param_groups"][1]["lr"] == 0.5
    assert state["param_groups"][1]["betas"] == (0.9, 0.999)


def test_loaded_arrays_are_copies():
    params = parameters()
    optimizer = optim.Adam(params)
    train(optimizer, params, [1])
    state = copy.deepcopy(optimizer.state_dict())
    optimizer.load_state_dict(state)
    train(optimizer, params, [2])
    assert state["state"][0]["step"] == 1
    assert not np.shares_memory(state["state"][0]["exp_avg"], optimizer.state[params[0]]["exp_avg"])


def test_beside_the_options():
    """What a schedule keeps in a group survives."""
    optimizer = optim.SGD(parameters(), lr=0.1)
    state = optimizer.state_dict()
    state["param_groups"][0]["initial_lr"] = 0.7
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["initial_lr"] == 0.7


def without(state, *path):
    for key in path[:-1]:
        state = state[key]
    del state[path[-1]]


def replaced(state, value, *path):
    for key in path[:-1]:
        state = state[key]
    state[path[-1]] = value


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda s: without(s, "state"), "'state' and 'param_groups'"),
        (lambda s: without(s, "param_groups", 0, "lr"), r"\[0\] lacks lr"),
        (lambda s: without(s, "param_groups", 0, "params"), r"groups of \[3\] params, got \[0\]"),
        (lambda s: replaced(s, [0, 1], "param_groups", 0, "params"), r"got \[2\]"),
        (lambda s: replaced(s, -1.0, "param_groups", 0, "lr"), "lr must"),
        (lambda s: replaced(s, {}, "state", 7), r"state for \[7\]"),
        (lambda s: without(s, "state", 0, "step"), "must be a dict of 'step'"),
        (lambda s: replaced(s, -1, "state", 2, "step"), "must be at least 0, got -1"),
        (lambda s: replaced(s, np.zeros(4), "state", 2, "sum"), "got .*'sum'"),
        (lambda s: replaced(s, np.zeros(3), "state", 2, "exp_avg"), r"floats of shape \(2, 5\)"),
        (lambda s: replaced(s, "zero", "state", 2, "exp_avg"), "must be floats"),
    ],
)
def test_bad_state(damage, message):
    params = parameters()
    optimizer = optim.Adam(params)
    train(optimizer, params, [1])
    state = copy.deepcopy(optimizer.state_dict())
    state["param_groups"][0]["lr"] = 0.7
    damage(state)
    before = everything(optimizer)
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(state)
    assert repr(everything(optimizer)) == repr(before)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_deepcopy_and_pickle(duplicate):
    """A duplicate holds duplicates of the parameters, and goes on by itself."""
    params = parameters()
    optimizer = optim.Adam(params)
    train(optimizer, params, [1])
    other = duplicate(optimizer)
    others = other.param_groups[0]["params"]
    train(other, others, [2])
    assert optimizer.state[params[0]]["step"] == 1
    train(optimizer, params, [2])
    for p, q in zip(params, others, strict=True):
        assert p is not q
        assert_same_bits(p.data, q.data)
