"""What the tests share: one way to compare, over instruction sets, threads and runs."""

import hashlib
import os
import subprocess
import sys

import numpy as np

import minidrop as md
from minidrop import _kernels

# How far two orders of the same few hundred operations may drift apart, by element type.
TOLERANCE = {
    np.dtype(np.float32): {"rtol": 1e-5, "atol": 1e-6},
    np.dtype(np.float64): {"rtol": 1e-12, "atol": 1e-13},
}
# The instruction sets whose results are equal to the bit.
BIT_EQUAL = [name for name in _kernels.available_isas() if name in ("avx512", "avx2", "neon")]
THREADS = (1, 2, 4)


def assert_close(got, expected, scale=1.0):
    """Same shape, and values within `scale` times the tolerance of the element type of `got`;
    NaN equals NaN. Arrays of anything but floats must be equal."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape, f"shape {got.shape}, expected {expected.shape}"
    if got.dtype not in TOLERANCE:
        np.testing.assert_array_equal(got, expected)
        return
    limits = {name: scale * limit for name, limit in TOLERANCE[got.dtype].items()}
    np.testing.assert_allclose(got, expected, **limits)


def assert_same_bits(got, expected):
    """The same element type, shape and bytes: -0.0 is not 0.0, and a NaN has its payload."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert (got.dtype, got.shape) == (expected.dtype, expected.shape), (
        f"{got.dtype} {got.shape}, expected {expected.dtype} {expected.shape}"
    )
    if got.tobytes() != expected.tobytes():
        np.testing.assert_array_equal(got, expected)
        raise AssertionError("equal values of different bits (the sign of a zero, or a NaN)")


def results(call, *args, **kwargs):
    """The results of call(*args, **kwargs) as a tuple of ndarrays."""
    out = call(*args, **kwargs)
    return tuple(np.asarray(a) for a in (out if isinstance(out, (tuple, list)) else (out,)))


def on_isa(name, call, *args, **kwargs):
    """`results`, computed by the kernels of one instruction set."""
    before = _kernels.isa()
    _kernels.use_isa(name)
    try:
        return results(call, *args, **kwargs)
    finally:
        _kernels.use_isa(before)


def check_kernel(isa, call, *args, exact=False, scale=1.0, **kwargs):
    """call(*args, **kwargs) on `isa` gives what `reference` gives: within the tolerance, or the
    same values with exact=True (NaN equals NaN, -0.0 equals 0.0). Returns the results on `isa`."""
    got = on_isa(isa, call, *args, **kwargs)
    expected = on_isa("reference", call, *args, **kwargs)
    assert len(got) == len(expected)
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == b.dtype
        if exact:
            np.testing.assert_array_equal(a, b, strict=True)
        else:
            assert_close(a, b, scale)
    return got


def check_same_on_isas(call, *args, isas=None, **kwargs):
    """call(*args, **kwargs) gives the same bits on every instruction set of the bit contract (or of
    `isas`). Returns the results."""
    first, *others = isas or BIT_EQUAL or ["reference"]
    expected = on_isa(first, call, *args, **kwargs)
    for name in others:
        for a, b in zip(on_isa(name, call, *args, **kwargs), expected, strict=True):
            assert_same_bits(a, b)
    return expected


def check_same_on_threads(call, *args, counts=THREADS, **kwargs):
    """call(*args, **kwargs) gives the same bits on every number of threads. Returns the results."""
    expected = None
    try:
        for n in counts:
            _kernels.set_num_threads(n)
            got = results(call, *args, **kwargs)
            for a, b in zip(got, expected or got, strict=True):
                assert_same_bits(a, b)
            expected = got
    finally:
        _kernels.set_num_threads(None)
    return expected


def run_python(code, **environment):
    """Run code in an interpreter of its own, with these environment variables added. Returns what
    subprocess does: .returncode, .stdout and .stderr as text."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def hashes(*arrays):
    """One SHA-256 over the element types, shapes and bytes of arrays (or tensors), in order."""
    digest = hashlib.sha256()
    for array in arrays:
        array = np.ascontiguousarray(array)
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def fingerprint(model, optimizer):
    """All state of a model and an optimizer, and the random state, as one comparable value."""
    state = {name: np.asarray(v).tobytes() for name, v in model.state_dict().items()}
    return state, repr(model.extra_state()), repr(optimizer.state_dict()), md.get_rng_state()


def integers(shape, seed=0, low=-4, high=4, dtype=np.float32):
    """Small whole numbers as floats: their sums and products are exact in any order."""
    return np.random.default_rng(seed).integers(low, high + 1, shape).astype(dtype)


def normals(shape, seed=0, dtype=np.float32):
    """Standard normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def turned(x):
    """x as the transpose, or a stack of transposes, of what it would be stored as."""
    return np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2)


def windows(y, pool):
    """y (n, oh, ow, c) as (n, oh/pool, ow/pool, pool*pool, c): windows that do not overlap."""
    n, oh, ow, c = y.shape
    rows, cols = oh // pool, ow // pool
    y = y[:, : rows * pool, : cols * pool].reshape(n, rows, pool, cols, pool, c)
    return y.transpose(0, 1, 3, 2, 4, 5).reshape(n, rows, cols, pool * pool, c)


def unpooled(dy, winners, shape, pool):
    """dy where the winners of the windows stand in an array of `shape`, else 0."""
    dz = np.zeros(shape, dy.dtype)
    for n, i, j, c in np.ndindex(dy.shape):
        down, across = divmod(int(winners[n, i, j, c]), pool)
        dz[n, i * pool + down, j * pool + across, c] = dy[n, i, j, c]
    return dz


# (channels, filters, groups) of a convolution
GROUPS = {"dense": (3, 5, 1), "two": (4, 6, 2), "depthwise": (5, 5, 5), "multiplied": (3, 6, 3)}


def conv_inputs(n, size, kernel, channels, make=integers, dtype=np.float32):
    cin, cout, groups = channels
    x = make((n, *size, cin), 1, dtype=dtype)
    w = make((*kernel, cin // groups, cout), 2, dtype=dtype)
    return x, w, make(cout, 3, dtype=dtype)


def backward_of(x, w, b, *where, relu=False, make=integers):
    """dy for this convolution, and the call that gives its gradients."""
    y = _kernels.conv2d_forward(x, w, b, *where, relu=relu)
    dy = make(y.shape, 4, dtype=x.dtype)

    def call():
        return _kernels.conv2d_backward(dy, x, w, *where, relu_output=y if relu else None)

    return call
