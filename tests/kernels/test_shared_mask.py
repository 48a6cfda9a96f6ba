"""Masks whose bits are shared along axes: every shape against NumPy's broadcasting."""

from math import prod

import numpy as np
import pytest
from helpers import assert_same_bits, check_same_on_isas, check_same_on_threads, normals

from minidrop import _kernels

ISAS = _kernels.available_isas()
SCALED, MAPPED, PLAIN = (2.0, 0.0, 0.0), (0.88, 0.35, -1.2), (1.0, 0.0, 0.0)
ADDRESS = (3, 1, 4)

# shape, shared axes
SHAPES = {
    "channels": ((5, 6, 7, 12), (1, 2)),
    "three_channels": ((5, 30, 31, 3), (1, 2)),
    "odd_channels": ((3, 9, 9, 65), (1, 2)),
    "many_channels": ((2, 20, 1001), (1,)),
    "more_channels_than_a_strip": ((2, 3, 9001), (1,)),
    "one_channel": ((70, 9, 1), (1,)),
    "samples": ((40, 7, 5), (1, 2)),
    "long_samples": ((3, 9000), (1,)),
    "batch": ((8, 33, 9), (0,)),
    "batch_and_last": ((8, 33, 9), (0, 2)),
    "last": ((9, 40, 3), (2,)),
    "last_of_8": ((9, 41, 8), (2,)),
    "last_of_9": ((9, 41, 9), (2,)),
    "last_of_32": ((9, 5, 32), (2,)),
    "alternating": ((4, 3, 5, 2, 3, 7), (0, 2, 4)),
    "alternating_too": ((4, 3, 5, 2, 3, 7), (1, 3, 5)),
    "middle_of_many": ((2, 3, 4, 5, 6), (1, 3)),
    "all": ((7, 11), (0, 1)),
    "none": ((7, 11), ()),
    "size_one": ((1, 1, 1), (1,)),
    "scalar": ((), ()),
    "empty": ((0, 4, 3), (1,)),
    "empty_inside": ((3, 0, 5), (1,)),
    "several_items": ((3, 300, 111), (1,)),
}


def mask_of(shape, shared, p, seed=3):
    small = tuple(1 if axis in shared else size for axis, size in enumerate(shape))
    bits = _kernels.mask_bits(prod(small), p, seed, 1, 4)
    kept = np.unpackbits(bits.astype("<u4").view(np.uint8), count=prod(small), bitorder="little")
    return bits, np.broadcast_to(kept.reshape(small).astype(bool), shape)


@pytest.mark.parametrize("name", SHAPES)
def test_values(isa, name):
    shape, shared = SHAPES[name]
    bits, kept = mask_of(shape, shared, 0.4)
    for dtype in (np.float32, np.float64):
        x = normals(shape, 1, dtype)
        x = np.asarray(x, dtype)
        for law in (SCALED, PLAIN):
            expected = np.where(kept, x * dtype(law[0]), dtype(0))
            assert_same_bits(_kernels.shared_mask(x, bits, shared, law), expected)
        got = _kernels.shared_mask(x, bits, shared, MAPPED)
        scale, shift, dropped = (dtype(value) for value in MAPPED)
        np.testing.assert_allclose(
            got, np.where(kept, x * scale + shift, dropped), rtol=1e-5, atol=1e-6
        )
        assert (got[~kept] == dropped).all()


@pytest.mark.parametrize("name", SHAPES)
def test_isas_are_equal(name):
    shape, shared = SHAPES[name]
    bits, _ = mask_of(shape, shared, 0.4)
    x = np.asarray(normals(shape), np.float32)
    check_same_on_isas(_kernels.shared_mask, x, bits, shared, SCALED, isas=ISAS)
    check_same_on_isas(_kernels.shared_mask, x, bits, shared, MAPPED)


def test_threads_are_equal():
    for shape, shared in [((5, 300, 111), (1,)), ((90_001, 3), (1,)), ((3, 99_999), (1,))]:
        bits, _ = mask_of(shape, shared, 0.4)
        check_same_on_threads(
            _kernels.shared_mask, normals(shape), bits, shared, SCALED, counts=(1, 2, 4, 7)
        )


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.0])
def test_dropped_is_selected(isa, value):
    shape, shared = (6, 50, 10), (1,)
    bits, kept = mask_of(shape, shared, 0.4)
    x = np.full(shape, value, np.float32)
    for law in (SCALED, MAPPED):
        y = _kernels.shared_mask(x, bits, shared, law)
        assert_same_bits(y[~kept], np.full((~kept).sum(), law[2], np.float32))


def test_law_of_dropout_forward(isa):
    """The same law where every element has a bit."""
    x = normals(1001)
    bits = _kernels.mask_bits(1001, 0.4, *ADDRESS)
    for law in (SCALED, MAPPED, PLAIN):
        y, kept = _kernels.dropout_forward(x, 0.4, *ADDRESS, law=law)
        assert_same_bits(kept, bits)
        assert_same_bits(y, _kernels.shared_mask(x, bits, (), law))
        assert_same_bits(
            _kernels.dropout_backward(x, bits, 0.4, scale=law[0]),
            _kernels.shared_mask(x, bits, (), (law[0], 0.0, 0.0)),
        )


def test_bad_input():
    x, bits = np.zeros((4, 5, 16), np.float32), np.zeros(2, np.uint32)
    _kernels.shared_mask(x, bits, (1,), SCALED)
    with pytest.raises(ValueError, match="bits must have shape"):
        _kernels.shared_mask(x, bits, (), SCALED)
    with pytest.raises(TypeError, match="bits must be a contiguous uint32 array"):
        _kernels.shared_mask(x, bits.astype(np.int64), (1,), SCALED)
    with pytest.raises(TypeError, match="x must be float32 or float64"):
        _kernels.shared_mask(x.astype(np.int32), bits, (1,), SCALED)
