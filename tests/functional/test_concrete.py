"""F.concrete_dropout: near bits, the gradient of its rate, and what holds the rate up."""

import numpy as np
import pytest
from helpers import (
    assert_close,
    assert_same_bits,
    check_same_on_isas,
    check_same_on_threads,
    normals,
)

import minidrop.functional as F
from minidrop.gradcheck import gradcheck
from minidrop.tensor import Tensor

AT = {"training": True, "seed": 7}


def logit(p, dtype=np.float32):
    return Tensor(np.array([np.log(p / (1 - p))], dtype), requires_grad=True)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_nearly_dropout(isa, p):
    """Cold, almost every element is 0 or x / (1 - p); the mean is that of x."""
    x = np.ones(100_000, np.float32)
    y = F.concrete_dropout(x, logit(p), temperature=0.01, **AT).data
    dropped, kept = y < 0.01, np.abs(y - 1 / (1 - p)) < 0.01 / (1 - p)
    assert (dropped | kept).mean() > 0.97
    sigma = np.sqrt(p / (1 - p) / x.size)
    assert abs(y.mean() - 1) < 5.33 * sigma + 1e-3


@pytest.mark.parametrize("temperature", [0.1, 2 / 3])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_gradcheck(p, temperature):
    def fn(x, rate):
        return F.concrete_dropout(x, rate, temperature=temperature, **AT)

    assert gradcheck(fn, (normals((4, 6), dtype=np.float64), logit(p, np.float64)))


def test_the_gradient_lowers_a_rate_that_hurts():
    """To copy x, nothing must be dropped."""
    x, rate = normals((50, 40)), logit(0.5)
    for call in range(30):
        rate.grad = None
        F.mse_loss(F.concrete_dropout(x, rate, call=call, **AT), x).backward()
        rate.data -= 0.5 * rate.grad
    assert rate.data[0] < -1.5


def test_eval_returns_its_input():
    x = Tensor(normals(4))
    assert F.concrete_dropout(x, logit(0.5), training=False) is x


def test_a_rate_of_another_element_type():
    x, rate = Tensor(normals((4, 5), dtype=np.float64), requires_grad=True), logit(0.3)
    y = F.concrete_dropout(x, rate, **AT)
    y.backward(x.data)
    assert y.dtype == x.grad.dtype == np.float64 and rate.grad.dtype == np.float32


def test_bits_on_isas_and_threads():
    def step(x):
        t, rate = Tensor(x, requires_grad=True), logit(0.3)
        y = F.concrete_dropout(t, rate, **AT)
        y.backward(x)
        return y.data, t.grad, rate.grad

    check_same_on_isas(step, normals((90, 77)))
    check_same_on_threads(step, normals((900, 77)))


def test_a_batch_in_slices():
    x = normals((6, 7))
    whole = F.concrete_dropout(x, logit(0.3), **AT).data
    parts = [
        F.concrete_dropout(x[:2], logit(0.3), **AT).data,
        F.concrete_dropout(x[2:], logit(0.3), offset=14, **AT).data,
    ]
    assert_same_bits(np.concatenate(parts), whole)


def test_calls_and_streams_differ():
    x = np.ones(100, np.float32)
    masks = [
        F.concrete_dropout(x, logit(0.5), training=True, seed=1, stream=s, call=c).data
        for s, c in [(0, 0), (0, 1), (1, 0)]
    ]
    assert len({m.tobytes() for m in masks}) == 3


@pytest.mark.parametrize("p", [0.05, 0.5, 0.9])
def test_regularization(p):
    w, rate = Tensor(normals((7, 3), dtype=np.float64)), logit(p, np.float64)
    got = F.concrete_regularization(rate, w, 7, weight_regularizer=0.01, dropout_regularizer=0.1)
    entropy = p * np.log(p) + (1 - p) * np.log(1 - p)
    assert got.shape == ()
    assert_close(got.data, 0.01 * (w.data**2).sum() / (1 - p) + 0.1 * 7 * entropy)
    alone = F.concrete_regularization(rate, None, 7, dropout_regularizer=0.1)
    assert_close(alone.data, np.array(0.1 * 7 * entropy))

    def fn(rate, w):
        return F.concrete_regularization(
            rate, w, 7, weight_regularizer=0.01, dropout_regularizer=0.1
        )

    assert gradcheck(fn, (rate, w))


def test_regularization_of_extreme_rates_is_finite():
    for value in (-50.0, 50.0):
        rate = Tensor(np.array([value], np.float32), requires_grad=True)
        F.concrete_regularization(rate, None, 3).backward()
        assert np.isfinite(rate.grad).all()


def test_bad_input():
    x = normals((3, 4))
    with pytest.raises(ValueError, match="logit must have one element"):
        F.concrete_dropout(x, np.zeros(2, np.float32), **AT)
    with pytest.raises(ValueError, match="logit must be in \\[-60, 60\\], got nan"):
        F.concrete_dropout(x, np.array([np.nan], np.float32), **AT)
    with pytest.raises(ValueError, match="temperature must be in"):
        F.concrete_dropout(x, logit(0.5), temperature=0, **AT)
    with pytest.raises(TypeError, match="training"):
        F.concrete_dropout(x, logit(0.5))
