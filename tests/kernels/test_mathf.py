"""exp, log and their relatives: accuracy against float64, special values, one set of bits.

They are reached through the ops that are made of them: elu is expm1 below 0, softplus is log1p(e^x)
there, gelu(x) / x the normal distribution.
"""

import math

import numpy as np
import pytest
from helpers import BIT_EQUAL, check_same_on_isas, on_isa

from minidrop import _kernels

# `reference` is libm; `scalar` has no fused multiply-add, and stands outside the bit contract
OURS = [name for name in _kernels.available_isas() if name != "reference"]


def exact_cdf(x):
    return np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x])


def exact_softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def exact_sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


# name: kernel, exact value, most ULP with a fused multiply-add, and without
FUNCTIONS = {
    "exp": (_kernels.exp, np.exp, 1.1, 1.1),
    "log": (_kernels.log, np.log, 0.9, 0.9),
    "tanh": (_kernels.tanh, np.tanh, 2.5, 2.5),
    "sigmoid": (_kernels.sigmoid, exact_sigmoid, 2.5, 2.5),
    "expm1": (_kernels.elu, lambda x: np.where(x > 0, x, np.expm1(x)), 1.5, 1.5),
    "log1p": (_kernels.softplus, exact_softplus, 2.5, 2.5),
    "cdf": (_kernels.gelu, lambda x: x * exact_cdf(x), 5, 80),
}


def every_kind_of_float(step=100_003):
    """Floats of every exponent and sign, denormals and infinities among them, and what is near the
    places where the results end: about 43,000."""
    bits = np.arange(0, 2**32, step, dtype=np.uint64).astype(np.uint32)
    edges = np.array(
        [
            -104,
            -103.97,
            -103.9,
            -88,
            -87.4,
            -87.3,
            -17.4,
            -9.1,
            -0.6,
            -0.35,
            0.35,
            0.6,
            9.1,
            88.7,
            88.73,
            89,
            1,
            2,
            0.7071068,
            1.4142135,
        ],
        np.float32,
    )
    near = (edges.view(np.uint32)[:, None] + np.arange(-200, 200, dtype=np.int64)).astype(np.uint32)
    return np.concatenate([bits, near.ravel()]).view(np.float32)


def ulps(got, exact):
    """How far each is from exact, in units in the last place of exact rounded to float32."""
    nearest = exact.astype(np.float32)
    unit = np.spacing(np.abs(nearest), where=np.isfinite(nearest), out=np.ones_like(nearest))
    off = np.abs(got.astype(np.float64) - exact) / unit
    off[(got == nearest) & ~np.isfinite(nearest)] = 0
    off[np.isnan(got) & np.isnan(exact)] = 0
    return np.where(np.isnan(off), np.inf, off)


@pytest.mark.parametrize("isa_name", OURS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_accuracy(isa_name, name):
    kernel, exact, fused, unfused = FUNCTIONS[name]
    x = every_kind_of_float()
    if name == "cdf":
        x = x[(x > -12.9) & (x < 3e38)]  # before the share itself becomes a denormal
    (got,) = on_isa(isa_name, kernel, x)
    with np.errstate(all="ignore"):
        off = ulps(got, exact(x.astype(np.float64)))
    most = fused if isa_name in BIT_EQUAL else unfused
    worst = off.argmax()
    assert off[worst] <= most, f"{name}({x[worst]!r}) = {got[worst]!r}, off by {off[worst]:.2f} ULP"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_set_of_bits(name):
    x = every_kind_of_float(1_000_003)
    check_same_on_isas(FUNCTIONS[name][0], x[~np.isnan(x)])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nan_stays(isa, name):
    x = np.array([np.nan, 1.0] * 9, np.float32)
    np.testing.assert_array_equal(np.isnan(FUNCTIONS[name][0](x)), np.isnan(x))


@pytest.mark.parametrize(
    "kernel, x, expected",
    [
        (_kernels.exp, np.inf, np.inf),
        (_kernels.exp, -np.inf, 0),
        (_kernels.exp, 0, 1),
        (_kernels.exp, 88.73, np.inf),
        (_kernels.exp, -103.9, 2**-149),  # the least denormal
        (_kernels.exp, -104, 0),
        (_kernels.log, np.inf, np.inf),
        (_kernels.log, 0, -np.inf),
        (_kernels.log, -0.0, -np.inf),
        (_kernels.log, 1, 0),
        (_kernels.log, -1, np.nan),
        (_kernels.log, -np.inf, np.nan),
        (_kernels.tanh, np.inf, 1),
        (_kernels.tanh, -np.inf, -1),
        (_kernels.tanh, 1e-40, 1e-40),
        (_kernels.sigmoid, np.inf, 1),
        (_kernels.sigmoid, -np.inf, 0),
        (_kernels.sigmoid, 0, 0.5),
        (_kernels.sigmoid, -100, 3.7835e-44),  # a denormal, 27 times the least
        (_kernels.elu, -np.inf, -1),
        (_kernels.elu, -1e-40, -1e-40),
        (_kernels.softplus, np.inf, np.inf),
        (_kernels.softplus, -np.inf, 0),
        (_kernels.gelu, np.inf, np.inf),
        (_kernels.gelu, -np.inf, 0),
    ],
)
def test_special_values(isa, kernel, x, expected):
    np.testing.assert_array_equal(kernel(np.full(3, x, np.float32)), np.float32(expected))


def test_signs_of_zeros(isa):
    zeros = np.array([0.0, -0.0], np.float32)
    np.testing.assert_array_equal(np.signbit(_kernels.tanh(zeros)), [False, True])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float64_is_libm(name):
    kernel, exact, *_ = FUNCTIONS[name]
    x = np.linspace(-6, 30, 1001) + 1e-3
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(kernel(x), exact(x), rtol=2e-14)
