"""Elementwise ops: values against NumPy, gradients against differences, what may meet what."""

import numpy as np
import pytest
from helpers import assert_close, normals

import minidrop.functional as F
from minidrop.gradcheck import gradcheck
from minidrop.tensor import Tensor

SHAPES = {
    "same": ((3, 4), (3, 4)),
    "row": ((3, 4), (4,)),
    "column": ((3, 4), (3, 1)),
    "outer": ((3, 1), (1, 4)),
    "scalar": ((3, 4), ()),
    "more_dims": ((4,), (2, 3, 4)),
    "empty": ((0, 4), (4,)),
}
BINARY = {
    "add": (F.add, np.add),
    "sub": (F.sub, np.subtract),
    "mul": (F.mul, np.multiply),
    "div": (F.div, np.divide),
    "pow": (F.pow, np.power),
    "maximum": (F.maximum, np.maximum),
    "minimum": (F.minimum, np.minimum),
}
UNARY = {
    "neg": (F.neg, np.negative),
    "abs": (F.abs, np.abs),
    "exp": (F.exp, np.exp),
    "log": (F.log, np.log),
    "sqrt": (F.sqrt, np.sqrt),
    "square": (F.square, np.square),
}


def positive(shape, seed, dtype=np.float32):
    return np.abs(normals(shape, seed, dtype)) + dtype(0.5)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
def test_binary(name, shapes):
    op, numpy_op = BINARY[name]
    for a, b in (shapes, shapes[::-1]):
        for dtype in (np.float32, np.float64):
            x, y = positive(a, 1, dtype), positive(b, 2, dtype)
            got = op(Tensor(x), Tensor(y))
            assert got.dtype == dtype
            assert_close(got, numpy_op(x, y))
        gradcheck(op, (x, y))


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 5)])
def test_unary(name, shape):
    op, numpy_op = UNARY[name]
    for dtype in (np.float32, np.float64):
        x = positive(shape, 1, dtype)
        got = op(Tensor(x))
        assert got.dtype == dtype
        assert_close(got, numpy_op(x))
    gradcheck(op, x)


def test_operators_and_methods_are_the_ops():
    x, y = positive((3, 4), 1), positive((3, 4), 2)
    a, b = Tensor(x), Tensor(y)
    for got, expected in [
        (a + b, x + y),
        (a - b, x - y),
        (a * b, x * y),
        (a / b, x / y),
        (a**b, x**y),
        (-a, -x),
        (abs(-a), x),
        (a.exp(), np.exp(x)),
        (a.log(), np.log(x)),
        (a.sqrt(), np.sqrt(x)),
        (a.square(), x * x),
        (a.abs(), x),
        (a.clip(1, 2), x.clip(1, 2)),
        (a < b, x < y),
        (a <= b, x <= y),
        (a > b, x > y),
        (a >= b, x >= y),
        (a == b, x == y),
        (a != b, x != y),
    ]:
        assert isinstance(got, Tensor)
        assert_close(got, expected, 5)


@pytest.mark.parametrize("other", [2, 2.5, True, np.float32(2), np.float64(0.1), np.int64(3)])
def test_numbers_on_either_side_keep_the_dtype(other):
    for dtype in (np.float32, np.float64):
        x = positive((3, 4), 1, dtype)
        for got, expected in [
            (Tensor(x) + other, x + dtype(other)),
            (other + Tensor(x), dtype(other) + x),
            (Tensor(x) - other, x - dtype(other)),
            (other - Tensor(x), dtype(other) - x),
            (Tensor(x) * other, x * dtype(other)),
            (other * Tensor(x), dtype(other) * x),
            (Tensor(x) / other, x / dtype(other)),
            (other / Tensor(x), dtype(other) / x),
            (Tensor(x) ** other, x ** dtype(other)),
            (other ** Tensor(x), dtype(other) ** x),
            (Tensor(x) > other, x > dtype(other)),
            (other > Tensor(x), dtype(other) > x),
        ]:
            assert got.dtype == expected.dtype
            assert_close(got, expected)


def test_arrays_and_lists_on_either_side():
    x, y = positive((2, 3), 1), positive((2, 3), 2)
    for got in (Tensor(x) - y, x - Tensor(y), F.sub(x, y), Tensor(x) - y.tolist()):
        assert isinstance(got, Tensor)
        assert_close(got, x - y)
    got = [[1, 2, 3], [4, 5, 6]] * Tensor(x)
    assert_close(got, np.float32([[1, 2, 3], [4, 5, 6]]) * x)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, bool])
