"""Matrix products as ops: values against NumPy, gradients against differences."""

import numpy as np
import pytest
from helpers import assert_close, assert_same_bits, integers, normals

import minidrop.functional as F
from minidrop.gradcheck import gradcheck
from minidrop.tensor import Tensor

SHAPES = {
    "matrices": ((3, 4), (4, 5)),
    "vector_vector": ((4,), (4,)),
    "vector_matrix": ((4,), (4, 5)),
    "matrix_vector": ((3, 4), (4,)),
    "stacks": ((2, 3, 4), (2, 4, 5)),
    "stack_matrix": ((2, 3, 4), (4, 5)),
    "matrix_stack": ((3, 4), (2, 4, 5)),
    "stacks_broadcast": ((2, 1, 3, 4), (6, 4, 5)),
    "vector_stack": ((4,), (2, 4, 5)),
    "stack_vector": ((2, 3, 4), (4,)),
    "no_rows": ((0, 4), (4, 5)),
    "no_columns": ((3, 4), (4, 0)),
    "no_terms": ((3, 0), (0, 5)),
    "empty_stack": ((0, 3, 4), (0, 4, 5)),
}


@pytest.mark.parametrize("a, b", SHAPES.values(), ids=SHAPES)
def test_matmul(a, b):
    for dtype in (np.float32, np.float64):
        x, y = integers(a, 1, dtype=dtype), integers(b, 2, dtype=dtype)
        got = Tensor(x) @ Tensor(y)
        np.testing.assert_array_equal(got.data, x @ y)
        assert got.dtype == dtype and got.shape == (x @ y).shape
        np.testing.assert_array_equal((x @ Tensor(y)).data, x @ y)
        np.testing.assert_array_equal(F.matmul(x, y).data, x @ y)
    gradcheck(F.matmul, (normals(a, 1), normals(b, 2)))


def test_matmul_of_transposed():
    x, y = normals((4, 3)), normals((5, 4), 1)
    assert_close(Tensor(x).T @ Tensor(y).T, x.T @ y.T, 5)
    gradcheck(lambda a, b: a.T @ b.T, (x, y))
    x, w = Tensor(normals((9, 40))), Tensor(normals((70, 40), 1), requires_grad=True)
    copied = Tensor(np.ascontiguousarray(w.data.T), requires_grad=True)
    y, same = x @ w.T, x @ copied
    y.sum().backward()
    same.sum().backward()
    assert_same_bits(y.data, same.data)
    assert_same_bits(w.grad, copied.grad.T)


def test_matmul_with_itself():
    x = normals((4, 4))
    gradcheck(lambda a: a @ a, x)
    gradcheck(lambda a: a @ a.T, x)


def test_bad_matmul_is_named():
    x = Tensor(normals((3, 4)))
    with pytest.raises(ValueError, match=r"inner sizes differ: a \(3, 4\), b \(3, 4\)"):
        x @ x
    with pytest.raises(ValueError, match=r"matmul takes no scalars: a \(3, 4\), b \(\)"):
        x @ 2.0
    with pytest.raises(ValueError, match="scalars"):
        2.0 @ x
    with pytest.raises(TypeError, match="matmul: a is float32 but b is float64"):
        x @ normals((4, 5), dtype=np.float64)
    with pytest.raises(ValueError):
        Tensor(normals((2, 3, 4))) @ normals((5, 4, 2))


@pytest.mark.parametrize("shape", [(5, 4), (4,), (2, 3, 4), (0, 4), (2, 0, 4)])
@pytest.mark.parametrize("bias", [False, True])
def test_linear(shape, bias):
    x, w, b = integers(shape, 1), integers((4, 3), 2), integers(3, 3)
    got = F.linear(x, w, b if bias else None)
    np.testing.assert_array_equal(got.data, x @ w + (b if bias else 0))
    gradcheck(F.linear, (normals(shape, 1), normals((4, 3), 2), *([normals(3, 3)] if bias else [])))


@pytest.mark.parametrize("bias", [False, True])
def test_linear_with_relu_in_the_same_pass(bias):
    given = [normals((50, 4), 1), normals((4, 30), 2), *([normals(30, 3)] if bias else [])]
    plain = F.linear(*given)
    fused = F.linear(*given, relu=True)
    assert_same_bits(fused.data, np.where(plain.data > 0, plain.data, np.float32(0)))
    gradcheck(lambda *g: F.linear(*g, relu=True), [g[:5] for g in given[:1]] + given[1:])


@pytest.mark.parametrize("p", [0.2, 0.25, 0.5, 1.0])
def test_linear_with_relu_and_dropout_in_the_same_pass(p):
    fused, apart = ([Tensor(a, requires_grad=True) for a in
                     (normals((40, 300), 1), normals((300, 70), 2), normals(70, 3))]
                    for _ in range(2))  # fmt: skip
    dy = normals((40, 70), 4)
    y = F.linear(*fused, relu=True, dropout=(p, 7, 1, 2, 0))
    expected = F.dropout(F.linear(*apart, relu=True), p, training=True, seed=7, stream=1, call=2)
    assert_same_bits(y.data, expected.data)
    y.backward(dy)
    expected.backward(dy)
    for a, b in zip(fused, apart, strict=True):
        assert_same_bits(a.grad, b.grad)


def test_linear_gradients_only_where_wanted():
    x, w, b = integers((5, 4), 1), integers((4, 3), 2), integers(3, 3)
    for wanted in range(3):
        given = [Tensor(a, requires_grad=i == wanted) for i, a in enumerate((x, w, b))]
        F.linear(*given).sum().backward()
        assert [t.grad is not None for t in given] == [i == wanted for i in range(3)]


def test_bad_linear_is_named():
    with pytest.raises(ValueError, match=r"do not fit: \(5, 4\), \(3, 4\)"):
        F.linear(normals((5, 4)), normals((3, 4)))
    with pytest.raises(ValueError, match="do not fit"):
        F.linear(np.float32(1), normals((1, 4)))
    with pytest.raises(TypeError, match="linear: x is float64 but w is float32"):
        F.linear(normals((5, 4), dtype=np.float64), normals((4, 3)))
    with pytest.raises(ValueError, match=r"bias must have shape \(3,\), got \(4,\)"):
        F.linear(normals((5, 4)), normals((4, 3)), normals(4))
