"""Activations as ops: values against NumPy, gradients against differences, edges by name."""

import numpy as np
import pytest
from helpers import assert_close, normals

import minidrop.functional as F
from minidrop.gradcheck import gradcheck
from minidrop.tensor import Tensor


def numpy_sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def numpy_softmax(x, dim=-1):
    e = np.exp(x - x.max(dim, keepdims=True))
    return e / e.sum(dim, keepdims=True)


OPS = {
    "relu": (F.relu, lambda x: np.maximum(x, 0)),
    "leaky_relu": (F.leaky_relu, lambda x: np.where(x > 0, x, 0.01 * x)),
    "leaky_relu_slope": (lambda x: F.leaky_relu(x, -0.3), lambda x: np.where(x > 0, x, -0.3 * x)),
    "elu": (F.elu, lambda x: np.where(x > 0, x, np.expm1(x))),
    "elu_alpha": (lambda x: F.elu(x, 2.5), lambda x: np.where(x > 0, x, 2.5 * np.expm1(x))),
    "selu": (
        F.selu,
        lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
    ),
    "gelu_tanh": (lambda x: F.gelu(x, approximate="tanh"), numpy_gelu_tanh),
    "silu": (F.silu, lambda x: x * numpy_sigmoid(x)),
    "sigmoid": (F.sigmoid, numpy_sigmoid),
    "tanh": (F.tanh, np.tanh),
    "softplus": (F.softplus, lambda x: np.log1p(np.exp(x))),
    "softplus_beta": (lambda x: F.softplus(x, 2), lambda x: np.log1p(np.exp(2 * x)) / 2),
    "softmax": (F.softmax, numpy_softmax),
    "log_softmax": (F.log_softmax, lambda x: np.log(numpy_softmax(x))),
}
each = pytest.mark.parametrize("name", OPS)


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_value(name, dtype):
    op, numpy_op = OPS[name]
    x = 2 * normals((3, 4, 7), 1, dtype)
    y = op(Tensor(x))
    assert y.dtype == dtype
    assert_close(y.data, numpy_op(x.astype(np.float64)).astype(dtype))


@each
def test_gradient(name):
    gradcheck(OPS[name][0], normals((2, 3, 5), 2))


def test_gelu():
    x = np.array([-3, -1, 0, 0.5, 2])
    expected = [-0.00404969409489031, -0.158655253931457, 0, 0.345731230637007, 1.95449973610364]
    np.testing.assert_allclose(F.gelu(x).data, expected, rtol=1e-13)
    gradcheck(F.gelu, normals((2, 3, 5), 2))
    assert_close(F.gelu(x.astype(np.float32)).data, np.float32(expected))


@each
@pytest.mark.parametrize("shape", [(0,), (0, 5), (3, 0), (2, 0, 4)])
def test_empty(name, shape):
    x = Tensor(np.zeros(shape, np.float32), requires_grad=True)
    y = OPS[name][0](x)
    y.backward(np.zeros(shape))
    assert y.shape == x.grad.shape == shape


@each
def test_one_node_keeps_its_name(name):
    y = OPS[name][0](Tensor(normals(5), requires_grad=True))
    assert y._op == name.split("_slope")[0].split("_alpha")[0].split("_beta")[0].replace(
        "gelu_tanh", "gelu"
    )


def test_no_dims():
    x = Tensor(np.float32(-2), requires_grad=True)
    F.leaky_relu(x, 0.5).backward()
    assert x.grad.shape == () and x.grad == 0.5
    assert F.sigmoid(0.0).item() == 0.5


def test_lists_and_integers_become_float32():
    for given in ([-1, 2], np.array([-1, 2]), Tensor([-1, 2])):
        y = F.relu(given)
        assert y.dtype == np.float32 and y.data.tolist() == [0, 2]


def test_strided_input_gets_a_gradient_of_its_shape():
    x = Tensor(normals((6, 8))[::2, ::-1].T, requires_grad=True)
    F.silu(x).backward(np.ones(x.shape))
    assert x.grad.shape == (8, 3)
    straight = Tensor(x.data.copy(), requires_grad=True)
    F.silu(straight).backward(np.ones(x.shape))
    np.testing.assert_array_equal(x.grad, straight.grad)


def test_relu_at_zero_has_no_gradient():
    x = Tensor([-1.0, 0.0, 1.0], requires_grad=True)
    F.relu(x).sum().backward()
    np.testing.assert_array_equal(x.grad, [0, 0, 1])


@pytest.mark.parametrize("dim", [-3, -2, -1, 0, 1, 2])
@pytest.mark.parametrize("op", [F.softmax, F.log_softmax])
def test_softmax_over_any_dim(op, dim):
    x = normals((4, 5, 6), 3)
    expected = numpy_softmax(x, dim)
    assert_close(op(x, dim).data, expected if op is F.softmax else np.log(expected))
    assert op(x, dim).data.flags.c_contiguous
    gradcheck(lambda t: op(t, dim), normals((2, 3, 2), 4))


@pytest.mark.parametrize("op", [F.softmax, F.log_softmax])
def test_dim_that_is_not_there(op):
    with pytest.raises(ValueError, match="dim must be from -2 to 1, got 2"):
        op(normals((3, 4)), 2)
    with pytest.raises(ValueError, match="dim"):
        op(np.float32(1.0))
    with pytest.raises(TypeError, match="dim must be an int, got 1.0"):
        op(normals((3, 4)), 1.0)


def test_bad_arguments_name_themselves():
    with pytest.raises(ValueError, match="approximate must be 'none' or 'tanh', got 'erf'"):
        F.gelu([1.0], "erf")
    with pytest.raises(TypeError, match="negative_slope must be a number, got None"):
        F.leaky_relu([1.0], None)
    with pytest.raises(TypeError, match="array must hold real numbers"):
        F.relu(["a"])
