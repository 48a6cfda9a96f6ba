"""gradcheck finds wrong gradients, and says where."""

import numpy as np
import pytest
from helpers import normals

import minidrop.functional as F
from minidrop.gradcheck import gradcheck
from minidrop.tensor import Tensor, node


def squares(factor, at=slice(None)):
    """x**2 with its gradient multiplied by `factor` at some elements."""

    def op(x):
        def backward(dout):
            dx = 2 * x.data * dout
            dx[at] *= factor
            return (dx,)

        return node(x.data**2, (x,), backward, "squares")

    return op


def test_a_right_gradient_passes():
    assert gradcheck(squares(1), normals((3, 4))) is True
    assert gradcheck(lambda a, b: a @ b, [normals((2, 3)), normals((3, 2), 1)])


@pytest.mark.parametrize("factor", [0, -1, 1.01, np.nan, np.inf])
def test_a_wrong_gradient_is_found_where_it_is(factor):
    x = normals((3, 4), 1) + 3
    with pytest.raises(
        AssertionError, match=r"input 0 is wrong, worst at index \(1, 2\)"
    ) as caught:
        gradcheck(squares(factor, (1, 2)), x)
    assert "numeric" in str(caught.value) and "analytic" in str(caught.value)


def test_the_worst_of_several_is_named():
    def op(a, b):
        return squares(1.01)(a) + squares(2, 3)(b)

    with pytest.raises(AssertionError, match=r"input 1 is wrong, worst at index \(3,\)"):
        gradcheck(op, (np.ones(4), np.ones(4)))


def test_tolerances_are_the_callers():
    x = np.full(3, 2.0)
    assert gradcheck(squares(1.01), x, rtol=0.02)
    assert gradcheck(squares(1.01), x, atol=1.0)
    with pytest.raises(AssertionError):
        gradcheck(squares(1.0001), x, rtol=1e-5, atol=0)


def test_a_missing_gradient_is_zero():
    def forgets(x):
        return node(x.data * 2, (x,), lambda dout: (None,), "forgets")

    with pytest.raises(AssertionError, match="analytic 0"):
        gradcheck(forgets, np.ones(2))
    with pytest.raises(AssertionError, match="analytic 0"):
        gradcheck(lambda x: Tensor(x.data * 2), np.ones(2))
    assert gradcheck(lambda x: Tensor(np.zeros(2)), np.ones(2))


def test_inputs_are_computed_in_float64_and_left_alone():
    seen = []
    x = Tensor(np.float32([1, 2]), requires_grad=True)
    before = x.data.copy()

    def op(a):
        seen.append(a.dtype)
        return a * 3.0

    gradcheck(op, x)
    assert set(seen) == {np.dtype(np.float64)}
    assert x.grad is None and x.dtype == np.float32
    np.testing.assert_array_equal(x.data, before)


def test_only_what_requires_a_gradient_is_checked():
    x, w = Tensor(np.ones(3), requires_grad=True), Tensor(np.ones(3))

    def op(a, b):
        return node(a.data * b.data, (a, b), lambda dout: (dout * b.data, dout * 99), "half")

    assert gradcheck(op, (x, w))
    with pytest.raises(AssertionError, match="input 1"):
        gradcheck(op, (x.data, w.data))


def test_integer_inputs_are_passed_on():
    assert gradcheck(lambda x, i: x[i], (normals(5), np.array([1, 1, 4])))
    with pytest.raises(TypeError, match="must hold a float array, got int64"):
        gradcheck(lambda i: i, np.array([1]))
    with pytest.raises(TypeError, match="real numbers, got object"):
        gradcheck(lambda x, b: x, (normals(5), None))


def test_several_outputs():
    assert gradcheck(lambda x: (x * 2.0, x.exp()), normals(3))
    with pytest.raises(AssertionError):
        gradcheck(lambda x: (x * 2.0, squares(1.5)(x)), normals(3))


def test_scalars_and_empties():
    assert gradcheck(F.exp, np.array(1.0))
    assert gradcheck(F.exp, 1.0)
    assert gradcheck(F.exp, np.zeros((0, 3)))
