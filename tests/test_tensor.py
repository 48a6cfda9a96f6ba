"""Tensor itself: what it holds, what it refuses, how it meets NumPy and Python."""

import copy

import numpy as np
import pytest
from helpers import normals

import minidrop.functional  # noqa: F401  binds the operators
from minidrop.tensor import Tensor, as_tensors, tensor


@pytest.mark.parametrize(
    "given, dtype",
    [
        (np.float32([1]), np.float32),
        (np.float64([1]), np.float64),
        (np.float16([1]), np.float32),
        (np.longdouble([1]), np.float32),
        (np.float32(1), np.float32),
        (np.float64(1), np.float64),
        ([1.0, 2.0], np.float32),
        (1.5, np.float32),
        ([[1, 2.5]], np.float32),
        (3, np.int64),
        ([1, 2], np.int64),
        (np.uint8([1]), np.uint8),
        (True, bool),
        ([True, False], bool),
        ([], np.float32),
    ],
)
def test_dtypes(given, dtype):
    assert Tensor(given).dtype == tensor(given).dtype == dtype


def test_other_byte_order_becomes_native():
    x = Tensor(np.array([1, 2], ">f4"))
    assert x.dtype.isnative and x.tolist() == [1, 2]


def test_an_array_is_held_not_copied():
    x = np.float32([1, 2])
    t = Tensor(x)
    assert t.data is x and t.numpy() is x
    t.data[0] = 5
    assert x[0] == 5
    assert Tensor(t).data is x and t.detach().data is x


def test_attributes():
    t = Tensor(normals((2, 3)), requires_grad=True)
    assert (t.shape, t.ndim, t.size, len(t), t.grad) == ((2, 3), 2, 6, 2, None)
    assert t.requires_grad and not t.detach().requires_grad
    assert t.tolist() == t.data.tolist()
    assert (t * 2.0).numpy().shape == (2, 3)  # needs no detach


@pytest.mark.parametrize(
    "given, error, message",
    [
        ("text", TypeError, "real numbers, got <U4"),
        (None, TypeError, "real numbers, got object"),
        ([1j], TypeError, "complex"),
        (object(), TypeError, "object"),
        ([np.datetime64("2020")], TypeError, "datetime"),
        ([[1, 2], [3]], ValueError, "rectangular"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(given, error, message):
    with pytest.raises(error, match=message):
        Tensor(given)


@pytest.mark.parametrize("given", [[1, 2], [True], np.uint8([1])])
def test_only_floats_require_a_gradient(given):
    with pytest.raises(TypeError, match="only float tensors can require a gradient, got"):
        Tensor(given, requires_grad=True)


def test_item_and_bool():
    assert Tensor([[2.5]]).item() == 2.5 and isinstance(Tensor(2).item(), int)
    assert Tensor(1.0) and not Tensor([0])
    with pytest.raises(ValueError, match=r"one element, got shape \(2,\)"):
        Tensor([1, 2]).item()
    with pytest.raises(ValueError):
        bool(Tensor([1, 2]))
    with pytest.raises(TypeError):
        len(Tensor(1.0))


def test_numpy_sees_an_array():
    x = normals((2, 3))
    t = Tensor(x, requires_grad=True)
    assert np.asarray(t) is x
    np.testing.assert_array_equal(np.exp(t), np.exp(x))
    np.testing.assert_array_equal(np.concatenate([t, t]), np.concatenate([x, x]))
    assert np.asarray(t, np.float64).dtype == np.float64
    assert not np.shares_memory(np.array(t), x)
    with pytest.raises(ValueError, match="without a copy"):
        np.array(t, np.float64, copy=False)


def test_dlpack_shares_memory():
    t = Tensor(normals((2, 3)))
    seen = np.from_dlpack(t)
    assert np.shares_memory(seen, t.data)
    np.testing.assert_array_equal(seen, t.data)


def test_arrays_leave_operators_to_tensor():
    x = normals((2, 3))
    for out in (x + Tensor(x), np.float32(2) * Tensor(x), x @ Tensor(x.T.copy()), x < Tensor(x)):
        assert isinstance(out, Tensor)


def test_augmented_assignment_makes_a_new_tensor():
    x = Tensor(np.float32([1, 2]), requires_grad=True)
    y = x
    y += 1.0
    y *= 2.0
    y.sum().backward()
    assert x.tolist() == [1, 2] and y.tolist() == [4, 6]
    np.testing.assert_array_equal(x.grad, [2, 2])


def test_hash_is_identity():
    a, b = Tensor([1.0]), Tensor([1.0])
    assert len({a, b, a}) == 2


def test_no_item_assignment():
    with pytest.raises(TypeError, match="item assignment"):
        Tensor([1.0, 2.0])[0] = 3.0


def test_repr_shows_values_shape_dtype_and_op():
    x = Tensor(np.float32([[1, 2.5]]), requires_grad=True)
    assert repr(x) == "Tensor([[1. , 2.5]], shape=(1, 2), dtype=float32, requires_grad=True)"
    assert repr(x * 2.0) == "Tensor([[2., 5.]], shape=(1, 2), dtype=float32, op=mul)"
    assert "..." in repr(Tensor(np.zeros(5000, np.float32)))


def test_a_leaf_copies_deeply():
    x = Tensor(np.float32([1, 2]), requires_grad=True)
    y = copy.deepcopy(x)
    assert y.requires_grad and y.tolist() == [1, 2] and not np.shares_memory(x.data, y.data)


def test_data_written_between_steps_counts():
    x = Tensor(np.float32([1, 2]), requires_grad=True)
    (x * x).sum().backward()
    x.data[...] = [10, 20]
    x.grad = None
    (x * x).sum().backward()
    np.testing.assert_array_equal(x.grad, [20, 40])


def test_as_tensors_keeps_none():
    t = Tensor([1.0])
    a, b, c = as_tensors(t, None, [2.0])
    assert a is t and b is None and isinstance(c, Tensor)


def test_a_single_number_converts_and_formats():
    t = Tensor(np.float32([[2.5]]))
    assert (float(t), int(t), f"{t:.2f}") == (2.5, 2, "2.50")
    assert f"{t}" == str(t)
    for use in (float, int, "{:.2f}".format):
        with pytest.raises(ValueError, match=r"one element, got shape \(2,\)"):
            use(Tensor([1.0, 2.0]))
