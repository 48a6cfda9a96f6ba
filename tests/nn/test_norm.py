"""BatchNorm and LayerNorm: statistics, running averages, and what is refused."""

import numpy as np
import pytest
from helpers import assert_close, assert_same_bits, normals

from minidrop.nn import BatchNorm1d, BatchNorm2d, LayerNorm

SHAPES = [(BatchNorm1d, (6, 3)), (BatchNorm1d, (4, 5, 3)), (BatchNorm2d, (2, 4, 5, 3))]


def normalized(x, eps=1e-5):
    """Each channel with mean 0 and variance 1, in float64."""
    x = x.astype(np.float64)
    axes = tuple(range(x.ndim - 1))
    return (x - x.mean(axes)) / np.sqrt(x.var(axes) + eps)


@pytest.mark.parametrize(("kind", "shape"), SHAPES)
def test_training_uses_the_batch(kind, shape):
    layer, x = kind(3), normals(shape) * 5 + 2
    layer.weight.data[...] = [1, 2, 3]
    layer.bias.data[...] = [4, 5, 6]
    y = layer(x)
    assert_close(y.data, (normalized(x) * [1, 2, 3] + [4, 5, 6]).astype(np.float32), scale=10)
    y.sum().backward()
    assert_close(layer.bias.grad, np.full(3, x.size // 3, np.float32))
    assert layer.weight.grad.shape == (3,)


@pytest.mark.parametrize(("kind", "shape"), SHAPES)
def test_running_statistics(kind, shape):
    layer, x = kind(3, momentum=0.25), normals(shape) * 5 + 2
    axes = tuple(range(x.ndim - 1))
    arrays = [buffer.data for buffer in layer.buffers()]
    layer(x)
    assert_close(layer.running_mean.data, 0.25 * x.mean(axes), scale=10)
    assert_close(layer.running_var.data, 0.75 + 0.25 * x.var(axes, ddof=1), scale=10)
    assert layer.num_batches_tracked.item() == 1
    assert all(b.data is a for b, a in zip(layer.buffers(), arrays, strict=True))


def test_eval_uses_the_running_statistics_and_changes_nothing():
    layer = BatchNorm2d(3)
    layer(normals((4, 5, 5, 3)))
    layer.eval()
    before = layer.state_dict()
    x = normals((2, 5, 5, 3), seed=1)
    y = layer(x)
    for name, value in layer.state_dict().items():
        assert_same_bits(value, before[name])
    expected = (x - before["running_mean"]) / np.sqrt(before["running_var"] + 1e-5)
    assert_close(y.data, expected, scale=10)
    assert_same_bits(layer(x[:1]).data, y.data[:1])  # one image at a time gives the same


def test_momentum_none_is_the_plain_average():
    layer = BatchNorm1d(3, momentum=None)
    batches = [normals((8, 3), seed=i) for i in range(4)]
    for x in batches:
        layer(x)
    assert_close(layer.running_mean.data, np.mean([x.mean(0) for x in batches], 0), scale=10)
    assert_close(layer.running_var.data, np.mean([x.var(0, ddof=1) for x in batches], 0), scale=10)


def test_momentum_zero_and_one():
    x = normals((8, 3))
    still, quick = BatchNorm1d(3, momentum=0), BatchNorm1d(3, momentum=1)
    still(x), quick(x)
    assert (still.running_mean.data == 0).all() and (still.running_var.data == 1).all()
    assert_close(quick.running_mean.data, x.mean(0), scale=10)


def test_without_affine():
    layer, x = BatchNorm1d(3, affine=False), normals((8, 3))
    assert layer.weight is None and list(layer.parameters()) == []
    assert_close(layer(x).data, normalized(x).astype(np.float32), scale=10)


def test_without_tracking():
    layer, x = BatchNorm1d(3, track_running_stats=False).eval(), normals((8, 3))
    assert list(layer.state_dict()) == ["weight", "bias"] and layer.running_mean is None
    assert_close(layer(x).data, normalized(x).astype(np.float32), scale=10)


def test_state_dict_names():
    names = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert list(BatchNorm2d(3).state_dict()) == names
    a, b = BatchNorm1d(3), BatchNorm1d(3)
    a(normals((8, 3)))
    b.load_state_dict(a.state_dict())
    assert b.num_batches_tracked.item() == 1
    b.reset_parameters()
    assert b.num_batches_tracked.item() == 0 and (b.running_var.data == 1).all()


@pytest.mark.parametrize("training", [True, False])
def test_empty_batch(training):
    layer = BatchNorm2d(3).train(training)
    before = layer.state_dict()
    assert layer(normals((0, 4, 4, 3))).shape == (0, 4, 4, 3)
    for name, value in layer.state_dict().items():
        assert_same_bits(value, before[name])


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (BatchNorm2d(3), (2, 3), r"BatchNorm2d: x must be \(n, height, width, channels\), got"),
        (BatchNorm1d(3), (2, 4, 4, 3), r"BatchNorm1d: x must be \(n, channels\) or"),
        (BatchNorm1d(3), (3,), "BatchNorm1d: x must be"),
        (BatchNorm2d(3), (2, 3, 4, 4), r"have 3 channels, its last dim, got shape \(2, 3, 4, 4\)"),
        (BatchNorm1d(3), (1, 3), "more than 1 value per channel"),
        (LayerNorm(3), (2, 4), "normalized_shape"),
        (LayerNorm((2, 3)), (3,), "normalized_shape"),
    ],
)
def test_bad_input_changes_nothing(layer, shape, message):
    before = layer.state_dict()
    with pytest.raises(ValueError, match=message):
        layer(normals(shape))
    for name, value in layer.state_dict().items():
        assert_same_bits(value, before[name])


