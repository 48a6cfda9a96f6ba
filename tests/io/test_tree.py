import json
import math

import numpy as np
import pytest

from minidrop.io.tree import DTYPES, pack, unpack


def there_and_back(value):
    arrays = {}
    text = json.dumps(pack(value, "meta", arrays), allow_nan=False)
    return unpack(json.loads(text), arrays)


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -1, 10**40, 0.1, 1e-320, -0.0, math.inf, -math.inf, "", "grün \U0001f600 \n",
        "\ud800", [], [1, [2, None]], (), (1, (2.5, "a")), {}, {"a": {"b": (1,)}}, {1: "a", "1": 2},
        {(1, 2): 3, None: 4}, {"$array": "x"}, {"$tuple": [1]}, {"$": 1, "b": 2},
    ],
    ids=repr,
)  # fmt: skip
def test_plain_values(value):
    got = there_and_back({"value": value})["value"]
    assert got == value and type(got) is type(value) and repr(got) == repr(value)


def test_nan():
    assert math.isnan(there_and_back([math.nan])[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays(dtype):
    for shape in ((), (0,), (3,), (2, 0, 3), (2, 3)):
        array = (np.arange(math.prod(shape)) % 2).reshape(shape).astype(dtype)
        got = there_and_back({"a": [array]})["a"][0]
        assert got.dtype == array.dtype and got.shape == shape and got.flags.writeable
        np.testing.assert_array_equal(got, array)


def test_non_contiguous_and_foreign_byte_order():
    array = np.arange(12, dtype=">i4").reshape(3, 4).T[::-1]
    got = there_and_back(array)
    assert got.dtype == np.int32 and got.flags.c_contiguous
    np.testing.assert_array_equal(got, array)


def test_numpy_scalars_become_python_s():
    got = there_and_back([np.float32(0.1), np.int64(3), np.bool_(True), np.float64("inf")])
    assert got == [float(np.float32(0.1)), 3, True, math.inf]
    assert [type(value) for value in got] == [float, int, bool, float]


def test_arrays_of_one_name():
    a, b = np.zeros(1), np.ones(2)
    got = there_and_back({"a.b": a, "a": {"b": b}})
    np.testing.assert_array_equal(got["a.b"], a)
    np.testing.assert_array_equal(got["a"]["b"], b)


@pytest.mark.parametrize(
    "value", [{1, 2}, b"bytes", 1j, object(), len, np.array(["a"]), np.array([None]),
              np.zeros(2, np.complex128), np.datetime64("2020-01-01", "ns") - np.datetime64(0, "s")]
)  # fmt: skip
def test_other_kinds(value):
    with pytest.raises(TypeError, match=r"meta\.a\.0 must be .* got"):
        pack({"a": [value]}, "meta", {})


@pytest.mark.parametrize(
    "value", [{"$array": "x"}, {"$float": "x"}, {"$items": [1]}, {"$tuple": 3}, {"$array": [1]}]
)
def test_nonsense(value):
    with pytest.raises((LookupError, TypeError, ValueError)):
        unpack(value, {})
