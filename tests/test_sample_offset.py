"""Slices of a batch draw the masks of the whole."""

import numpy as np
import pytest
from dropped import X, calls, net, run
from helpers import assert_same_bits

import minidrop as md
from minidrop import nn


@pytest.mark.parametrize("cuts", [(0, 5, 10), (0, 1, 2, 10), (0, 3, 3, 9, 10)])
def test_slices_draw_the_masks_of_the_whole_batch(isa, cuts):
    whole = net()(X).numpy()
    model, parts = net(), []
    with md.hold_masks():
        for k, end in zip(cuts, cuts[1:], strict=False):
            with md.sample_offset(k):
                parts.append(model(X[k:end]).numpy())
    assert_same_bits(np.concatenate(parts), whole)
    assert calls(model) == [1, 1]


def test_slices_add_up_to_the_gradients_of_the_batch():
    expected, model = run(net(), X)[1:], net()
    with md.hold_masks():
        for k in (0, 4):
            with md.sample_offset(k):
                out = model(X[k : k + 4] if k == 0 else X[k:])
            (out * out).sum().backward()
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        np.testing.assert_allclose(parameter.grad, gradient, rtol=1e-4, atol=1e-5)


def test_sample_offset_ends_and_nests():
    layer, x = nn.Dropout(0.5, seed=1), np.ones((4, 3), np.float32)

    def drawn():
        with md.hold_masks():
            out = layer(x).numpy()
        layer.call = 0
        return out

    first = drawn()
    offset = md.sample_offset(2)
    with offset:
        second = drawn()
        with md.sample_offset(0), offset:
            assert_same_bits(drawn(), second)
        assert_same_bits(drawn(), second)
    assert_same_bits(drawn(), first)
    assert_same_bits(second[:2], first[2:])
    with pytest.raises(ZeroDivisionError), md.sample_offset(3):
        raise ZeroDivisionError
    assert_same_bits(drawn(), first)


@pytest.mark.parametrize(
    "k, error",
    [(-1, ValueError), (1.5, TypeError), ("2", TypeError), (True, TypeError), (2**64, ValueError)],
)
def test_bad_sample_offset(k, error):
    with pytest.raises(error, match="k must be"):
        md.sample_offset(k)


def test_offset_beyond_the_end_of_a_stream():
    layer = nn.Dropout(0.5, seed=1)
    with pytest.raises(ValueError, match="offset must be"), md.sample_offset(2**60):
        layer(X)
    assert layer.call == 0
