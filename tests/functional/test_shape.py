"""Ops that move elements: values against NumPy, gradients against differences."""

import numpy as np
import pytest
from helpers import integers, normals

import minidrop.functional as F
from minidrop.gradcheck import gradcheck
from minidrop.tensor import Tensor


def check(op, x):
    """op does to a Tensor what it does to an array, and its gradient is right."""
    np.testing.assert_array_equal(op(Tensor(x)).data, op(x), strict=True)
    n = Tensor(np.arange(x.size).reshape(x.shape))
    np.testing.assert_array_equal(op(n).data, op(n.data), strict=True)
    gradcheck(op, x)
    gradcheck(lambda a: op(a * a) * 3.0, x)  # not the last op, so that it meets gradients of others


@pytest.mark.parametrize("shape", [(12,), (4, 3), (2, 6), (-1,), (2, -1), (1, 12, 1), (2, 2, 3)])
def test_reshape(shape):
    x = normals((3, 4))
    check(lambda a: a.reshape(shape), x)
    check(lambda a: a.reshape(*shape), x)
    check(lambda a: a.T.reshape(shape), x)


def test_reshape_of_one_and_no_elements():
    assert Tensor(np.float32([[3]])).reshape(()).shape == ()
    assert Tensor(np.float32([[3]])).reshape().shape == ()
    assert Tensor(np.zeros((0, 4), np.float32)).reshape(2, 0).shape == (2, 0)


def test_bad_reshape_says_both_shapes():
    x = Tensor(normals((3, 4)))
    with pytest.raises(ValueError, match=r"shape \(3, 4\) cannot become \(5, 2\)"):
        x.reshape(5, 2)
    with pytest.raises(ValueError, match="cannot become"):
        x.reshape(-1, -1)
    with pytest.raises(TypeError):
        x.reshape(2.0, 6)


def test_flatten():
    x = normals((2, 3, 4, 5))
    assert F.flatten(x).shape == (120,)
    assert F.flatten(x, 1).shape == (2, 60) and Tensor(x).flatten(1).shape == (2, 60)
    assert F.flatten(x, 1, 2).shape == (2, 12, 5) and F.flatten(x, -2, -1).shape == (2, 3, 20)
    assert F.flatten(np.float32(1)).shape == (1,) and F.flatten(x, 2, 2).shape == x.shape
    assert F.flatten(np.zeros((0, 3, 4), np.float32), 1).shape == (0, 12)
    gradcheck(lambda a: F.flatten(a, 1) * 2, x)
    with pytest.raises(ValueError, match="start_dim 2 comes after end_dim 1"):
        F.flatten(x, 2, 1)
    with pytest.raises(ValueError, match="dim must be"):
        F.flatten(x, 4)


@pytest.mark.parametrize("axes", [(), (0, 1, 2), (2, 0, 1), (1, 2, 0), (-1, 0, 1), (0, 2, 1)])
def test_transpose(axes):
    x = normals((2, 3, 4))
    check(lambda a: a.transpose(*axes), x)
    if axes:
        check(lambda a: a.transpose(axes), x)


def test_transpose_is_numpys_and_t_reverses():
    x = normals((2, 3, 4))
    check(lambda a: a.T, x)
    check(lambda a: a.T, x[0, 0])
    assert Tensor(np.float32(1)).T.shape == ()
    for axes in ((0, 1), (0, 0, 1), (0, 1, 2, 2)):
        with pytest.raises(ValueError, match="axes must be a permutation of the 3 dims"):
            Tensor(x).transpose(*axes)
    with pytest.raises(ValueError, match="must be from -3 to 2, got 3"):
        Tensor(x).transpose(0, 1, 3)


INDICES = {
    "int": 1,
    "negative": -1,
    "numpy_int": np.int64(1),
    "slice": slice(1, 3),
    "step": slice(None, None, 2),
    "backwards": slice(None, None, -1),
    "nothing": slice(2, 2),
    "ellipsis": (Ellipsis, 1),
    "new_axis": (slice(None), None, 1),
    "several": (1, slice(1, None), 2),
    "all_ints": (1, 2, 3),
    "empty_tuple": (),
    "int_array": np.array([2, 0, 0, 1]),
    "int_list": [0, 0],
    "two_arrays": (np.array([0, 1, 0]), np.array([2, 2, 2])),
    "array_and_slice": (slice(None), np.array([1, 1, 3])),
    "array_and_int": (np.array([1, 1, 2]), 0),
    "bool_array": np.array([True, False, True]),
    "bool_of_all": np.arange(60).reshape(3, 4, 5) % 7 == 0,
    "bool_and_slice": (np.array([True, False, True]), slice(0, 2)),
    "bool": True,
}


@pytest.mark.parametrize("index", INDICES.values(), ids=INDICES)
def test_indexing(index):
    check(lambda a: a[index], normals((3, 4, 5)))


