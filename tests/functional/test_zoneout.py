"""F.zoneout: old states stay, the expectation at test time, and the gradients of both states."""

import numpy as np
import pytest
from helpers import assert_same_bits, check_same_on_isas, check_same_on_threads, normals

import minidrop.functional as F
from minidrop import _kernels
from minidrop.gradcheck import gradcheck
from minidrop.tensor import Tensor

AT = {"training": True, "seed": 7}
MASKS = ["bits", "recompute"]


@pytest.mark.parametrize("p", [0.1, 0.5, 1.0])
def test_new_where_dropout_keeps_and_old_elsewhere(isa, p):
    new, old = normals((40, 30), 1), normals((40, 30), 2)
    y = F.zoneout(new, old, p, **AT).data
    kept = F.dropout(np.ones_like(new), p, **AT).data != 0
    assert_same_bits(y, np.where(kept, new, old))
    assert abs((~kept).mean() - p) <= 5.33 * np.sqrt(p * (1 - p) / new.size)


def test_p_0_is_the_new_state():
    new, old = Tensor(normals(5)), Tensor(normals(5))
    assert F.zoneout(new, old, 0, **AT) is new
    assert F.zoneout(new, old, 0, training=False) is new


def test_p_1_leaves_nothing_of_the_new_state(isa):
    new, old = np.full(50, np.nan, np.float32), normals(50)
    assert_same_bits(F.zoneout(new, old, 1, **AT).data, old)
    assert_same_bits(F.zoneout(new, old, 1, training=False).data, old)


def test_expectation_at_test_time():
    new, old = normals(50, 1), normals(50, 2)
    got = F.zoneout(new, old, 0.25, training=False).data
    np.testing.assert_allclose(got, 0.75 * new + 0.25 * old, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("p, training", [(0.3, True), (1.0, True), (0.3, False)])
def test_gradcheck(p, training, mask):
    def fn(new, old):
        return F.zoneout(new, old, p, training=training, seed=3, offset=2, mask=mask)

    assert gradcheck(fn, [normals((4, 5), i, np.float64) for i in range(2)])


@pytest.mark.parametrize("mask", MASKS)
def test_bits_on_isas_and_threads(mask):
    old = normals(200_001, 2)

    def step(x):
        new, before = Tensor(x, requires_grad=True), Tensor(old, requires_grad=True)
        y = F.zoneout(new, before, 0.3, mask=mask, **AT)
        y.backward(x)
        return y.data, new.grad, before.grad

    check_same_on_isas(step, normals(200_001), isas=_kernels.available_isas())
    check_same_on_threads(step, normals(200_001))


def test_a_batch_in_slices():
    new, old = normals((6, 7), 1), normals((6, 7), 2)
    whole = F.zoneout(new, old, 0.5, **AT).data
    parts = [
        F.zoneout(new[:2], old[:2], 0.5, **AT).data,
        F.zoneout(new[2:], old[2:], 0.5, offset=14, **AT).data,
    ]
    assert_same_bits(np.concatenate(parts), whole)


def test_bad_input():
    x = normals((3, 4))
    for p, error in [(2, ValueError), (float("nan"), ValueError), ("half", TypeError)]:
        with pytest.raises(error, match=f"p must be .*got {p!r}"):
            F.zoneout(x, x, p, training=False)
    with pytest.raises(ValueError, match="old_state must have the shape of new_state"):
        F.zoneout(x, x[:1], 0.5, **AT)
    with pytest.raises(TypeError, match="float32 and float64 do not mix"):
        F.zoneout(x, x.astype(np.float64), 0.5, **AT)
    with pytest.raises(TypeError, match="training"):
        F.zoneout(x, x, 0.5)
    with pytest.raises(ValueError, match="mask must be"):
        F.zoneout(x, x, 0.5, mask="bytes", **AT)
