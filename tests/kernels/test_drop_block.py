"""DropBlock kernels: blocks grown from seeds, against the plainest loops."""

import numpy as np
import pytest
from helpers import assert_same_bits, check_same_on_isas, check_same_on_threads, normals

from minidrop import _kernels

ISAS = _kernels.available_isas()
ADDRESS = (3, 1, 4)
CASES = [  # shape, block
    ((1, 1, 1, 1), 1),
    ((2, 5, 5, 3), 5),
    ((3, 7, 9, 1), 3),
    ((2, 9, 7, 33), 2),
    ((2, 14, 14, 64), 7),
    ((1, 6, 40, 17), 6),
    ((2, 4, 100, 2), 3),
]


def unpacked(bits, n):
    words = bits.astype("<u4").view(np.uint8)
    return np.unpackbits(words, axis=-1, count=n, bitorder="little").astype(bool)


def expected_mask(shape, block, p, shared, offset=0):
    """Whether each element is kept, seed by seed."""
    n, h, w, c = shape
    c = 1 if shared else c
    down, across = h - block + 1, w - block + 1
    size = down * across * c
    bits = _kernels.mask_bits(n * size, p, *ADDRESS, offset * size)
    keep = unpacked(bits, n * size).reshape(n, down, across, c)
    mask = np.ones((n, h, w, c), bool)
    for i, r, j, channel in np.argwhere(~keep):
        mask[i, r : r + block, j : j + block, channel] = False
    return mask


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("p", [0.0, 0.02, 0.3, 1.0])
@pytest.mark.parametrize("shape, block", CASES)
def test_values(isa, shape, block, p, shared):
    x = normals(shape)
    x[0, 0, 0, 0] = np.inf
    mask = expected_mask(shape, block, p, shared, offset=3)
    y, bits, scales = _kernels.drop_block_forward(x, p, block, *ADDRESS, 3, shared=shared)
    kept = mask.sum(axis=(1, 2, 3))
    size = mask[0].size
    for i in range(shape[0]):
        assert scales[i] == (np.float32(size / kept[i]) if kept[i] else 0)
    width = shape[2] * mask.shape[3]
    assert np.array_equal(unpacked(bits, width).reshape(mask.shape), mask)
    with np.errstate(invalid="ignore"):  # inf 0
        expected = np.where(mask, x * scales[:, None, None, None], np.float32(0))
    assert_same_bits(y, expected)
    assert_same_bits(_kernels.drop_block_backward(x, bits, scales, shared=shared), y)
    again = _kernels.drop_block_forward(x, p, block, *ADDRESS, 3, shared=shared, want_y=False)
    assert again[0] is None
    assert_same_bits(again[1], bits)
    assert_same_bits(again[2], scales)


@pytest.mark.parametrize("shared", [False, True])
def test_isas_and_threads(shared):
    x = normals((9, 20, 31, 19))
    y, bits, scales = check_same_on_isas(
        _kernels.drop_block_forward, x, 0.01, 4, *ADDRESS, shared=shared, isas=ISAS
    )
    check_same_on_isas(_kernels.drop_block_backward, x, bits, scales, shared=shared, isas=ISAS)
    check_same_on_threads(_kernels.drop_block_forward, x, 0.01, 4, *ADDRESS, shared=shared)
    check_same_on_threads(_kernels.drop_block_backward, x, bits, scales, shared=shared)


@pytest.mark.parametrize("block", range(1, 13))
def test_every_block_size(isa, block):
    shape = (2, 12, 13, 5)
    _, bits, _ = _kernels.drop_block_forward(np.ones(shape, np.float32), 0.05, block, *ADDRESS)
    assert np.array_equal(unpacked(bits, 65).reshape(shape), expected_mask(shape, block, 0.05, 0))


def test_doubles():
    x = normals((2, 6, 7, 3), dtype=np.float64)
    y, _, scales = _kernels.drop_block_forward(x, 0.1, 2, *ADDRESS)
    mask = expected_mask(x.shape, 2, 0.1, False)
    assert_same_bits(y, np.where(mask, x * scales[:, None, None, None], 0.0))


@pytest.mark.parametrize("shape", [(0, 5, 5, 2), (2, 0, 5, 2), (2, 5, 0, 2), (2, 5, 5, 0)])
@pytest.mark.parametrize("shared", [False, True])
def test_empty(isa, shape, shared):
    x = np.zeros(shape, np.float32)
    y, bits, scales = _kernels.drop_block_forward(x, 0.1, 3, *ADDRESS, shared=shared)
    assert y.shape == shape
    assert _kernels.drop_block_backward(y, bits, scales, shared=shared).shape == shape


def test_bad_input():
    x = np.zeros((2, 5, 6, 3), np.float32)
    with pytest.raises(ValueError, match="block_size must be at most the height and width"):
        _kernels.drop_block_forward(x, 0.1, 6, 1)
    with pytest.raises(ValueError, match="block_size must be from 1"):
        _kernels.drop_block_forward(x, 0.1, 0, 1)
    with pytest.raises(ValueError, match="x must have 4 dimensions"):
        _kernels.drop_block_forward(x[0], 0.1, 2, 1)
    _, bits, scales = _kernels.drop_block_forward(x, 0.1, 2, 1)
    with pytest.raises(ValueError, match="bits must have shape"):
        _kernels.drop_block_backward(x[:1], bits, scales[:1])
    with pytest.raises(ValueError, match="scales must have shape"):
        _kernels.drop_block_backward(x, bits, scales[:1])
    with pytest.raises(TypeError, match="bits must be"):
        _kernels.drop_block_backward(x, bits.astype(np.int64), scales)
