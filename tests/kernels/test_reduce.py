"""Sums over axes: every instruction set against `reference`, at the edges of lanes and chunks."""

import itertools

import numpy as np
import pytest
from helpers import (
    assert_same_bits,
    check_kernel,
    check_same_on_isas,
    check_same_on_threads,
    integers,
    normals,
)

from minidrop import _kernels

# around a vector, 16 lanes, 4 times 16 lanes, and a chunk of 16384
LINES = [0, 1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 128, 129, 16383, 16384, 16385, 40000]


@pytest.mark.parametrize("squares", [False, True])
def test_one_line(isa, squares):
    for n in LINES:
        check_kernel(isa, _kernels.sum_over, integers(n), squares=squares, exact=True)


@pytest.mark.parametrize("squares", [False, True])
def test_many_lines(isa, squares):
    for lines, n in itertools.product((1, 2, 3, 8, 15, 16, 17, 33), (1, 3, 16, 17, 100)):
        x = integers((lines, n), lines)
        check_kernel(isa, _kernels.sum_over, x, (1,), squares=squares, exact=True)


@pytest.mark.parametrize("squares", [False, True])
def test_columns(isa, squares):
    for rows, cols in itertools.product((0, 1, 7, 8, 9, 63, 64, 65, 300), (2, 3, 8, 16, 17, 40)):
        x = integers((rows, cols), rows)
        check_kernel(isa, _kernels.sum_over, x, (0,), squares=squares, exact=True)


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param((20000, 10), id="tall"),
        pytest.param((1000, 64), id="several_chunks"),
        pytest.param((70, 2049), id="a_panel_and_one_column"),
        pytest.param((3, 5000), id="wide"),
        pytest.param((5, 70, 300), id="outer_slices"),
        pytest.param((3000, 2, 3), id="many_small_slices"),
        pytest.param((2, 0, 3), id="nothing_to_add"),
        pytest.param((0, 4, 3), id="no_result"),
    ],
)
def test_middle_axis(isa, shape):
    check_kernel(isa, _kernels.sum_over, integers(shape), (len(shape) - 2,), exact=True)


@pytest.mark.parametrize("dims", [d for n in range(5) for d in itertools.combinations(range(4), n)])
def test_every_set_of_dims(isa, dims):
    x = integers((3, 4, 5, 6))
    for keepdim in (False, True):
        (got,) = check_kernel(isa, _kernels.sum_over, x, dims, keepdim=keepdim, exact=True)
        np.testing.assert_array_equal(got, x.sum(dims, keepdims=keepdim), strict=True)
        squares = _kernels.sum_over(x, dims, keepdim=keepdim, squares=True)
        np.testing.assert_array_equal(squares, (x * x).sum(dims, keepdims=keepdim), strict=True)
        mean = _kernels.sum_over(x, dims, keepdim=keepdim, mean=True)
        np.testing.assert_allclose(mean, x.mean(dims, keepdims=keepdim), rtol=1e-6)


def test_none_is_all_dims(isa):
    x = integers((3, 4, 5))
    assert _kernels.sum_over(x).shape == ()
    assert _kernels.sum_over(x, keepdim=True).shape == (1, 1, 1)
    assert _kernels.sum_over(x) == x.sum()
    assert _kernels.sum_over(np.full((), 3, np.float32)) == 3


def test_dims_of_size_one(isa):
    x = integers((1, 5, 1, 3, 1))
    for dims in ((0,), (0, 2, 4), (0, 1), (2, 3), ()):
        np.testing.assert_array_equal(_kernels.sum_over(x, dims), x.sum(dims), strict=True)


def test_mean_of_nothing_is_nan(isa):
    assert np.isnan(_kernels.sum_over(np.zeros(0, np.float32), mean=True))
    assert np.isnan(_kernels.sum_over(np.zeros((0, 3), np.float32), (0,), mean=True)).all()


def test_infinity_and_nan(isa):
    x = np.zeros((3, 100), np.float32)
    x[0, 50], x[1, 70], x[2, 3], x[2, 80] = np.inf, np.nan, np.inf, -np.inf
    for got in (_kernels.sum_over(x, (1,)), _kernels.sum_over(np.ascontiguousarray(x.T), (0,))):
        np.testing.assert_array_equal(got, [np.inf, np.nan, np.nan])


def test_transposed_input(isa):
    x = integers((7, 30))
    np.testing.assert_array_equal(_kernels.sum_over(x.T, (0,)), x.sum(1), strict=True)


def test_long_sums_stay_accurate(isa):
    x = np.random.default_rng(0).random(1_000_000, np.float32)
    expected = x.sum(dtype=np.float64)
    assert abs(_kernels.sum_over(x) - expected) < 1e-6 * expected
    column = np.repeat(x[:100_000, None], 2, axis=1)
    expected = x[:100_000].sum(dtype=np.float64)
    np.testing.assert_allclose(_kernels.sum_over(column, (0,)), expected, rtol=1e-6)


def test_float64(isa):
    x = normals((40, 50), dtype=np.float64)
    np.testing.assert_allclose(_kernels.sum_over(x, (0,)), x.sum(0), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(_kernels.sum_over(x, (1,), mean=True), x.mean(1), atol=1e-14)
    np.testing.assert_allclose(_kernels.sum_over(x, squares=True), (x * x).sum(), rtol=1e-13)


@pytest.mark.parametrize("squares", [False, True])
@pytest.mark.parametrize(
    "shape, dims",
    [
        ((1_000_003,), None),
        ((20_011, 64), (0,)),
        ((20_011, 64), (1,)),
        ((20_011, 7), (0,)),
        ((20_011, 7), (1,)),
        ((30, 2100, 3), (0, 2)),
    ],
)
def test_same_bits_on_isas_and_threads(shape, dims, squares):
    x = normals(shape)
    (a,) = check_same_on_isas(_kernels.sum_over, x, dims, squares=squares)
    (b,) = check_same_on_threads(_kernels.sum_over, x, dims, squares=squares)
    if _kernels.isa() in ("avx2", "avx512", "neon"):
        assert_same_bits(a, b)


def test_bits_of_a_slice_do_not_depend_on_its_batch():
    x = normals((50, 300, 5))
    whole = _kernels.sum_over(x, (1,))
    for i in (0, 7, 49):
        assert_same_bits(_kernels.sum_over(x[i : i + 1], (1,))[0], whole[i])
    lines = normals((50, 300))
    whole = _kernels.sum_over(lines, (1,))
    assert_same_bits(_kernels.sum_over(lines[7:8], (1,))[0], whole[7])


@pytest.mark.parametrize(
    "dim, ndim, error",
    [
        (2, 2, ValueError),
        (-3, 2, IndexError),
        (0, 0, ValueError),
        (1.0, 2, TypeError),
        (True, 2, TypeError),
    ],
)
def test_bad_dim_is_named(dim, ndim, error):
    with pytest.raises(error, match="dim must be"):
        _kernels.checked_dim(dim, ndim)


def test_bad_input_is_named():
    with pytest.raises(TypeError, match="x must be float32 or float64, got int64"):
        _kernels.sum_over(np.arange(3))
