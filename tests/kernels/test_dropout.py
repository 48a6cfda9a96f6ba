"""Dropout kernels: values from the bits of mask_bits, by selection, at any size and address."""

import numpy as np
import pytest
from helpers import (
    assert_same_bits,
    check_same_on_isas,
    check_same_on_threads,
    normals,
)

from minidrop import _kernels

ISAS = _kernels.available_isas()
RATES = (0.0, 0.1, 0.25, 0.5, 0.9, 1.0)
ADDRESS = (3, 1, 4)


def kept(n, p, first=0):
    bits = _kernels.mask_bits(n, p, *ADDRESS, first)
    return np.unpackbits(bits.astype("<u4").view(np.uint8), count=n, bitorder="little").astype(bool)


def scale(p, dtype=np.float32):
    threshold = round((1 - p) * 2**32)
    return dtype(2**32 / threshold) if threshold else dtype(0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", RATES)
def test_values(isa, p, dtype):
    for n, first in [(1, 0), (33, 7), (512, 0), (8192, 8192), (10_001, 300)]:
        x = normals(n, n, dtype)
        y, bits = _kernels.dropout_forward(x, p, *ADDRESS, first)
        assert_same_bits(bits, _kernels.mask_bits(n, p, *ADDRESS, first))
        assert_same_bits(y, np.where(kept(n, p, first), x * scale(p, dtype), dtype(0)))
        assert_same_bits(_kernels.dropout_backward(x, bits, p), y)


@pytest.mark.parametrize("law", [None, (1.5, 0.25, -2.0)], ids=["plain", "shifted"])
@pytest.mark.parametrize("p", [0.5, 0.25, 0.0625, 0.1])
@pytest.mark.parametrize(
    "n, first", [(16_385, 0), (49_152, 0), (50_001, 16_384), (40_007, 5), (33_000, 16_383)]
)
def test_several_strips(isa, n, first, p, law):
    x = normals(n, n)
    y, bits = _kernels.dropout_forward(x, p, *ADDRESS, first, law=law)
    assert_same_bits(bits, _kernels.mask_bits(n, p, *ADDRESS, first))
    factor, shift, dropped = (np.float32(v) for v in law or (scale(p), 0, 0))
    keeps = kept(n, p, first)
    assert_same_bits(y[~keeps], np.full(n - keeps.sum(), dropped))
    product = x[keeps].astype(np.float64) * factor  # exact
    error = np.abs(y[keeps] - (product + shift))
    assert (error <= np.finfo(np.float32).eps * (np.abs(product) + abs(shift))).all()


@pytest.mark.parametrize("n", [*range(70), 511, 512, 513, 1023, 1025, 8191, 8193, 70_001])
def test_isas_are_equal(n):
    x = normals(n, n)
    for p in (0.5, 0.2):
        for first in (0, n // 3):
            y, bits = check_same_on_isas(_kernels.dropout_forward, x, p, *ADDRESS, first, isas=ISAS)
            (dx,) = check_same_on_isas(_kernels.dropout_backward, x, bits, p, isas=ISAS)
            assert_same_bits(dx, y)


@pytest.mark.parametrize("p", [0.5, 0.2])
def test_threads_are_equal(p):
    x = normals(300_001)
    y, bits = check_same_on_threads(
        _kernels.dropout_forward, x, p, *ADDRESS, 1000, counts=(1, 2, 4, 7)
    )
    check_same_on_threads(_kernels.dropout_backward, x, bits, p, counts=(1, 2, 4, 7))


@pytest.mark.parametrize("p", [0.5, 0.2])
def test_without_bits(isa, p):
    x = normals(10_001)
    y, bits = _kernels.dropout_forward(x, p, *ADDRESS, 77)
    again, none = _kernels.dropout_forward(x, p, *ADDRESS, 77, keep_bits=False)
    assert bits is not None and none is None
    assert_same_bits(again, y)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.0, 3e38])
def test_dropped_is_plus_zero(isa, value):
    x = np.full(1000, value, np.float32)
    y, bits = _kernels.dropout_forward(x, 0.5, *ADDRESS)
    keeps = kept(1000, 0.5)
    for out in (y, _kernels.dropout_backward(x, bits, 0.5)):
        assert_same_bits(out[~keeps], np.zeros((~keeps).sum(), np.float32))
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(out[keeps], x[keeps] * np.float32(2))


def test_p_0_is_a_copy_and_p_1_zeros(isa):
    x = normals((5, 7))
    assert_same_bits(_kernels.dropout_forward(x, 0, 1)[0], x)
    x[2] = np.nan
    assert_same_bits(_kernels.dropout_forward(x, 1, 1)[0], np.zeros((5, 7), np.float32))