def test_integers_and_bools_take_the_float_type_they_meet(dtype):
    n = np.array([0, 1, 1], dtype)
    for real in (np.float32, np.float64):
        x = positive(3, 1, real)
        assert (Tensor(n) * Tensor(x)).dtype == real
        assert_close(Tensor(n) * Tensor(x), n.astype(real) * x)
        assert_close(x - Tensor(n), x - n.astype(real))
    a = Tensor(positive(3, 1), requires_grad=True)
    (a * Tensor(n)).sum().backward()
    np.testing.assert_array_equal(a.grad, n.astype(np.float32))


def test_integers_among_themselves_follow_numpy():
    labels = np.array([3, 1, 2])
    assert (Tensor(labels) + 1).dtype == np.int64
    np.testing.assert_array_equal((Tensor(labels) * Tensor(labels)).data, labels * labels)
    np.testing.assert_array_equal((2 ** Tensor(labels)).data, 2**labels)
    images = np.array([0, 255], np.uint8)
    scaled = Tensor(images) / 255
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled.data, [0, 1])
    assert (Tensor(images) * 0.5).dtype == np.float32
    assert (Tensor(np.array([True, True])) + 1).tolist() == [2, 2]
    assert (-Tensor(labels)).tolist() == [-3, -1, -2] and abs(-Tensor(labels)).tolist() == [3, 1, 2]
    assert Tensor(labels).clip(max=2).tolist() == [2, 1, 2]
    assert Tensor(labels).exp().dtype == np.float32
    assert F.add(2, 3).item() == 5 and F.maximum(Tensor(labels), 2).tolist() == [3, 2, 2]
    with pytest.raises(ValueError, match="does not fit into uint8"):
        Tensor(images) + 300


def test_float32_never_meets_float64():
    a, b = Tensor(np.float32([1])), Tensor(np.float64([1]))
    for name, (op, _) in BINARY.items():
        with pytest.raises(TypeError, match=f"{name}: float32 and float64"):
            op(a, b)
    for op in (F.eq, F.lt, F.ge):
        with pytest.raises(TypeError, match="float32 and float64"):
            op(b, a)
    with pytest.raises(TypeError, match="where: float32 and float64"):
        F.where(True, a, b)


@pytest.mark.parametrize("exponent", [-3, -1, -0.5, 0, 0.5, 1, 2, 3, 2.5])
def test_pow_of_one_exponent(exponent):
    x = positive((3, 4), 1, np.float64)
    assert_close(Tensor(x) ** exponent, x**exponent)
    gradcheck(lambda a: a**exponent, x)
    if float(exponent).is_integer():
        gradcheck(lambda a: a**exponent, -x)


def test_pow_gradient_at_zero():
    for exponent, slope in ((0, 0), (1, 1), (2, 0), (3, 0)):
        x = Tensor(np.zeros(3, np.float32), requires_grad=True)
        (x**exponent).sum().backward()
        np.testing.assert_array_equal(x.grad, np.full(3, slope, np.float32))
    x, p = (Tensor(np.float32(v), requires_grad=True) for v in ([0, 0, 2], [0, 2, 0]))
    (x**p).sum().backward()
    np.testing.assert_array_equal(x.grad, [0, 0, 0])
    np.testing.assert_allclose(p.grad, [0, 0, np.log(2)], rtol=1e-6)


def test_maximum_shares_the_gradient_of_equals():
    a = Tensor(np.float32([1, 2, 3]), requires_grad=True)
    b = Tensor(np.float32([2, 2, 2]), requires_grad=True)
    F.maximum(a, b).sum().backward()
    np.testing.assert_array_equal(a.grad, [0, 0.5, 1])
    np.testing.assert_array_equal(b.grad, [1, 0.5, 0])


def test_abs_gradient_at_zero_is_zero():
    x = Tensor(np.float32([-2, 0, 3]), requires_grad=True)
    x.abs().sum().backward()
    np.testing.assert_array_equal(x.grad, [-1, 0, 1])


@pytest.mark.parametrize("low, high", [(-0.5, 0.5), (None, 0.25), (0.1, None), (1, -1)])
def test_clip(low, high):
    x = normals((5, 9), 1, np.float64)
    assert_close(Tensor(x).clip(low, high), np.clip(x, low, high))
    if low is None or high is None or low < high:
        gradcheck(lambda a: a.clip(low, high), x)


def test_clip_of_nan_and_bounds():
    x = Tensor(np.float32([np.nan, -1, 0, 1, np.inf]), requires_grad=True)
    y = x.clip(-1, 1)
    np.testing.assert_array_equal(y.data, [np.nan, -1, 0, 1, 1])
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, [0, 1, 1, 1, 0])


