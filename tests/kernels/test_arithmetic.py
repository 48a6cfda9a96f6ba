"""Elementwise kernels: every instruction set against `reference`, at the edges of their vectors."""

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

EXACT_BINARY = ["add", "sub", "mul", "div", "maximum", "minimum"]
EXACT_UNARY = ["copy", "neg", "absolute", "sqrt"]
LENGTHS = [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 16383, 16384, 16385]
SPECIAL = np.array(
    [0.0, -0.0, 1, -1, 0.5, -2.5, 3, 1e-40, -1e-40, 3e38, -3e38, np.inf, -np.inf, np.nan],
    np.float32,
)
# Shapes that meet: one row for each pattern of axes that advance together.
MEETINGS = {
    "same_shape": ((5, 17), (5, 17)),
    "number": ((5, 17), ()),
    "one_element": ((5, 17), (1, 1)),
    "row": ((37, 19), (19,)),
    "column": ((37, 19), (37, 1)),
    "outer_product": ((37, 1), (1, 19)),
    "channels": ((3, 4, 5, 6), (6,)),
    "images": ((3, 4, 5, 6), (3, 1, 1, 1)),
    "image_channels": ((3, 4, 5, 6), (3, 1, 1, 6)),
    "every_second": ((3, 1, 5, 1), (1, 4, 1, 6)),
    "ones_between": ((2, 1, 3, 1, 4), (3, 1, 4)),
    "more_dims": ((4,), (2, 3, 4)),
    "long_rows": ((2, 40000), (40000,)),
    "many_short_rows": ((20000, 3), (3,)),
    "empty": ((0, 5), (5,)),
    "empty_meets_one": ((3, 0), (3, 1)),
}


def special_pairs():
    pairs = list(itertools.product(SPECIAL, SPECIAL))
    return tuple(np.array(side, np.float32) for side in zip(*pairs, strict=True))


@pytest.mark.parametrize("op", EXACT_BINARY)
def test_binary_at_vector_edges(isa, op):
    for n in LENGTHS:
        a, b = normals(n, 1), normals(n, 2)
        check_kernel(isa, getattr(_kernels, op), a, b, exact=True)


@pytest.mark.parametrize("op", EXACT_BINARY)
@pytest.mark.parametrize("name", MEETINGS)
def test_binary_broadcasts(isa, op, name):
    for first, second in (MEETINGS[name], MEETINGS[name][::-1]):
        a, b = normals(first, 1), normals(second, 2)
        (got,) = check_kernel(isa, getattr(_kernels, op), a, b, exact=True)
        numpy_op = {"sub": "subtract", "mul": "multiply", "div": "divide"}.get(op, op)
        np.testing.assert_array_equal(got, getattr(np, numpy_op)(a, b), strict=True)


@pytest.mark.parametrize("op", EXACT_BINARY)
def test_binary_of_special_values(isa, op):
    a, b = special_pairs()
    check_kernel(isa, getattr(_kernels, op), a, b, exact=True)


@pytest.mark.parametrize("op", ["maximum", "minimum"])
def test_nan_wins(isa, op):
    nan = np.full(20, np.nan, np.float32)
    assert np.isnan(getattr(_kernels, op)(nan, normals(20))).all()
    assert np.isnan(getattr(_kernels, op)(normals(20), nan)).all()


def test_python_number_on_either_side(isa):
    x = integers((3, 20))
    assert_same_bits(_kernels.sub(x, 1.5), x - np.float32(1.5))
    assert_same_bits(_kernels.sub(1.5, x), np.float32(1.5) - x)
    assert_same_bits(_kernels.add(x.astype(np.float64), 0.1), x.astype(np.float64) + 0.1)


def test_inputs_transposed_strided_read_only(isa):
    x = normals((6, 10))
    read_only = x.copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(_kernels.add(x.T, read_only.T), (x + x).T)
    np.testing.assert_array_equal(_kernels.mul(x[:, ::2], x[:, 1::2]), x[:, ::2] * x[:, 1::2])
    swapped = x.astype(x.dtype.newbyteorder())
    np.testing.assert_array_equal(_kernels.neg(swapped), -x)


def test_result_is_new_and_writable(isa):
    x = normals(5)
    for y in (_kernels.copy(x), _kernels.add(x, 0.0), _kernels.where(x == x, x, 0.0)):
        assert y.flags.writeable and not np.shares_memory(x, y)


def test_dimensions_up_to_numpys_limit(isa):
    x = integers((1,) * 61 + (2, 3, 2))
    row = integers((1,) * 62 + (3, 1), 1)
    np.testing.assert_array_equal(_kernels.add(x, row), x + row)


@pytest.mark.parametrize("op", EXACT_UNARY)
def test_unary_at_vector_edges(isa, op):
    for n in LENGTHS:
        check_kernel(isa, getattr(_kernels, op), normals(n), exact=True)
    check_kernel(isa, getattr(_kernels, op), SPECIAL, exact=True)


def test_absolute_of_negative_zero_has_no_sign(isa):
    assert not np.signbit(_kernels.absolute(np.full(20, -0.0, np.float32))).any()


@pytest.mark.parametrize("op", ["exp", "log"])
def test_exp_and_log(isa, op):
    for n in LENGTHS[:-3]:
        x = normals(n, 3) * 20 if op == "exp" else np.exp(normals(n, 3) * 20)
        check_kernel(isa, getattr(_kernels, op), x)
    check_kernel(isa, getattr(_kernels, op), SPECIAL)


