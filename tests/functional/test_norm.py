"""Batch and layer norm as ops: values, running statistics, gradients, edges by name."""

import numpy as np
import pytest
from helpers import assert_close, assert_same_bits, normals

import minidrop.functional as F
from minidrop.gradcheck import gradcheck
from minidrop.tensor import Tensor

SHAPES = [(9, 4), (5, 3, 70), (2, 4, 5, 3)]


def numpy_batch_norm(x, weight, bias, mean, var, eps=1e-5):
    return (x - mean) / np.sqrt(var + eps) * weight + bias


def batch(shape, dtype=np.float64):
    c = shape[-1]
    return 2 * normals(shape, 1, dtype) + 1, normals(c, 2, dtype), normals(c, 3, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_in_training(shape, dtype):
    x, weight, bias = batch(shape, dtype)
    over = tuple(range(len(shape) - 1))
    running_mean, running_var = np.full(shape[-1], 5, dtype), np.full(shape[-1], 2, dtype)
    y = F.batch_norm(x, running_mean, running_var, weight, bias, training=True)
    mean, var = x.mean(over), x.var(over)
    assert_close(y.data, numpy_batch_norm(x, weight, bias, mean, var), scale=5)
    n = x.size // shape[-1]
    assert_close(running_mean, 0.9 * np.full(shape[-1], 5, dtype) + 0.1 * mean)
    assert_close(running_var, 0.9 * np.full(shape[-1], 2, dtype) + 0.1 * var * (n / (n - 1)))


@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_in_eval(shape):
    x, weight, bias = batch(shape)
    mean, var = normals(shape[-1], 4, np.float64), np.abs(normals(shape[-1], 5, np.float64))
    kept = mean.copy(), var.copy()
    y = F.batch_norm(x, mean, var, weight, bias, eps=1e-3)
    assert_close(y.data, numpy_batch_norm(x, weight, bias, mean, var, 1e-3))
    np.testing.assert_array_equal((mean, var), kept)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(6, 3), (2, 3, 2), (2, 2, 2, 2)])
def test_batch_norm_gradient(shape, training):
    x, weight, bias = batch(shape)
    mean, var = normals(shape[-1], 4, np.float64), np.abs(normals(shape[-1], 5, np.float64))

    def norm(x, *parameters):
        return F.batch_norm(x, mean.copy(), var.copy(), *parameters, training=training)

    gradcheck(norm, (x, weight, bias))
    gradcheck(norm, (x, weight))
    gradcheck(norm, x)
    gradcheck(lambda x, b: F.batch_norm(x, mean.copy(), var.copy(), None, b, training), (x, bias))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("parameters", [0, 1, 2])
def test_batch_norm_and_relu_in_one_pass(training, parameters):
    """The same bits as one after the other, gradients too."""
    x, *given = batch((5, 3, 70))
    given = given[:parameters]
    running = normals(70, 4, np.float64), np.abs(normals(70, 5, np.float64))

    def run(fused):
        tensors = [Tensor(a, requires_grad=True) for a in (x, *given)]
        moved = [a.copy() for a in running]
        y = F.batch_norm(tensors[0], *moved, *tensors[1:], training=training, relu=fused)
        y = y if fused else F.relu(y)
        (y * y).sum().backward()
        return [y.data, *moved, *(t.grad for t in tensors)]

    for a, b in zip(run(True), run(False), strict=True):
        assert_same_bits(a, b)
    assert (run(True)[0] == 0).any()


def test_batch_norm_gradient_of_parameters_alone():
    x, weight, bias = batch((6, 3), np.float32)
    weight, bias = Tensor(weight, requires_grad=True), Tensor(bias, requires_grad=True)
    F.batch_norm(x, None, None, weight, bias, training=True).sum().backward()
    assert_close(bias.grad, np.full(3, 6, np.float32))
    assert_close(weight.grad, np.zeros(3, np.float32), scale=10)


def test_batch_norm_eval_gradient_belongs_to_its_own_statistics():
    x = Tensor(normals((4, 2)), requires_grad=True)
    mean, var = np.zeros(2, np.float32), np.ones(2, np.float32)
    y = F.batch_norm(x, mean, var, eps=0)
    var[:] = 100  # a training step in between
    y.backward(np.ones((4, 2)))
    np.testing.assert_array_equal(x.grad, np.ones((4, 2)))


def test_batch_norm_running_statistics_may_be_tensors_or_strided():
    x = normals((8, 3))
    expected = [np.zeros(3, np.float32), np.ones(3, np.float32)]
    F.batch_norm(x, *expected, training=True, momentum=0.3)
    tensors = Tensor(np.zeros(3, np.float32)), Tensor(np.ones(3, np.float32))
    F.batch_norm(x, *tensors, training=True, momentum=0.3)
    np.testing.assert_array_equal([t.data for t in tensors], expected)
    strided = np.zeros((2, 6), np.float32)[:, ::2]
    strided[1] = 1
    F.batch_norm(x, *strided, training=True, momentum=0.3)
    np.testing.assert_array_equal(strided, expected)


