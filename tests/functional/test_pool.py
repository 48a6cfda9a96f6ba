"""Pooling of tensors: values, gradients, and what stands in the graph."""

import numpy as np
import pytest
from helpers import assert_close, assert_same_bits, integers, normals

import minidrop.functional as F
from minidrop.gradcheck import gradcheck
from minidrop.tensor import Tensor

WINDOWS = [(2, None, 0), (3, 2, 1), ((2, 3), (1, 2), (1, 0)), (2, 3, 0), (3, 1, 1)]


def distinct(shape):
    """Numbers of which no two are near each other, so that differences see no change of winner."""
    numbers = np.random.default_rng(0).permutation(np.prod(shape))
    return numbers.reshape(shape).astype(np.float64)


@pytest.mark.parametrize("window", WINDOWS)
def test_gradcheck(window):
    shape = (2, 5, 6, 3)
    assert gradcheck(lambda t: F.max_pool2d(t, *window), distinct(shape))
    assert gradcheck(lambda t: F.avg_pool2d(t, *window), normals(shape, dtype=np.float64))


@pytest.mark.parametrize("output_size", [1, 2, (3, 4), (None, 1), 7])
def test_gradcheck_adaptive(output_size):
    x = normals((2, 5, 6, 3), dtype=np.float64)
    assert gradcheck(lambda t: F.adaptive_avg_pool2d(t, output_size), x)


def test_values():
    x = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    assert F.max_pool2d(x, 2).data.ravel().tolist() == [5, 7, 13, 15]
    assert F.max_pool2d(x, 2, stride=1).shape == (1, 3, 3, 1)
    assert F.max_pool2d(x, 3, 2, padding=1).data.ravel().tolist() == [5, 7, 13, 15]
    assert F.avg_pool2d(x, 2).data.ravel().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert F.avg_pool2d(x, 2, padding=1).data.ravel()[0] == 0, "padding counts as zeros"
    assert F.adaptive_avg_pool2d(x, 1).data.ravel().tolist() == [7.5]
    assert F.adaptive_avg_pool2d(x, None).data.ravel().tolist() == x.ravel().tolist()


def test_gradient_of_the_classic_pooling():
    x = Tensor(np.arange(16).reshape(1, 4, 4, 1), requires_grad=False)
    x = Tensor(x.data.astype(np.float32), requires_grad=True)
    F.max_pool2d(x, 2).backward(np.array([1, 2, 3, 4], np.float32).reshape(1, 2, 2, 1))
    expected = np.zeros(16, np.float32)
    expected[[5, 7, 13, 15]] = 1, 2, 3, 4
    assert_same_bits(x.grad.ravel(), expected)


def test_global_mean_is_the_mean(isa):
    x = normals((4, 7, 5, 33))
    assert_close(F.adaptive_avg_pool2d(x, 1).data[:, 0, 0], x.mean((1, 2), dtype=np.float64))


def test_two_poolings_after_each_other(isa):
    x = Tensor(integers((2, 8, 8, 5)), requires_grad=True)
    y = F.avg_pool2d(F.max_pool2d(x, 2), 2)
    y.backward(np.full(y.shape, 4, np.float32))
    assert x.grad.sum() == 4 * y.size and set(np.unique(x.grad)) == {0, 1}


def test_what_it_takes():
    x = normals((1, 4, 4, 2))
    for op in (F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d):
        assert_same_bits(op(x, 2).data, op(Tensor(x), 2).data)
        assert op(x.tolist(), 2).dtype == np.float32
        assert op(x.astype(np.float64), 2).dtype == np.float64
        assert op(x[:0], 2).shape == (0, 2, 2, 2)
        with pytest.raises(TypeError, match="x must be float32 or float64"):
            op(np.zeros((1, 4, 4, 2), np.int64), 2)
        with pytest.raises(ValueError, match="x must have"):
            op(x[0], 2)