def test_indexing_with_tensors():
    x = normals((5, 4))
    rows, mask = np.array([3, 3, 0]), np.array([True, False, True, False, True])
    check(lambda a: a[Tensor(rows) if isinstance(a, Tensor) else rows], x)
    check(lambda a: a[Tensor(mask) if isinstance(a, Tensor) else mask], x)
    np.testing.assert_array_equal(
        Tensor(x)[Tensor(rows), Tensor([1, 2, 3])].data, x[rows, [1, 2, 3]]
    )
    t = Tensor(x)
    np.testing.assert_array_equal(t[t > 0].data, x[x > 0])


def test_elements_taken_twice_get_both_gradients():
    x = Tensor(np.zeros(3, np.float32), requires_grad=True)
    (x[[0, 2, 2, 0, 2]] * Tensor(np.float32([1, 2, 3, 4, 5]))).sum().backward()
    np.testing.assert_array_equal(x.grad, [5, 0, 10])


def test_bad_index():
    x = Tensor(normals((3, 4)))
    for index in (3, (0, 4), (0, 0, 0), np.array([5]), Tensor([7]), np.array([0.5]), "a"):
        with pytest.raises(IndexError):
            x[index]


def test_iteration_and_len():
    x = normals((3, 4))
    t = Tensor(x, requires_grad=True)
    assert len(t) == 3
    for row, expected in zip(t, x, strict=True):
        np.testing.assert_array_equal(row.data, expected)
    a, b, c = t
    (a * 1.0 + b * 2.0 + c * 3.0).sum().backward()
    np.testing.assert_array_equal(t.grad, np.repeat(np.float32([[1], [2], [3]]), 4, 1))
    with pytest.raises(TypeError, match="nothing to iterate over"):
        iter(Tensor(np.float32(1)))


@pytest.mark.parametrize("dim", [0, 1, 2, -1, -3])
def test_cat(dim):
    arrays = [normals((2, 3, 4), 1), normals((2, 3, 4), 2), normals((2, 3, 4), 3)]
    arrays[1] = np.take(arrays[1], [0, 1, 0], axis=dim)
    got = F.cat([Tensor(a) for a in arrays], dim)
    np.testing.assert_array_equal(got.data, np.concatenate(arrays, dim), strict=True)
    gradcheck(lambda *a: F.cat(a, dim) * 2.0, arrays)


@pytest.mark.parametrize("dim", [0, 1, 2, -1, -3])
def test_stack(dim):
    arrays = [normals((3, 4), seed) for seed in range(3)]
    got = F.stack([Tensor(a) for a in arrays], dim)
    np.testing.assert_array_equal(got.data, np.stack(arrays, dim), strict=True)
    gradcheck(lambda *a: F.stack(a, dim) * 2.0, arrays)


def test_cat_and_stack_of_one_tensor_twice():
    x = Tensor(integers(3), requires_grad=True)
    F.cat([x, x]).sum().backward()
    np.testing.assert_array_equal(x.grad, [2, 2, 2])
    x.zero_grad()
    F.stack([x, x, x]).sum().backward()
    np.testing.assert_array_equal(x.grad, [3, 3, 3])


def test_cat_of_integers_empties_and_mixed():
    labels = np.array([1, 2])
    assert F.cat([Tensor(labels), labels]).dtype == np.int64
    assert F.stack([labels, labels], 1).tolist() == [[1, 1], [2, 2]]
    mixed = F.cat([Tensor(np.float32([0.5])), labels])
    assert mixed.dtype == np.float32 and mixed.tolist() == [0.5, 1, 2]
    empty = F.cat([np.zeros((0, 2), np.float32), np.ones((1, 2), np.float32)])
    assert empty.shape == (1, 2)


def test_bad_cat_and_stack_are_named():
    a, b = Tensor(normals((2, 3))), Tensor(normals((2, 4)))
    with pytest.raises(ValueError, match=r"agree but for dim 0: \(2, 3\), \(2, 4\)"):
        F.cat([a, b])
    with pytest.raises(ValueError, match="agree but for dim"):
        F.cat([a, a[0]])
    with pytest.raises(ValueError, match=r"stack: shapes must agree: \(2, 3\), \(2, 4\)"):
        F.stack([a, b])
    for op in (F.cat, F.stack):
        with pytest.raises(ValueError, match="of no tensors"):
            op([])
        with pytest.raises(TypeError, match="takes a list or tuple of tensors, got Tensor"):
            op(a)
        with pytest.raises(ValueError, match="dim must be"):
            op([a, a], 5)
        with pytest.raises(TypeError, match="float32 and float64"):
            op([a, normals((2, 3), dtype=np.float64)])
    with pytest.raises(ValueError, match="scalar"):
        F.cat([np.float32(1), np.float32(2)])