@pytest.mark.parametrize(
    "bounds, error, message",
    [
        ((None, None), ValueError, "min or max"),
        ((np.nan, 1), ValueError, "min must not be NaN"),
        (("0", 1), TypeError, "min must be a number or None, got '0'"),
        ((0, [1]), TypeError, "max must be a number"),
    ],
)
def test_bad_clip_bounds_are_named(bounds, error, message):
    with pytest.raises(error, match=message):
        F.clip(np.float32([1]), *bounds)


def test_clip_bounds_beyond_the_integers_are_named():
    with pytest.raises(ValueError, match=f"min {2**64} or max None does not fit into int64"):
        F.clip([1], 2**64)


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
def test_where(shapes):
    for a, b in (shapes, shapes[::-1]):
        x, y = normals(a, 1, np.float64), normals(b, 2, np.float64)
        mask = normals(np.broadcast_shapes(a, b), 3) > 0
        assert_close(F.where(mask, Tensor(x), y), np.where(mask, x, y))
        gradcheck(lambda p, q, mask=mask: F.where(mask, p, q), (x, y))
    gradcheck(lambda p: F.where(Tensor(mask), p, 0.0), y)


def test_where_takes_no_gradient_from_what_was_not_chosen():
    x = Tensor(np.float32([0, 4]), requires_grad=True)
    F.where(x > 0, x, 1.0).log().sum().backward()
    np.testing.assert_array_equal(x.grad, [0, 0.25])
    with pytest.raises(TypeError, match="condition must hold bools, got int64"):
        F.where([1, 0], x, x)
    np.testing.assert_array_equal(F.where([True, False], 1, [2, 3]).data, [1, 3])


def test_comparisons_have_no_graph():
    x = Tensor(np.float32([1, np.nan, 3]), requires_grad=True)
    for got, expected in [
        (x == x, [True, False, True]),
        (x != x, [False, True, False]),
        (x < 2, [True, False, False]),
        (x <= 3, [True, False, True]),
        (x > 1, [False, False, True]),
        (x >= 1, [True, False, True]),
    ]:
        assert got.dtype == bool and not got.requires_grad
        assert got.tolist() == expected


def test_masks_combine():
    x = Tensor(np.float32([1, 2, 3, 4]))
    assert ((x > 1) & (x < 4)).tolist() == [False, True, True, False]
    assert ((x < 2) | np.array([False, False, False, True])).tolist() == [True, False, False, True]
    assert (~(x > 2)).tolist() == [True, True, False, False]
    assert (Tensor([6, 3]) & 2).tolist() == [2, 2] and (True & (x > 3)).dtype == bool
    for bad in (lambda: x & x, lambda: x | True, lambda: ~x):
        with pytest.raises(TypeError, match="takes bools and integers, got float32"):
            bad()


def test_a_tensor_equals_no_none_and_no_text():
    x = Tensor(np.float32([1, 2]))
    assert (x == None) is False and (x != None) is True and (x == "x") is False  # noqa: E711
    assert x in [x] and hash(x) == hash(x)


@pytest.mark.parametrize("other", [None, "2", object(), 1j, {"a": 1}])
def test_other_operands_are_refused(other):
    with pytest.raises(TypeError):
        Tensor(np.float32([1])) + other


def test_shapes_that_do_not_meet():
    a, b = Tensor(np.ones((2, 3), np.float32)), Tensor(np.ones(4, np.float32))
    with pytest.raises(ValueError, match=r"mul: shapes do not broadcast: \(2, 3\), \(4,\)"):
        a * b


def test_an_operand_on_both_sides():
    gradcheck(lambda a: a * a + a / a - a, positive((3, 4), 1))
    gradcheck(lambda a: a**a, positive((3, 4), 1))


def test_numbers_too_large():
    x = Tensor(np.float32([1]))
    with pytest.warns(RuntimeWarning, match="overflow"):
        assert np.isposinf((x * 1e300).data).all()
    with pytest.raises(ValueError, match="does not fit into float32"):
        x * 10**400


def test_gradient_only_where_it_is_wanted():
    a = Tensor(np.float32([1, 2]), requires_grad=True)
    b = Tensor(np.float32([3, 4]))
    for op in (F.add, F.sub, F.mul, F.div, F.pow, F.maximum):
        for x, y in ((a, b), (b, a)):
            out = op(x, y)
            assert out.requires_grad
            out.sum().backward()
        assert b.grad is None and a.grad is not None
    assert not (b + b).requires_grad
