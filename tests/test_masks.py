"""Masks that are recorded, replayed, held."""

import numpy as np
import pytest
from dropped import X, calls, net, run
from helpers import assert_same_bits, normals

import minidrop as md
from minidrop import nn, train

# ---- record and replay ----


def test_replay_draws_what_was_recorded(isa):
    model = net()
    model(X)
    with md.record_masks() as tape:
        recorded = run(model, X)
    assert len(tape) == 2 and calls(model) == [2, 2]
    run(model, X)
    with md.replay_masks(tape):
        again = run(model, X)
    assert calls(model) == [3, 3], "a replay does not count"
    for a, b in zip(again, recorded, strict=True):
        assert_same_bits(a, b)
    assert not np.array_equal(run(model, X)[0], recorded[0])


def test_recording_changes_nothing():
    expected = run(net(), X)
    with md.record_masks():
        for a, b in zip(run(net(), X), expected, strict=True):
            assert_same_bits(a, b)


def test_siamese_branches():
    layer, y = net()[:3], normals((10, 6), seed=2)
    layer[0].bias.data[...] = 100  # no zeros but the dropped
    with md.record_masks() as tape:
        a = layer(X).numpy()
    with md.replay_masks(tape):
        b = layer(y).numpy()
    assert_same_bits(a == 0, b == 0)
    assert 0.3 < (a == 0).mean() < 0.7 and not np.array_equal(a, b)


def test_replay_in_another_model_of_the_same_layers():
    md.manual_seed(77)
    with md.record_masks() as tape:
        expected = net()(X).numpy()
    other = net()
    for layer in (other[2], other[4]):
        layer.seed, layer.call = 1234, 50
    with md.replay_masks(tape):
        assert_same_bits(other(X).numpy(), expected)
    assert [(m.seed, m.call) for m in (other[2], other[4])] == [(1234, 50)] * 2


def test_replay_of_a_slice_remembers_where_it_began():
    model = net()
    with md.record_masks() as tape, md.sample_offset(4):
        expected = model(X).numpy()
    with md.replay_masks(tape):
        assert_same_bits(model(X).numpy(), expected)


def test_record_within_hold():
    model = net()
    with md.hold_masks(), md.record_masks() as tape:
        first, second = model(X).numpy(), model(X).numpy()
    assert_same_bits(first, second)
    assert tape[:2] == tape[2:] and calls(model) == [1, 1]
    with md.replay_masks(tape):
        assert_same_bits(model(X).numpy(), first)
        model(X)


def test_record_within_replay():
    """What was replayed is on the tape, not what the layers would have drawn."""
    model = net()
    with md.record_masks(model) as tape, md.sample_offset(3):
        expected = model(X).numpy()
    with md.replay_masks(tape), md.record_masks(model) as again:
        assert_same_bits(model(X).numpy(), expected)
    assert again == tape and calls(model) == [1, 1]


def test_replay_and_hold_within_record():
    """A tape has all that is drawn in it, whoever says where."""
    model = net()
    with md.record_masks(model) as tape:
        first = model(X).numpy()
    with md.record_masks() as around, md.record_masks(model) as again:
        with md.replay_masks(tape):
            model(X)
        with md.hold_masks():
            second = model(X).numpy()
    assert again[:2] == tape[:] and [draw.call for draw in again] == [0, 0, 1, 1]
    assert [draw.path for draw in again] == ["2", "4"] * 2
    assert [draw.path for draw in around] == [""] * 4
    with md.replay_masks(again):
        assert_same_bits(model(X).numpy(), first)
        assert_same_bits(model(X).numpy(), second)


def test_a_failed_forward_in_a_hold_is_not_on_the_tape_around_it():
    layer = nn.DropConnect(nn.Linear(6, 3), 0.5)
    with md.record_masks() as tape, md.hold_masks():
        with pytest.raises(ValueError):
            layer(X[:, :2])
        layer(X)
    assert [draw.shape for draw in tape] == [(10, 6)] and layer.call == 1


def test_record_of_a_forward_without_inputs():
    class Constant(nn.Module):
        def __init__(self):
            self.weight = nn.Parameter(X)

        def forward(self):
            return self.weight * 1.0

    layer = nn.WeightDrop(Constant(), "weight", 0.5)
    with md.record_masks() as tape:
        expected = layer().numpy()
    with md.replay_masks(tape):
        assert_same_bits(layer().numpy(), expected)
    assert tape[0].shape == ()


def test_eval_and_predict_mc_are_not_on_the_tape():
    model = net()
    with md.record_masks() as tape:
        model.eval()(X)
        train.predict_mc(model, X, 3)
    assert len(tape) == 0 and calls(model) == [0, 0]


def test_p_0_is_on_the_tape():
    with md.record_masks() as tape:
        net(p=0)(X)
    assert [draw.p for draw in tape] == [0.0, 0.25]


def test_a_failed_forward_is_not_on_the_tape_and_uses_none():
    model = net()
    with md.record_masks() as tape:
        with pytest.raises((TypeError, ValueError)):
            model[2](np.zeros(3, np.int64))
        model[2](X)
    assert len(tape) == 1
    with md.replay_masks(tape) as replay:
        with pytest.raises(ValueError):
            model[2](X[:5])
        assert replay.position == 0
        model[2](X)


def test_tape_of_a_model_knows_its_paths():
    model = nn.Sequential(net(), nn.Dropout(0.1))
    with md.record_masks(model) as tape:
        model(X)
    assert [draw.path for draw in tape] == ["0.2", "0.4", "1"]
    assert [draw.shape for draw in tape] == [(10, 8), (10, 8), (10, 3)]


def test_dropout_within_dropout():
    """The outer layer is on the tape before the inner, whose masks it needs for its output."""
    inner = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5))
    model = nn.Sequential(nn.WeightDrop(inner, "0.weight", 0.3), nn.Dropout(0.2))
    with md.record_masks(model) as tape:
        expected = model(X).numpy()
    assert [draw.path for draw in tape] == ["0", "0.module.1", "1"]
    with md.replay_masks(tape):
        assert_same_bits(model(X).numpy(), expected)
    with md.record_masks() as failed, pytest.raises(ValueError):
        model(X[:, :2])
    assert len(failed) == 0


# ---- hold ----


def test_hold_over_steps():
    model = net()
    model(X)
    with md.hold_masks():
        held = [run(model, X) for _ in range(3)]
    for a in held[1:]:
        for b, c in zip(a, held[0], strict=True):
            assert_same_bits(b, c)
    assert calls(model) == [2, 2]
    twin = net()
    twin(X)
    assert_same_bits(twin(X).numpy(), held[0][0])
    assert_same_bits(twin(X).numpy(), model(X).numpy())


def test_hold_counts_only_what_was_used():
    model = net()
    with md.hold_masks():
        model[:3](X)
        model.eval()(X)
    assert calls(model) == [1, 0]
    model.train()
    with pytest.raises(ZeroDivisionError), md.hold_masks():
        model(X)
        raise ZeroDivisionError
    assert calls(model) == [2, 1]
    model(X)
    assert calls(model) == [3, 2]
