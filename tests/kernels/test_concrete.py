"""Concrete dropout kernels: the relaxed mask, and the gradient of its rate."""

import numpy as np
import pytest
from helpers import (
    assert_close,
    assert_same_bits,
    check_same_on_isas,
    check_same_on_threads,
    normals,
)

from minidrop import _kernels

ADDRESS = (3, 1, 4)


def logit(p):
    return float(np.log(p / (1 - p)))


def expected_kept(n, p, temperature, first=0):
    words = _kernels.random_words(n, *ADDRESS, first, domain=8).astype(np.float64)
    u = (words + 0.5) / 2**32
    z = 1 / (1 + np.exp(-(logit(p) + np.log(u) - np.log1p(-u)) / temperature))
    return (1 - z) / (1 - p)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p, temperature", [(0.5, 0.1), (0.1, 2 / 3), (0.9, 0.1), (1e-3, 1.0)])
@pytest.mark.parametrize("n, first", [(0, 0), (1, 0), (33, 7), (1024, 256), (10_001, 300)])
def test_values(isa, n, first, p, temperature, dtype):
    x, dout = normals(n, 1, dtype), normals(n, 2, dtype)
    where = (logit(p), temperature)
    y, kept = _kernels.concrete_forward(x, *where, *ADDRESS, first)
    expected = expected_kept(n, p, temperature, first)
    scale = 100 if dtype == np.float32 else 1e4  # the noise is divided by the temperature
    assert_close(kept, expected.astype(dtype), scale=scale / temperature)
    assert_close(y, x * kept)
    none, again = _kernels.concrete_forward(x, *where, *ADDRESS, first, want_y=False)
    assert none is None
    assert_same_bits(again, kept)
    dx, slope = _kernels.concrete_backward(dout, x, kept, *where)
    z = 1 - kept.astype(np.float64) * (1 - p)
    assert_close(dx, dout * kept)
    assert_close(
        slope, (dout * x * kept * (p - z / temperature)).astype(dtype), scale=scale / temperature
    )


def test_isas_and_threads():
    x = normals((300, 101))
    for p in (0.01, 0.5):
        y, kept = check_same_on_isas(_kernels.concrete_forward, x, logit(p), 0.1, *ADDRESS, 9)
        check_same_on_isas(_kernels.concrete_backward, y, x, kept, logit(p), 0.1)
        check_same_on_threads(_kernels.concrete_forward, x, logit(p), 0.1, *ADDRESS, 9)
        check_same_on_threads(_kernels.concrete_backward, y, x, kept, logit(p), 0.1)


@pytest.mark.parametrize("p", [0.05, 0.5])
def test_share_that_is_dropped(p):
    """At a low temperature the mask is nearly one of bits; its mean is 1."""
    n = 200_000
    _, kept = _kernels.concrete_forward(np.ones(n, np.float32), logit(p), 0.05, *ADDRESS)
    dropped = (kept * (1 - p) < 0.5).mean()
    assert abs(dropped - p) < 5.33 * np.sqrt(p * (1 - p) / n)


def test_extreme_rates_are_finite(isa):
    x = np.ones(5000, np.float32)
    for value in (-60.0, 60.0):
        y, kept = _kernels.concrete_forward(x, value, 0.1, *ADDRESS)
        dx, slope = _kernels.concrete_backward(x, x, kept, value, 0.1)
        assert np.isfinite(y).all() and np.isfinite(slope).all()


def test_bad_input():
    x = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match="logit must be in"):
        _kernels.concrete_forward(x, float("nan"), 0.1, 1)
    with pytest.raises(ValueError, match="temperature must be in"):
        _kernels.concrete_forward(x, 0.0, 0.0, 1)
    with pytest.raises(ValueError, match="dout must have the shape of x"):
        _kernels.concrete_backward(np.zeros(4, np.float32), x, x, 0.0, 0.1)
