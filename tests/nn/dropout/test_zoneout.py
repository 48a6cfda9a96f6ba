"""nn.Zoneout: states through time."""

import numpy as np
import pytest
from helpers import assert_same_bits, hashes, normals

import minidrop as md
import minidrop.functional as F
from minidrop import nn

NEW, OLD = normals((6, 8), 1), normals((6, 8), 2)


def test_draws_what_the_function_draws(isa):
    layer = nn.Zoneout(0.3, seed=5)
    for call in range(3):
        expected = F.zoneout(NEW, OLD, 0.3, training=True, seed=5, call=call)
        assert_same_bits(layer(NEW, OLD).data, expected.data)
    layer.eval()
    assert_same_bits(layer(NEW, OLD).data, F.zoneout(NEW, OLD, 0.3, training=False).data)
    assert layer.call == 3


def test_time_steps_have_masks_of_their_own():
    layer, state = nn.Zoneout(0.5, seed=1), np.zeros((40, 50), np.float32)
    ages = np.zeros(state.shape)
    for t in range(1, 6):
        state = layer(np.full_like(state, t), state)
        ages += state.data != t
    assert layer.call == 5
    assert len(np.unique(ages)) == 6, "an element may stay from none to all of the steps"


def test_slices_of_a_batch():
    layer = nn.Zoneout(0.5, seed=1)
    whole, layer.call = layer(NEW, OLD).data, 0
    with md.sample_offset(2):
        assert_same_bits(layer(NEW[2:], OLD[2:]).data, whole[2:])


def test_a_state_that_is_not_taken_may_be_anything(isa):
    kept = nn.Zoneout(0.3, seed=5)(np.ones_like(NEW), np.zeros_like(NEW)).data == 1
    new, old = np.where(kept, NEW, np.float32(np.nan)), np.where(kept, np.float32(np.inf), OLD)
    assert_same_bits(nn.Zoneout(0.3, seed=5)(new, old).data, np.where(kept, NEW, OLD))


def test_golden(isa):
    y = nn.Zoneout(0.3, seed=5)(np.ones((9, 9), np.float32), np.zeros((9, 9), np.float32))
    assert hashes(y.data)[:16] == "1d41844c6d917e80"


def test_a_failed_call_does_not_count():
    layer = nn.Zoneout(0.5)
    for bad in (OLD[:2], OLD.astype(np.float64), "text", None):
        with pytest.raises((TypeError, ValueError)):
            layer(NEW, bad)
    assert layer.call == 0


def test_bad_arguments():
    with pytest.raises(ValueError, match="Zoneout: p must be in .*got -0.1"):
        nn.Zoneout(-0.1)
    with pytest.raises(ValueError, match="mask must be"):
        nn.Zoneout(mask="bytes")
    assert repr(nn.Zoneout(0.25)) == "Zoneout(p=0.25)"
