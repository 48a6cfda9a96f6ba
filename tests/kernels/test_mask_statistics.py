"""The statistics of mask bits, with fixed seeds: no test of them can fail by chance twice.

Limits are 5.33 sigma, two-sided 1e-7; where few bits are expected, quantiles of the Poisson
distribution for the same probability. Lags are counted on packed bits: the number of pairs that
differ is a population count of x ^ (x >> lag).
"""

from math import exp, sqrt

import numpy as np
import pytest

from minidrop import _kernels

N = 2**22
RATES = (0.001, 0.01, 0.05, 0.1, 0.2, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
SEEDS = (0, 1, 2, 3, 2**31, 2**32, 2**63, 2**64 - 1)
SIGMAS = 5.33
# Within a chunk; between chunks and superblocks; rows, planes and channels of usual images.
LAGS = (*range(1, 65), 511, 512, 513, 8191, 8192, 8193,
        28, 32 * 3, 28 * 28, 32 * 32, 128 * 9, 14 * 14 * 32, 224 * 3, 224 * 224 * 3)  # fmt: skip


def words(n, p, seed, stream=0, call=0, first=0):
    """Mask bits as little-endian words of 64."""
    bits = _kernels.mask_bits(n, p, seed, stream, call, first)
    return bits.astype("<u4", copy=False).view("<u8")


def count(packed):
    return int(np.bitwise_count(packed).sum(dtype=np.int64))


def within(observed, expected, variance):
    return abs(observed - expected) <= SIGMAS * sqrt(variance)


def poisson_limits(mean, tail=5e-8):
    """The smallest and the largest count whose tails have more than this probability."""
    k, term, below = 0, exp(-mean), 0.0
    while below + term <= tail:
        below, k = below + term, k + 1
        term *= mean / k
    low = k
    while below < 1 - tail:
        below, k = below + term, k + 1
        term *= mean / k
    return low, k


@pytest.mark.parametrize("p", RATES)
def test_as_many_are_kept_as_should_be(p):
    for seed in SEEDS:
        kept = count(words(N, p, seed))
        assert within(kept, N * (1 - p), N * p * (1 - p)), (seed, kept)


@pytest.mark.parametrize("p", [2**-30, 2**-20, 2**-18, 2**-16])
def test_rare_drops_are_poisson(p):
    for seed in SEEDS:
        low, high = poisson_limits(N * p)
        dropped = N - count(words(N, p, seed))
        kept = count(words(N, 1 - p, seed))
        assert low <= dropped <= high and low <= kept <= high, (seed, dropped, kept)


@pytest.mark.parametrize("p", [0.5, 0.25, 0.1, 0.9])
def test_no_correlation_at_any_lag(p):
    """Two independent bits differ with probability s = 2 p q. Each pair shares a bit with two
    others, so that the variance of their number is s (1 - s) + s (1 - 2 s) a pair."""
    share = 2 * p * (1 - p)
    variance = share * (1 - share) + share * (1 - 2 * share)
    packed = words(N, p, 9)
    for lag in LAGS:
        skip, shift = divmod(lag, 64)
        ahead = packed[skip:]
        if shift:
            shifted = ahead[:-1] >> np.uint64(shift) | ahead[1:] << np.uint64(64 - shift)
        else:
            shifted = ahead
        differ, pairs = count(packed[: len(shifted)] ^ shifted), 64 * len(shifted)
        assert within(differ, pairs * share, pairs * variance), lag


BASE = (0, 1, 0)
OTHERS = [(1 << bit, 1, 0) for bit in range(64)]  # seeds that differ in one bit
OTHERS += [(0, stream, 0) for stream in (0, 2, 3, 2**32 + 1, 2**63 + 1)]  # layers
OTHERS += [(0, 1, call) for call in (1, 2, 3, 2**31, 2**32, 2**63)]  # calls
OTHERS += [(1, 0, 0), (0, 0, 1)]  # seed, stream and call do not stand in for each other


@pytest.mark.parametrize("p", [0.5, 0.2])
def test_no_mask_tells_of_another(p):
    share = 2 * p * (1 - p)
    packed = words(N // 4, p, *BASE)
    for other in OTHERS:
        differ = count(packed ^ words(N // 4, p, *other))
        assert within(differ, N // 4 * share, N // 4 * share * (1 - share)), other