def test_empty(isa):
    y, bits = _kernels.dropout_forward(np.zeros((0, 3), np.float32), 0.5, 1)
    assert y.shape == (0, 3) and bits.shape == (0,)
    assert _kernels.dropout_backward(y, bits, 0.5).shape == (0, 3)


def test_strided_read_only_and_foreign_bytes():
    x = normals((40, 30))
    expected = _kernels.dropout_forward(np.ascontiguousarray(x.T), 0.5, *ADDRESS)[0]
    x.flags.writeable = False
    assert_same_bits(_kernels.dropout_forward(x.T, 0.5, *ADDRESS)[0], expected)
    swapped = np.ascontiguousarray(x.T).astype(">f4")
    assert_same_bits(_kernels.dropout_forward(swapped, 0.5, *ADDRESS)[0], expected)


def test_scalar_and_many_dims(isa):
    assert _kernels.dropout_forward(np.array(2, np.float32), 0.0, 1)[0] == 2
    x = normals((2, 1, 3, 1, 2, 2))
    y = _kernels.dropout_forward(x, 0.5, *ADDRESS)[0]
    assert_same_bits(y.ravel(), _kernels.dropout_forward(x.ravel(), 0.5, *ADDRESS)[0])


# ---- bad input ----


def test_element_types():
    for bad in (np.zeros(3, np.int32), np.zeros(3, np.float16), np.zeros(3, bool)):
        with pytest.raises(TypeError, match="x must be float32 or float64"):
            _kernels.dropout_forward(bad, 0.5, 1)
    with pytest.raises(TypeError, match="x must be an ndarray"):
        _kernels.dropout_forward([1.0], 0.5, 1)


def test_bits_that_do_not_fit():
    dout = np.zeros(33, np.float32)
    for bad in (np.zeros(1, np.uint32), np.zeros(3, np.uint32), np.zeros((2, 1), np.uint32)):
        with pytest.raises(ValueError, match="bits must have shape"):
            _kernels.dropout_backward(dout, bad, 0.5)
    for bad in (np.zeros(2, np.int64), [0, 0], None, np.zeros(4, np.uint32)[::2]):
        with pytest.raises(TypeError, match="bits must be a contiguous uint32 array"):
            _kernels.dropout_backward(dout, bad, 0.5)


def test_bad_p_and_address():
    x, bits = np.zeros(3, np.float32), np.zeros(1, np.uint32)
    for call in (
        lambda p: _kernels.dropout_forward(x, p, 1),
        lambda p: _kernels.dropout_backward(x, bits, p),
    ):
        with pytest.raises(ValueError, match="p must be in .*got 1.5"):
            call(1.5)
        with pytest.raises(TypeError, match="p must be a number.*got 'half'"):
            call("half")
    with pytest.raises(ValueError, match="seed must be in"):
        _kernels.dropout_forward(x, 0.5, -1)
    with pytest.raises(ValueError, match="offset must be at most"):
        _kernels.dropout_forward(x, 0.5, 1, offset=2**60 - 1)


# ---- many samples in one call ----


@pytest.mark.parametrize("p", RATES)
@pytest.mark.parametrize("shape", [(1,), (5, 7), (3, 33, 2), (0, 4), (2, 0)])
def test_samples_are_calls_one_after_the_other(isa, shape, p):
    seed, stream, call = ADDRESS
    whole, parts = normals(shape, 1), normals((3 * shape[0], *shape[1:]), 2)
    for x, expand in ((whole, True), (parts, False)):
        y = _kernels.dropout_samples(x, p, 3, *ADDRESS, 11, expand=expand, law=(2.0, 0.5, -1.0))
        each = [whole] * 3 if expand else np.split(parts, 3)
        expected = [
            _kernels.dropout_forward(part, p, seed, stream, call + s, 11, law=(2.0, 0.5, -1.0))[0]
            for s, part in enumerate(each)
        ]
        assert_same_bits(y, np.concatenate(expected))


def test_samples_that_do_not_fit():
    x = normals((4, 2), 1)
    for samples, expand in ((3, False), (0, True), (-1, True)):
        with pytest.raises(ValueError, match=f"samples must divide the 4 rows of x, got {samples}"):
            _kernels.dropout_samples(x, 0.5, samples, *ADDRESS, expand=expand)
    with pytest.raises(ValueError, match="x must have an axis of samples"):
        _kernels.dropout_samples(np.array(1, np.float32), 0.5, 2, *ADDRESS)
    with pytest.raises(ValueError, match="call"):
        _kernels.dropout_samples(x, 0.5, 2, 3, 1, 2**64 - 1)
    with pytest.raises(MemoryError, match="more than an array can hold"):
        _kernels.dropout_samples(x, 0.5, 2**60, *ADDRESS)