def test_float64_input_changes_nothing():
    layer = BatchNorm1d(3)
    with pytest.raises(TypeError):
        layer(normals((8, 3), dtype=np.float64))
    assert layer.num_batches_tracked.item() == 0 and (layer.running_mean.data == 0).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"num_features": 0}, ValueError, "num_features must be at least 1"),
        ({"num_features": 3.0}, TypeError, "num_features must be an int"),
        ({"num_features": 10**12}, MemoryError, "weight of shape"),
        ({"num_features": 10**12, "affine": False}, MemoryError, "running_mean of shape"),
        ({"eps": -1e-5}, ValueError, "eps must be"),
        ({"eps": float("nan")}, ValueError, "eps must be a finite number"),
        ({"eps": "small"}, TypeError, "eps must be a number, got 'small'"),
        ({"momentum": 1.5}, ValueError, "momentum must be .* from 0 to 1, got 1.5"),
        ({"affine": 1}, TypeError, "affine must be True or False"),
        ({"track_running_stats": None}, TypeError, "track_running_stats must be"),
    ],
)
def test_batch_norm_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        BatchNorm2d(**({"num_features": 3} | arguments))


# ---- LayerNorm ----


@pytest.mark.parametrize("normalized_shape", [5, (5,), (4, 5), [3, 4, 5]])
def test_layer_norm(normalized_shape):
    layer, x = LayerNorm(normalized_shape), normals((2, 3, 4, 5)) * 3 + 1
    shape = layer.normalized_shape
    layer.weight.data[...] = normals(shape, seed=1)
    layer.bias.data[...] = normals(shape, seed=2)
    axes = tuple(range(-len(shape), 0))
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    expected = (x - mean) / np.sqrt(var + 1e-5) * layer.weight.data + layer.bias.data
    assert_close(layer(x).data, expected, scale=20)
    assert_same_bits(layer(x[:1]).data, layer(x).data[:1])


def test_layer_norm_parameters():
    assert list(LayerNorm(3).state_dict()) == ["weight", "bias"]
    assert list(LayerNorm(3, bias=False).state_dict()) == ["weight"]
    assert list(LayerNorm(3, elementwise_affine=False).state_dict()) == []
    assert LayerNorm(3)(normals((0, 3))).shape == (0, 3)


@pytest.mark.parametrize(
    ("given", "error"),
    [((), ValueError), (0, ValueError), ((2, -1), ValueError), (2.0, TypeError), ("3", TypeError)],
)
def test_layer_norm_bad_shape(given, error):
    with pytest.raises(error, match="normalized_shape must"):
        LayerNorm(given)


def test_repr():
    assert repr(BatchNorm2d(32)) == (
        "BatchNorm2d(32, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)"
    )
    assert repr(LayerNorm(5)) == "LayerNorm((5,), eps=1e-05, elementwise_affine=True)"
