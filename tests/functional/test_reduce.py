"""Reductions: values against NumPy, gradients against differences."""

import itertools

import numpy as np
import pytest
from helpers import assert_close, integers, normals

import minidrop.functional as F
from minidrop.functional.broadcast import sum_to
from minidrop.gradcheck import gradcheck
from minidrop.tensor import Tensor

DIMS = [None, 0, 1, 2, -1, (0, 1), (0, 2), (-1, 0), (0, 1, 2), ()]


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("name", ["sum", "mean", "var"])
def test_over_dims(name, dim, keepdim):
    if name == "var" and dim == ():
        return  # one element has no sample variance
    op, numpy_op = getattr(F, name), getattr(np, name)
    options = {"ddof": 1} if name == "var" else {}
    for dtype in (np.float32, np.float64):
        x = normals((3, 4, 5), dtype=dtype)
        got = op(Tensor(x), dim, keepdim=keepdim)
        assert got.dtype == dtype
        assert_close(got, numpy_op(x, axis=dim, keepdims=keepdim, **options), 10)
    gradcheck(lambda a: op(a, dim, keepdim=keepdim), x)


def test_methods():
    x = normals((3, 4))
    t = Tensor(x)
    assert_close(t.sum(), x.sum())
    assert_close(t.mean(1), x.mean(1))
    assert_close(t.var(0, correction=0), x.var(0), 10)
    assert t.max().item() == x.max() and t.min().item() == x.min()
    np.testing.assert_array_equal(t.argmax(1).data, x.argmax(1))
    np.testing.assert_array_equal(t.argmin(0).data, x.argmin(0))


@pytest.mark.parametrize("name", ["max", "min"])
def test_max_and_min_of_all(name):
    x = normals((3, 4, 5))
    out = getattr(F, name)(Tensor(x))
    assert out.shape == () and out.item() == getattr(x, name)()
    assert getattr(F, name)(Tensor(x), keepdim=True).shape == (1, 1, 1)
    gradcheck(getattr(F, name), x)


@pytest.mark.parametrize("name", ["max", "min"])
@pytest.mark.parametrize("dim", [0, 1, 2, -1])
@pytest.mark.parametrize("keepdim", [False, True])
def test_max_and_min_along_a_dim(name, dim, keepdim):
    x = normals((3, 4, 5))
    op, numpy_arg = getattr(F, name), getattr(np, "arg" + name)
    values, indices = op(Tensor(x), dim, keepdim)
    np.testing.assert_array_equal(values.data, getattr(x, name)(dim, keepdims=keepdim), strict=True)
    expected = numpy_arg(x, dim, keepdims=keepdim)
    np.testing.assert_array_equal(indices.data, expected, strict=True)
    assert op(Tensor(x), dim).values.shape == op(Tensor(x), dim).indices.shape
    place = getattr(F, "arg" + name)(Tensor(x), dim, keepdim)
    np.testing.assert_array_equal(place.data, expected, strict=True)
    assert not indices.requires_grad and not place.requires_grad
    gradcheck(lambda a: op(a, dim, keepdim)[0], x)


def test_first_of_equals_gets_the_gradient():
    x = Tensor(np.float32([[1, 3, 3], [2, 2, 0]]), requires_grad=True)
    x.max(1).values.sum().backward()
    np.testing.assert_array_equal(x.grad, [[0, 1, 0], [1, 0, 0]])
    x.zero_grad()
    x.max().backward()
    np.testing.assert_array_equal(x.grad, [[0, 1, 0], [0, 0, 0]])


def test_nan_wins():
    x = Tensor(np.float32([[1, np.nan, 3], [1, 2, 3]]))
    assert np.isnan(x.max().item()) and np.isnan(x.min().item())
    assert x.argmax(1).tolist() == [1, 2] and x.argmin(1).tolist() == [1, 0]


def test_integers_and_bools():
    n = np.array([[3, 200], [250, 1]], np.uint8)
    t = Tensor(n)
    assert t.sum().dtype == np.int64 and t.sum().item() == 454
    assert t.sum(0).tolist() == [253, 201] and t.sum((0, 1), keepdim=True).tolist() == [[454]]
    assert t.mean().dtype == np.float32 and t.mean().item() == 113.5
    assert t.max().item() == 250 and t.argmax(1).tolist() == [1, 0]
    values, indices = t.min(0)
    assert values.tolist() == [3, 1] and indices.tolist() == [0, 1] and values.dtype == np.uint8
    right = Tensor(np.array([True, False, True, True]))
    assert right.sum().item() == 3 and right.mean().item() == 0.75


def test_empty():
    x = Tensor(np.zeros((0, 3), np.float32), requires_grad=True)
    assert x.sum().item() == 0 and x.sum(0).tolist() == [0, 0, 0] and x.sum(1).shape == (0,)
    assert np.isnan(x.mean().item())
    x.mean().backward()
    assert x.grad.shape == (0, 3)
    assert x.max(1).values.shape == (0,)
    for op in (F.max, F.min, F.argmax, F.argmin):
        with pytest.raises(ValueError, match="no elements"):
            op(x, 0)
        with pytest.raises(ValueError, match="no elements"):
            op(x)
        with pytest.raises(ValueError, match=r"no elements: x has shape \(0,\)"):
            op(np.zeros(0, np.int64))


def test_scalar():
    x = Tensor(np.float32(3), requires_grad=True)
    assert x.sum().item() == x.mean().item() == x.max().item() == 3 and x.argmax().item() == 0
    gradcheck(lambda a: a.sum() + a.mean() + a.max(), np.array(3.0))


def test_transposed_input():
    x = normals((3, 4, 5))
    assert_close(Tensor(x).transpose(2, 0, 1).sum(0), x.sum(2))
    gradcheck(lambda a: a.transpose(2, 0, 1).sum((0, 2)), x)
    gradcheck(lambda a: a.T.max(1).values, x)


def test_var_without_enough_elements_is_nan():
    assert np.isnan(F.var(np.float32([1])).item())
    assert F.var(np.float32([1]), correction=0).item() == 0


@pytest.mark.parametrize(
    "dim, error",
    [
        (2, ValueError),
        (2, IndexError),
        (-3, ValueError),
        (1.0, TypeError),
        ("1", TypeError),
        ((0, 0), ValueError),
        ((0, 5), ValueError),
        (True, TypeError),
    ],
)
def test_bad_dim_is_named(dim, error):
    x = Tensor(np.ones((2, 3), np.float32))
    for op in (F.sum, F.mean, F.var):
        with pytest.raises(error, match="dim must"):
            op(x, dim)
    with pytest.raises((error, TypeError), match="dim must"):
        F.max(x, dim)
    with pytest.raises(ValueError, match="dim must be left out for a scalar, got 0"):
        F.sum(np.float32(1), 0)


def test_sum_to_is_the_reverse_of_broadcasting():
    target = (3, 1, 5)
    for shape in [target, (2, 3, 4, 5), (3, 4, 5), (7, 2, 3, 1, 5)]:
        array = integers(shape)
        extra = array.ndim - len(target)
        expected = array.sum(tuple(range(extra)))
        expected = expected.sum(1, keepdims=True) if expected.shape != target else expected
        np.testing.assert_array_equal(sum_to(array, target), expected, strict=True)
    array = integers((2, 3))
    assert sum_to(array, (2, 3)) is array
    assert sum_to(array, ()) == array.sum() and sum_to(array, ()).shape == ()
    for a, b in itertools.permutations([(4, 0), (1, 0), (4, 1)], 2):
        if np.broadcast_shapes(a, b) == a:
            assert sum_to(integers(a), b).shape == b