@pytest.mark.parametrize("low, high", [(-0.5, 0.5), (-np.inf, 0), (0, np.inf), (1, -1), (0, 0)])
def test_clip(isa, low, high):
    for n in LENGTHS:
        check_kernel(isa, _kernels.clip, normals(n), low, high, exact=True)
    check_kernel(isa, _kernels.clip, SPECIAL, low, high, exact=True)


@pytest.mark.parametrize("name", MEETINGS)
def test_where_broadcasts(isa, name):
    first, second = MEETINGS[name]
    for c, a, b in itertools.permutations([first, second, second]):
        mask, yes, no = normals(c) > 0, normals(a, 1), normals(b, 2)
        (got,) = check_kernel(isa, _kernels.where, mask, yes, no, exact=True)
        np.testing.assert_array_equal(got, np.where(mask, yes, no), strict=True)


def test_where_condition_is_repeated_along_rows(isa):
    mask, yes, no = normals((40, 1)) > 0, normals((40, 33), 1), normals(33, 2)
    for a, b in itertools.product((yes, no, 1.5), (yes, no, -1.5)):
        if isinstance(a, float) and isinstance(b, float):
            continue
        expected = np.where(mask, np.asarray(a, np.float32), np.asarray(b, np.float32))
        np.testing.assert_array_equal(_kernels.where(mask, a, b), expected)


def test_where_selects_and_does_not_compute(isa):
    bad, good = np.array([np.inf, np.nan] * 20, np.float32), np.zeros(40, np.float32)
    np.testing.assert_array_equal(_kernels.where(np.zeros(40, bool), bad, good), good)


@pytest.mark.parametrize("exponent", [-4, -3, -2, -1, 0, 0.5, 1, 2, 3, 4, 5, 2.5, -0.5, 1 / 3])
def test_power_of_one_exponent(isa, exponent):
    for n in (0, 1, 15, 16, 17, 100):
        x = np.abs(normals(n)) + np.float32(0.1)
        check_kernel(isa, _kernels.power, x, exponent, scale=2 if isa == "scalar" else 1)


def test_power_of_whole_numbers_is_exact(isa):
    x = integers(100, low=-9, high=9)
    for exponent in (0, 1, 2, 3, 4):
        np.testing.assert_array_equal(_kernels.power(x, exponent), x**exponent)


def test_power_of_special_values(isa):
    x, y = special_pairs()
    got = _kernels.power(x, y)
    with np.errstate(all="ignore"):
        expected = np.power(x.astype(np.float64), y.astype(np.float64)).astype(np.float32)
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(got)[numbers], np.signbit(expected)[numbers])


def test_power_over_the_whole_range(isa):
    rng = np.random.default_rng(5)
    x = np.exp2(rng.uniform(-126, 127, 50_000)).astype(np.float32)
    y = rng.uniform(-1, 1, 50_000).astype(np.float32)
    expected = np.power(x.astype(np.float64), y.astype(np.float64))
    spacing = np.spacing(expected.astype(np.float32)).astype(np.float64)
    ulp = np.abs(_kernels.power(x, y) - expected) / spacing
    assert ulp.max() < (80 if isa == "scalar" else 2)


def test_float64_is_computed_in_float64(isa):
    a, b = normals((4, 7), 1, np.float64), normals(7, 2, np.float64)
    np.testing.assert_array_equal(_kernels.mul(a, b), a * b, strict=True)
    np.testing.assert_allclose(_kernels.exp(a), np.exp(a), rtol=1e-15)
    np.testing.assert_allclose(_kernels.power(np.abs(a), b), np.abs(a) ** b, rtol=1e-14)
    np.testing.assert_array_equal(_kernels.where(a > 0, a, b), np.where(a > 0, a, b), strict=True)


@pytest.mark.parametrize("op", [*EXACT_BINARY, "power"])
def test_binary_same_bits_on_isas_and_threads(op):
    a, b = np.abs(normals((301, 1001), 1)), normals(1001, 2)
    check_same_on_isas(getattr(_kernels, op), a, b)
    check_same_on_threads(getattr(_kernels, op), a, b)


@pytest.mark.parametrize("op", [*EXACT_UNARY, "exp", "log"])
def test_unary_same_bits_on_isas_and_threads(op):
    x = normals((301, 1001)) * 30
    check_same_on_isas(getattr(_kernels, op), x)
    check_same_on_threads(getattr(_kernels, op), x)


def test_bad_operands_are_named():
    x = normals((2, 3))
    with pytest.raises(ValueError, match=r"add: shapes do not broadcast: \(2, 3\), \(4,\)"):
        _kernels.add(x, normals(4))
    with pytest.raises(ValueError, match="do not broadcast"):
        _kernels.add(normals((0, 3)), normals((2, 3)))
    with pytest.raises(TypeError, match="b is float64 but a is float32"):
        _kernels.add(x, x.astype(np.float64))
    with pytest.raises(TypeError, match="a must be float32 or float64, got int64"):
        _kernels.mul(np.arange(3), x)
    with pytest.raises(TypeError, match="a must be an ndarray, got list"):
        _kernels.add([1.0], x)
    with pytest.raises(TypeError, match="a must be an ndarray, got float"):
        _kernels.add(1.0, 2.0)
    with pytest.raises(TypeError, match="condition must be an ndarray of bool, got float32"):
        _kernels.where(x, x, x)


def test_result_beyond_any_memory():
    axes = [
        np.ones([1 << 20 if d == axis else 1 for d in range(3)], np.float32) for axis in range(3)
    ]
    with pytest.raises(MemoryError, match="more than an array can hold"):
        _kernels.where(axes[0] > 0, axes[1], axes[2])
