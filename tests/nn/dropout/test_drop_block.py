"""nn.DropBlock2d: what the layer adds to F.drop_block2d."""

import numpy as np
import pytest
from helpers import assert_same_bits, hashes, normals

import minidrop as md
import minidrop.functional as F
from minidrop import nn
from minidrop.tensor import Tensor

X = normals((4, 9, 8, 3))


@pytest.mark.parametrize("shared", [False, True])
def test_draws_what_the_function_draws(isa, shared):
    layer = nn.DropBlock2d(0.3, 3, shared=shared, seed=5)
    for call in range(3):
        expected = F.drop_block2d(X, 0.3, 3, shared=shared, training=True, seed=5, call=call)
        assert_same_bits(layer(X).data, expected.data)
    x = Tensor(X)
    assert layer.eval()(x) is x and layer.call == 3


@pytest.mark.parametrize("mask", ["bits", "recompute"])
def test_gradient_goes_through_the_same_mask(mask):
    layer = nn.DropBlock2d(0.3, 3, mask=mask, seed=2)
    x = Tensor(X, requires_grad=True)
    y = layer(x)
    layer(x)  # another call in between
    y.backward(X)
    assert_same_bits(x.grad, y.data)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("block_size", [1, 3])
def test_slices_of_a_batch(block_size, shared):
    layer = nn.DropBlock2d(0.3, block_size, shared=shared, seed=1)
    whole, layer.call = layer(X).data, 0
    with md.sample_offset(1):
        assert_same_bits(layer(X[1:]).data, whole[1:])


def test_golden(isa):
    x = np.ones((2, 10, 9, 5), np.float32)
    got = [nn.DropBlock2d(0.2, 3, shared=shared, seed=5)(x).data != 0 for shared in (False, True)]
    assert hashes(*got)[:16] == "48d1942d6c0071c1"


def test_mask_shape():
    assert nn.DropBlock2d(0.3, 3).mask_shape(X) == (4, 9, 8, 3)
    assert nn.DropBlock2d(0.3, 3, shared=True).mask_shape(X) == (4, 9, 8, 1)


def test_a_failed_call_does_not_count():
    layer = nn.DropBlock2d(0.5, 3)
    for bad in (X[0], X.astype(np.int64), "text", None):
        with pytest.raises((TypeError, ValueError)):
            layer(bad)
    assert layer.call == 0


def test_bad_arguments():
    with pytest.raises(ValueError, match="DropBlock2d: p must be in .*got 256"):
        nn.DropBlock2d(256)
    for block, error in [(0, ValueError), (2.5, TypeError), ("7", TypeError)]:
        with pytest.raises(error, match=f"DropBlock2d: block_size must be .*got {block!r}"):
            nn.DropBlock2d(0.1, block)
    with pytest.raises(TypeError, match="shared must be True or False"):
        nn.DropBlock2d(0.1, 3, shared=1)
    layer = nn.DropBlock2d(0.1, 3, shared=True)
    assert repr(layer) == "DropBlock2d(p=0.1, block_size=3, shared=True)"
