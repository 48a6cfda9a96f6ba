"""F.drop_block2d: the share and the shape of what is dropped, and the gradient by the same mask."""

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
from minidrop import _kernels
from minidrop.gradcheck import gradcheck
from minidrop.tensor import Tensor

AT = {"training": True, "seed": 7}
MASKS = ["bits", "recompute"]


def ones(*shape):
    return np.ones(shape, np.float32)


def test_block_size_1_is_dropout(isa):
    x = normals((3, 9, 8, 5))
    for p in (0.1, 0.5, 1.0):
        assert_same_bits(F.drop_block2d(x, p, 1, **AT).data, F.dropout(x, p, **AT).data)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("p, block", [(0.1, 3), (0.1, 7), (0.25, 4)])
def test_share_that_is_dropped(p, block, shared):
    """A pixel is kept where none of the places from which a block reaches it has a corner. Each
    block drops block^2 pixels at once, which widens the spread of the share by `block`."""
    size, n = 28, 60
    dropped = F.drop_block2d(ones(n, size, size, 16), p, block, shared=shared, **AT).data == 0
    places = size - block + 1
    gamma = p / block**2 * size**2 / places**2
    reach = np.convolve(np.ones(places), np.ones(block))
    expected = (1 - (1 - gamma) ** np.outer(reach, reach)).mean()
    assert p - p**2 < expected < p
    masks = n * size**2 * (1 if shared else 16)
    assert abs(dropped.mean() - expected) < 5.33 * block * np.sqrt(p / masks)


def test_what_is_dropped_is_made_of_blocks():
    block = 3
    dropped = F.drop_block2d(ones(4, 20, 17, 6), 0.1, block, **AT).data == 0
    covered = np.zeros_like(dropped)
    for r in range(20 - block + 1):
        for j in range(17 - block + 1):
            whole = dropped[:, r : r + block, j : j + block].all(axis=(1, 2))
            covered[:, r : r + block, j : j + block] |= whole[:, None, None]
    assert dropped.any() and np.array_equal(covered, dropped)


def test_channels_have_their_own_blocks_unless_shared():
    own = F.drop_block2d(ones(2, 20, 20, 8), 0.3, 3, **AT).data != 0
    assert not np.array_equal(own[..., 0], own[..., 1])
    shared = F.drop_block2d(ones(2, 20, 20, 8), 0.3, 3, shared=True, **AT).data != 0
    assert (shared == shared[..., :1]).all() and not np.array_equal(shared[0], shared[1])


@pytest.mark.parametrize("shared", [False, True])
def test_what_is_kept_stands_for_all_of_its_sample(shared):
    y = F.drop_block2d(ones(5, 12, 12, 8), 0.2, 4, shared=shared, **AT).data
    assert_close(y.mean(axis=(1, 2, 3)), ones(5))
    for sample in y:
        assert len(np.unique(sample)) <= 2


def test_block_larger_than_the_image_is_as_large_as_it(isa):
    x = normals((6, 5, 7, 3))
    assert_same_bits(F.drop_block2d(x, 0.4, 99, **AT).data, F.drop_block2d(x, 0.4, 5, **AT).data)
    whole = F.drop_block2d(ones(6, 5, 5, 3), 0.4, 8, **AT).data
    per_channel = whole.reshape(6, 25, 3)
    assert (per_channel == per_channel[:, :1]).all() and (whole == 0).any()


@pytest.mark.parametrize("p, training", [(0.5, False), (0, True)])
def test_returns_its_input(p, training):
    x = Tensor(ones(1, 4, 4, 2))
    assert F.drop_block2d(x, p, 3, training=training) is x


def test_p_1_gives_zeros(isa):
    x = Tensor(np.full((2, 8, 8, 3), np.nan, np.float32), requires_grad=True)
    for shared in (False, True):
        y = F.drop_block2d(x, 1, 3, shared=shared, **AT)
        assert_same_bits(y.data, np.zeros((2, 8, 8, 3), np.float32))
        x.grad = None
        y.backward(x.data)
        assert_same_bits(x.grad, y.data)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("shared", [False, True])
def test_dropped_inf_and_nan_are_zero(isa, shared, mask):
    x = Tensor(np.full((2, 9, 9, 3), np.inf, np.float32), requires_grad=True)
    y = F.drop_block2d(x, 0.4, 3, shared=shared, mask=mask, **AT)
    assert set(np.unique(y.data)) == {0, np.inf}
    y.backward(x.data)
    assert_same_bits(x.grad, y.data)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("p, block", [(0.3, 2), (0.2, 1), (1.0, 3)])
def test_gradcheck(p, block, shared, mask):
    def fn(x):
        return F.drop_block2d(x, p, block, shared=shared, mask=mask, seed=3, training=True)

    assert gradcheck(fn, normals((2, 5, 4, 3), dtype=np.float64))


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("shared", [False, True])
def test_bits_on_isas_and_threads(shared, mask):
    def step(x):
        t = Tensor(x, requires_grad=True)
        y = F.drop_block2d(t, 0.2, 3, shared=shared, mask=mask, **AT)
        y.backward(x)
        return y.data, t.grad

    x = normals((8, 15, 17, 21))
    check_same_on_isas(step, x, isas=_kernels.available_isas())
    check_same_on_threads(step, x)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("block", [1, 3])
@pytest.mark.parametrize("cut", [0, 1, 4])
def test_a_batch_in_slices(cut, block, shared):
    x = normals((4, 9, 8, 3))
    options = {"shared": shared, **AT}
    whole = F.drop_block2d(x, 0.3, block, **options).data
    before = cut * 72 * (1 if shared else 3)
    parts = [
        F.drop_block2d(x[:cut], 0.3, block, **options).data,
        F.drop_block2d(x[cut:], 0.3, block, offset=before, **options).data,
    ]
    assert_same_bits(np.concatenate(parts), whole)


@pytest.mark.parametrize("shape", [(0, 5, 5, 2), (2, 0, 5, 2), (2, 5, 5, 0)])
def test_empty(shape):
    assert F.drop_block2d(ones(*shape), 0.3, 3, **AT).shape == shape


def test_bad_input():
    x = ones(2, 5, 5, 2)
    for p, error in [(2, ValueError), (float("nan"), ValueError), ("half", TypeError)]:
        with pytest.raises(error, match=f"p must be .*got {p!r}"):
            F.drop_block2d(x, p, 3, training=False)
    for block, error in [(0, ValueError), (-1, ValueError), (2.5, TypeError), (True, TypeError)]:
        with pytest.raises(error, match=f"block_size must be .*got {block!r}"):
            F.drop_block2d(x, 0.1, block, training=False)
    with pytest.raises(ValueError, match="drop_block2d: x must be \\(n, height, width, chan"):
        F.drop_block2d(x[0], 0.1, 3, training=False)
    with pytest.raises(ValueError, match="offset must be a multiple of the 50 mask elements"):
        F.drop_block2d(x, 0.1, 3, offset=20, **AT)
    with pytest.raises(TypeError, match="training"):
        F.drop_block2d(x, 0.1, 3)
