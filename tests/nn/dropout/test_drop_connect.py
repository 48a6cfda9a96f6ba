"""nn.DropConnect: what the layer adds to F.drop_connect, F.drop_connect_conv2d and the Gaussian."""

import numpy as np
import pytest
from helpers import assert_same_bits, hashes, normals

import minidrop as md
import minidrop.functional as F
from minidrop import nn, random
from minidrop.nn import DropConnect


@pytest.fixture(autouse=True)
def rng_state():
    before = random.get_rng_state()
    random.manual_seed(0)
    yield
    random.set_rng_state(before)


X = normals((6, 8))


@pytest.mark.parametrize("per_sample", [False, True])
def test_draws_what_the_function_draws(isa, per_sample):
    layer = DropConnect(nn.Linear(8, 5), 0.3, per_sample, seed=5)
    for call in range(3):
        expected = F.drop_connect(
            X,
            layer.layer.weight,
            layer.layer.bias,
            0.3,
            training=True,
            per_sample=per_sample,
            seed=5,
            call=call,
        )
        assert_same_bits(layer(X).data, expected.data)
    assert layer.call == 3


def test_convolution(isa):
    layer = DropConnect(nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), 0.3, seed=5)
    x = normals((2, 7, 8, 4))
    conv = layer.layer
    masked = F.dropout(conv.weight, 0.3, training=True, seed=5)
    assert_same_bits(layer(x).data, F.conv2d(x, masked, conv.bias, 2, 1, 1, 2).data)
    assert_same_bits(layer.eval()(x).data, conv(x).data)


def test_golden(isa):
    """What a seed draws is public: these hashes change only with a new major version."""
    x = np.ones((3, 8), np.float32)
    linear, conv = nn.Linear(8, 5), nn.Conv2d(2, 3, 2)
    for parameter in [*linear.parameters(), *conv.parameters()]:
        parameter.data[...] = 1
    got = [
        DropConnect(linear, 0.3, seed=5)(x),
        DropConnect(linear, 0.5, True, seed=5)(x),
        DropConnect(conv, 0.3, seed=5)(np.ones((1, 4, 4, 2), np.float32)),
    ]
    assert hashes(*(np.round(y.data, 4) for y in got))[:16] == "8e38677f77d16785"


def test_eval_is_the_layer_itself():
    layer = DropConnect(nn.Linear(8, 5), 0.5, activation=F.relu).eval()
    assert_same_bits(layer(X).data, F.relu(layer.layer(X)).data)
    assert layer.call == 0


def test_activation_is_applied_in_training():
    layer = DropConnect(nn.Linear(8, 5), 0.5, activation=nn.ReLU(), seed=1)
    plain = DropConnect(layer.layer, 0.5, seed=1)
    assert_same_bits(layer(X).data, F.relu(plain(X)).data)


def test_gaussian_inference():
    options = {"activation": F.relu, "inference": "gaussian", "samples": 20, "seed": 3}
    layer = DropConnect(nn.Linear(8, 5), 0.5, **options)
    layer(X)
    layer.eval()
    expected = F.drop_connect_gaussian(
        X, layer.layer.weight, layer.layer.bias, 0.5, samples=20, activation=F.relu, seed=3, call=1
    )
    assert_same_bits(layer(X).data, expected.data)
    assert layer.call == 1, "eval does not count"
    with md.sample_offset(2):
        assert_same_bits(layer(X[2:]).data, expected.data[2:])


@pytest.mark.parametrize("per_sample", [False, True])
def test_slices_of_a_batch(per_sample):
    layer = DropConnect(nn.Linear(8, 5), 0.5, per_sample, seed=1)
    whole = layer(X).data
    layer.call = 0
    parts = []
    with md.hold_masks():
        for k in (0, 2):
            with md.sample_offset(k):
                parts.append(layer(X[k : k + 2] if k == 0 else X[k:]).data)
    assert_same_bits(np.concatenate(parts), whole)


def test_mask_shape_and_its_bytes():
    layer = DropConnect(nn.Linear(8, 5), 0.5)
    assert layer.mask_shape(X) == (1, 8, 5)
    assert "Mask bytes for a batch of 64: 8" in nn.Sequential(layer).summary(8, batch_size=64)
    layer.per_sample = True
    assert layer.mask_shape(X) == (6, 8, 5)
    assert "Mask bytes for a batch of 64: 320" in nn.Sequential(layer).summary(8, batch_size=64)


def test_parameters_are_those_of_the_layer():
    layer = DropConnect(nn.Linear(8, 5), 0.5)
    assert [name for name, _ in layer.named_parameters()] == ["layer.weight", "layer.bias"]
    layer(X).sum().backward()
    assert layer.layer.weight.grad.shape == (8, 5)


def test_a_failed_call_does_not_count():
    layer = DropConnect(nn.Linear(8, 5), 0.5, True)
    for bad in (normals((3, 7)), normals((2, 3, 8)), "text", None):
        with pytest.raises((TypeError, ValueError)):
            layer(bad)
    assert layer.call == 0


def test_bad_arguments():
    for layer in (nn.ReLU(), nn.Linear, None):
        with pytest.raises(TypeError, match="DropConnect: layer must be a Linear or a Conv2d"):
            DropConnect(layer, 0.5)
    conv = nn.Conv2d(2, 3, 3)
    for options in ({"per_sample": True}, {"inference": "gaussian"}):
        with pytest.raises(ValueError, match="are for a Linear"):
            DropConnect(conv, 0.5, **options)
    linear = nn.Linear(3, 3)
    with pytest.raises(ValueError, match="inference must be one of"):
        DropConnect(linear, inference="sampling")
    with pytest.raises(ValueError, match="DropConnect: samples must be from 1"):
        DropConnect(linear, samples=0)
    with pytest.raises(TypeError, match="per_sample must be True or False, got 0.5"):
        DropConnect(linear, 0.5, 0.5)
    with pytest.raises(TypeError, match="activation must be callable"):
        DropConnect(linear, activation="relu")
    with pytest.raises(ValueError, match="DropConnect: p must be in .*got 2"):
        DropConnect(linear, 2)


def test_repr():
    assert repr(DropConnect(nn.Linear(3, 3), 0.25, True)).startswith(
        "DropConnect(\n  p=0.25, per_sample=True\n  (layer): Linear"
    )
