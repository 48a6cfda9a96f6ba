"""Seeds, streams and calls: the only source of randomness.

Every random bit has an address (seed, stream, call, index), and is a function of it: ChaCha8, as
csrc/rng.h tells. Nothing is consumed, so that the order in which things are drawn, threads and
restarts change nothing. What asks for randomness and names no seed takes the seed of `manual_seed`
and a stream of its own, numbered in the order of asking; the first is 1. An explicit seed means
stream 0 of that seed.

Numbers come out as the same bits on every machine: integers, and float64 arithmetic that IEEE 754
defines to the last bit (+ - * / and square roots; no logarithm of the system's).
"""

import math
import threading

import numpy as np

from . import _kernels

check_word = _kernels.check_word

# 0 is for masks, 8 for concrete dropout and 9 for Gaussian noise (in _kernels.pyx); frozen, like
# csrc/rng.h
_DOMAINS = {"uniform": 1, "normal": 2, "permutation": 3}
_lock = threading.Lock()
_state = {"seed": 0, "streams": 0}  # streams: how many were given out


def manual_seed(seed):
    """Start again from this seed, an int in [0, 2**64): what is made afterwards (weights, dropout
    layers) is what was made after the last manual_seed(seed). At import the seed is 0."""
    set_rng_state({"seed": seed, "streams": 0})


def get_rng_state():
    """A dict of ints: seed, and streams, how many of its streams were given out."""
    with _lock:
        return dict(_state)


def set_rng_state(state):
    """Go on from what `get_rng_state` returned. ValueError or TypeError for anything else."""
    if not hasattr(state, "keys") or set(state.keys()) != set(_state):
        raise ValueError(f"state must be a dict of {sorted(_state)}, got {state!r}")
    checked = {name: check_word(state[name], name) for name in _state}
    with _lock:
        _state.update(checked)


def address(seed=None):
    """(seed, stream): stream 0 of a given seed; for None, manual_seed's seed and a new stream."""
    if seed is not None:
        return check_word(seed, "seed"), 0
    with _lock:
        _state["streams"] += 1
        return _state["seed"], _state["streams"]


class _Place(threading.local):
    first_sample = 0  # what sample_offset has set in this thread


_place = _Place()


class sample_offset:
    """The batch in it begins at sample k of a larger one: `with md.sample_offset(k): model(part)`.

    The elements of a mask are counted from the first sample of the whole batch. So slices of a
    batch, each run under the number of samples that stand before it, draw the masks that the whole
    batch would draw: for gradient accumulation, and for workers that share a batch. Masks that the
    samples of a batch share (DropConnect's, for one) are the same in every slice anyway. Each slice
    takes the call that the whole would take: see `md.hold_masks`.

    k: an int, 0 or more. An inner sample_offset takes the place of an outer one. It is what dropout
    layers draw by, in this thread; the functions of `minidrop.functional` have offset= instead, in
    elements. ValueError or TypeError for any other k.
    """

    def __init__(self, k):
        self.k = check_word(k, "k")
        self.before = []  # one for each level, where one object is entered several times

    def __enter__(self):
        self.before.append(first_sample())
        _place.first_sample = self.k
        return self

    def __exit__(self, *error):
        _place.first_sample = self.before.pop()


def first_sample():
    """How many samples of the whole batch stand before the present one: see sample_offset."""
    return _place.first_sample


def uniform(shape, low=0.0, high=1.0, *, seed=None, stream=0, call=0):
    """float32 numbers, uniform over [low, high), in 2**24 steps. shape: an int or a tuple of them.
    seed, stream and call are their address; without a seed, see `address`. ValueError for a
    negative size or a part of an address that is not in [0, 2**64)."""
    words = _words("uniform", _size(shape), seed, stream, call)
    return (low + (high - low) * _fraction(words >> 8, 24)).astype(np.float32).reshape(shape)


def normal(shape, mean=0.0, std=1.0, *, seed=None, stream=0, call=0, first=0):
    """float32 numbers, normal with this mean and standard deviation; arguments as `uniform`. first:
    the index, in what the address holds, of the first number."""
    words = _words("normal", _size(shape), seed, stream, call, first)
    middle = _fraction(words, 32) + 2.0**-33  # of 2**32 equal steps of (0, 1)
    return (mean + std * _normal_quantile(middle)).astype(np.float32).reshape(shape)


def permutation(n, seed, epoch=0):
    """The numbers 0 .. n-1 in random order, an int64 array: a function of seed and epoch."""
    if _size(n) != n:
        raise TypeError(f"n must be an int, got {n!r}")
    words = _words("permutation", 2 * n, seed, 0, epoch).astype(np.uint64)
    return np.argsort(words[0::2] << np.uint64(32) | words[1::2], kind="stable")


def _size(shape):
    sizes = shape if isinstance(shape, (tuple, list)) else (shape,)
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, (int, np.integer)):
            raise TypeError(f"shape must be an int or a tuple of ints, got {shape!r}")
        if size < 0:
            raise ValueError(f"shape must not be negative, got {shape!r}")
    return math.prod(sizes)


def _words(kind, n, seed, stream, call, first=0):
    if seed is None:
        seed, stream = address()
    return _kernels.random_words(n, seed, stream, call, first, domain=_DOMAINS[kind])


def _fraction(words, digits):
    return words.astype(np.float64) * 2.0**-digits


# Wichura 1988, algorithm AS 241: the quantiles of the normal distribution as ratios of polynomials,
# highest power first, accurate to 1e-16; one pair for the middle, one for the tails.
_MIDDLE = (
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
     13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.3871328727963666080),
    (5226.4952788528545610, 28729.085735721942674, 39307.895800092710610, 21213.794301586595867,
     5394.1960214247511077, 687.18700749205790830, 42.313330701600911252, 1.0),
)
_TAILS = (
    (7.7454501427834140764e-4, 0.022723844989269184583, 0.24178072517745061177,
     1.2704582524523683826, 3.6478483247632046051, 5.7694972214606914055, 4.6303378461565452959,
     1.4234371107496835773),
    (1.0507500716444168432e-9, 5.4759380849953449460e-4, 0.015198666563616457197,
     0.14810397642748007459, 0.68976733498510000455, 1.6763848301838038494,
     2.0531916266377588224, 1.0),
)


def _normal_quantile(u):
    """Below which a standard normal number falls with probability u, 2**-33 <= u <= 1 - 2**-33."""
    q = u - 0.5
    x = q * _ratio(_MIDDLE, 0.180625 - q * q)
    outside = np.abs(q) > 0.425
    tail = np.minimum(u[outside], 1.0 - u[outside])
    x[outside] = np.copysign(_ratio(_TAILS, np.sqrt(-_log(tail)) - 1.6), q[outside])
    return x


def _ratio(polynomials, r):
    above, below = (np.full_like(r, p[0]) for p in polynomials)
    for a, b in zip(polynomials[0][1:], polynomials[1][1:], strict=True):
        above = above * r + a
        below = below * r + b
    return above / below


def _log(x):
    """log(x) for normal x > 0: x = m 2^e, and log(m) = 2 artanh((m - 1) / (m + 1)) as a series."""
    m, e = np.frexp(x)
    small = m < 0.7071067811865476
    m, e = np.where(small, 2.0 * m, m), e - small
    s = (m - 1.0) / (m + 1.0)
    series = np.zeros_like(s)
    for k in range(21, 0, -2):
        series = series * (s * s) + 1.0 / k
    return 2.0 * s * series + e * 0.6931471805599453
