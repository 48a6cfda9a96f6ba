"""Maximum and minimum with their places: every instruction set against `reference`."""

import itertools

import numpy as np
import pytest
from helpers import check_kernel, check_same_on_threads, integers, normals

from minidrop import _kernels

LINES = [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 1000]


@pytest.mark.parametrize("least", [False, True])
def test_lines(isa, least):
    for lines, n in itertools.product((1, 2, 16, 17), LINES):
        check_kernel(isa, _kernels.extreme, normals((lines, n), n), 1, least=least, exact=True)


@pytest.mark.parametrize("least", [False, True])
def test_columns(isa, least):
    for rows, cols in itertools.product((1, 2, 5, 100), (2, 3, 8, 15, 16, 17, 33, 2049)):
        check_kernel(isa, _kernels.extreme, normals((rows, cols), rows), 0, least=least, exact=True)


@pytest.mark.parametrize("least", [False, True])
def test_ties_go_to_the_first(isa, least):
    x = integers((40, 50, 3), low=0, high=1)
    for dim in (0, 1, 2):
        values, places = check_kernel(isa, _kernels.extreme, x, dim, least=least, exact=True)
        np.testing.assert_array_equal(values, (x.min if least else x.max)(dim))
        np.testing.assert_array_equal(places, (x.argmin if least else x.argmax)(dim), strict=True)


@pytest.mark.parametrize("least", [False, True])
def test_first_nan_beats_every_number(isa, least):
    for n, first in itertools.product((1, 5, 16, 40, 100), (0, 3, 15, 16, 39, 99)):
        if first >= n:
            continue
        x = normals((3, n))
        x[1, first:] = np.nan
        for array, dim in ((x, 1), (np.ascontiguousarray(x.T), 0)):
            values, places = check_kernel(
                isa, _kernels.extreme, array, dim, least=least, exact=True
            )
            assert places[1] == first and np.isnan(values[1]) and not np.isnan(values[[0, 2]]).any()


@pytest.mark.parametrize("least", [False, True])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 0.0])
def test_all_equal(isa, least, value):
    for shape, dim in (((4, 37), 1), ((37, 4), 0)):
        x = np.full(shape, value, np.float32)
        values, places = _kernels.extreme(x, dim, least=least)
        np.testing.assert_array_equal(values, np.full(4, value, np.float32))
        np.testing.assert_array_equal(places, np.zeros(4, np.int64), strict=True)


def test_zeros_of_both_signs_are_equal(isa):
    x = np.array([[-0.0, 0.0] * 10, [0.0, -0.0] * 10], np.float32)
    values, places = _kernels.extreme(x, 1)
    np.testing.assert_array_equal(places, [0, 0])
    np.testing.assert_array_equal(np.signbit(values), [True, False])


def test_padding_does_not_win(isa):
    for n in LINES:
        values, places = _kernels.extreme(np.full((2, n), -5, np.float32), 1)
        np.testing.assert_array_equal(values, [-5, -5])
        values, _ = _kernels.extreme(np.full((2, n), 5, np.float32), 1, least=True)
        np.testing.assert_array_equal(values, [5, 5])


def test_every_dim_and_none(isa):
    x = normals((3, 4, 5, 6))
    for dim in (0, 1, 2, 3, None):
        for keepdim in (False, True):
            values, places = _kernels.extreme(x, dim, keepdim=keepdim)
            np.testing.assert_array_equal(values, x.max(dim, keepdims=keepdim), strict=True)
            np.testing.assert_array_equal(places, x.argmax(dim, keepdims=keepdim))


def test_empty(isa):
    values, places = _kernels.extreme(np.zeros((0, 3), np.float32), 1)
    assert values.shape == places.shape == (0,)
    with pytest.raises(ValueError, match=r"max of no elements: x has shape \(3, 0\)"):
        _kernels.extreme(np.zeros((3, 0), np.float32), 1)
    with pytest.raises(ValueError, match="min of no elements"):
        _kernels.extreme(np.zeros(0, np.float32), least=True)


def test_float64(isa):
    x = normals((9, 33), dtype=np.float64)
    for dim in (0, 1):
        values, places = _kernels.extreme(x, dim)
        np.testing.assert_array_equal(values, x.max(dim), strict=True)
        np.testing.assert_array_equal(places, x.argmax(dim))


def test_same_on_threads():
    x = normals((2000, 301))
    for dim in (0, 1):
        check_same_on_threads(_kernels.extreme, x, dim)