def test_batch_norm_of_no_rows_moves_nothing():
    mean, var = np.full(3, 5, np.float32), np.full(3, 2, np.float32)
    x = Tensor(np.zeros((0, 3), np.float32), requires_grad=True)
    y = F.batch_norm(x, mean, var, training=True)
    y.backward(np.zeros((0, 3)))
    assert y.shape == x.grad.shape == (0, 3)
    np.testing.assert_array_equal((mean, var), ([5] * 3, [2] * 3))


def test_batch_norm_failed_call_moves_nothing():
    x = normals((4, 3))
    mean, var = np.zeros(3, np.float32), np.ones(3, np.float32)
    fixed = np.ones(3, np.float32)
    fixed.flags.writeable = False
    for error, change in [
        (ValueError, {"weight": normals(4)}),
        (ValueError, {"bias": normals(2)}),
        (TypeError, {"weight": normals(3, dtype=np.float64)}),
        (ValueError, {"eps": -1}),
        (ValueError, {"momentum": 1.5}),
        (TypeError, {"momentum": None}),
        (ValueError, {"x": normals((1, 3))}),
        (ValueError, {"x": normals(3)}),
        (ValueError, {"running_var": fixed}),
        (ValueError, {"running_var": normals(4)}),
        (TypeError, {"running_var": normals(3, dtype=np.float64)}),
        (TypeError, {"running_var": [1.0, 1.0, 1.0]}),
        (ValueError, {"running_var": None}),
    ]:
        arguments = {"x": x, "running_mean": mean, "running_var": var, "training": True} | change
        with pytest.raises(error, match=next(iter(change)).replace("x", "x|Expected")):
            F.batch_norm(**arguments)
        np.testing.assert_array_equal((mean, var), ([0] * 3, [1] * 3))


def test_batch_norm_in_eval_needs_running_statistics():
    with pytest.raises(ValueError, match="must both be given with training=False"):
        F.batch_norm(normals((4, 3)), None, None)


# ---- layer norm ----


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("row", [(7,), (5, 7), (3, 5, 7)])
def test_layer_norm(row, dtype):
    x, weight, bias = normals((3, 5, 7), 1, dtype), normals(row, 2, dtype), normals(row, 3, dtype)
    over = tuple(range(3 - len(row), 3))
    mean, var = x.mean(over, keepdims=True), x.var(over, keepdims=True)
    y = F.layer_norm(x, row, weight, bias)
    assert y.shape == x.shape
    assert_close(y.data, numpy_batch_norm(x, weight, bias, mean, var), scale=5)


@pytest.mark.parametrize("row", [(3,), (4, 3)])
def test_layer_norm_gradient(row):
    x = normals((2, 4, 3), 1, np.float64)
    weight, bias = normals(row, 2, np.float64), normals(row, 3, np.float64)
    gradcheck(lambda *t: F.layer_norm(t[0], row, *t[1:]), (x, weight, bias))
    gradcheck(lambda *t: F.layer_norm(t[0], row, *t[1:]), (x, weight))
    gradcheck(lambda x: F.layer_norm(x, row), x)
    gradcheck(lambda x, b: F.layer_norm(x, row, None, b), (x, bias))


def test_layer_norm_takes_an_int():
    x = normals((4, 6))
    np.testing.assert_array_equal(F.layer_norm(x, 6).data, F.layer_norm(x, (6,)).data)


@pytest.mark.parametrize("shape", [(0, 6), (3, 0)])
def test_layer_norm_empty(shape):
    x = Tensor(normals(shape), requires_grad=True)
    weight = Tensor(normals(shape[1:]), requires_grad=True)
    y = F.layer_norm(x, shape[1:], weight)
    y.backward(np.zeros(shape))
    assert y.shape == x.grad.shape == shape and weight.grad.shape == shape[1:]


def test_layer_norm_shapes_that_do_not_fit():
    x = normals((4, 6))
    with pytest.raises(ValueError, match=r"normalized_shape \(5,\) must be the last dimensions"):
        F.layer_norm(x, 5)
    for given in (None, 6.0, ("6",)):
        with pytest.raises(TypeError, match="normalized_shape must be an int, got"):
            F.layer_norm(x, given)
    with pytest.raises(ValueError, match=r"weight must have shape \(6,\), got \(4,\)"):
        F.layer_norm(x, 6, normals(4))
    with pytest.raises(TypeError, match="bias is float64 but x is float32"):
        F.layer_norm(x, 6, None, normals(6, dtype=np.float64))
