"""nn.ConcreteDropout: a rate that is a parameter, and learns."""

import copy
import pickle

import numpy as np
import pytest
from helpers import assert_close, assert_same_bits, hashes, normals

import minidrop as md
import minidrop.functional as F
from minidrop import nn, optim
from minidrop.tensor import Tensor

X = normals((6, 8))


def test_draws_what_the_function_draws(isa):
    layer = nn.ConcreteDropout(0.3, seed=5)
    for call in range(3):
        expected = F.concrete_dropout(X, layer.logit, training=True, seed=5, call=call)
        assert_same_bits(layer(X).data, expected.data)
    x = Tensor(X)
    assert layer.eval()(x) is x and layer.call == 3


def test_p_is_the_parameter():
    layer = nn.ConcreteDropout(0.3)
    assert abs(layer.p - 0.3) < 1e-7
    assert [(name, p.shape) for name, p in layer.named_parameters()] == [("logit", (1,))]
    layer.p = 0.8
    assert abs(layer.logit.data[0] - np.log(4)) < 1e-6
    layer.logit.data[0] = 0
    assert layer.p == 0.5
    layer.logit.data[0] = -1000
    assert layer.p == 0 and repr(layer) == "ConcreteDropout(p=0, temperature=0.1)"
    layer.logit.data[0] = 1000
    assert layer.p == 1
    layer.p = 1e-26
    assert layer(X).shape == X.shape


def test_with_a_layer():
    layer = nn.ConcreteDropout(
        0.3, layer=nn.Linear(8, 4), weight_regularizer=0.1, dropout_regularizer=0.01, seed=5
    )
    dropped = nn.ConcreteDropout(0.3, seed=5)(X)
    assert_same_bits(layer(X).data, layer.layer(dropped).data)
    expected = F.concrete_regularization(
        layer.logit, layer.layer.weight, 8, weight_regularizer=0.1, dropout_regularizer=0.01
    )
    assert_same_bits(layer.regularization().data, expected.data)


@pytest.mark.parametrize("noise, wanted", [(0.0, "lower"), (None, "higher")])
def test_the_rate_learns(noise, wanted):
    """It falls where dropout only hurts, and rises where nothing but the regularization speaks."""
    layer = nn.ConcreteDropout(0.3, dropout_regularizer=0.0 if noise is not None else 1.0)
    optimizer = optim.Adam(layer.parameters(), lr=0.05)
    for _ in range(40):
        optimizer.zero_grad()
        y = layer(X)
        loss = F.mse_loss(y, X) if noise is not None else layer.regularization()
        loss.backward()
        optimizer.step()
    assert layer.p < 0.15 if wanted == "lower" else 0.4 < layer.p < 0.6


def test_regularization_needs_a_forward():
    layer = nn.ConcreteDropout(0.3)
    with pytest.raises(RuntimeError, match="needs a forward before it"):
        layer.regularization()
    layer.eval()(X)
    entropy = 0.3 * np.log(0.3) + 0.7 * np.log(0.7)
    assert_close(layer.regularization().data, np.float32(1e-5 * 8 * entropy))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies(copied):
    layer = nn.ConcreteDropout(0.3, temperature=0.5, seed=5)
    layer(X)
    twin = copied(layer)
    assert_same_bits(twin(X).data, layer(X).data)


def test_a_checkpoint_restores_the_rate_and_the_stream(tmp_path):
    layer = nn.Sequential(nn.ConcreteDropout(0.3, seed=5))
    layer(X)
    md.save(tmp_path / "file", layer)
    expected = layer(X).data
    other = nn.Sequential(nn.ConcreteDropout(0.6))
    md.load(tmp_path / "file", other)
    assert abs(other[0].p - 0.3) < 1e-7
    assert_same_bits(other(X).data, expected)


def test_slices_of_a_batch():
    layer = nn.ConcreteDropout(0.5, seed=1)
    whole, layer.call = layer(X).data, 0
    with md.sample_offset(2):
        assert_same_bits(layer(X[2:]).data, whole[2:])


def test_golden():
    """Of the noise, as bits: the relaxation itself is only equal where fma is."""
    y = nn.ConcreteDropout(0.3, temperature=0.01, seed=5)(np.ones((9, 9), np.float32))
    assert hashes(y.data > 0.7)[:16] == "f7ac22504bc9af20"


def test_a_failed_call_does_not_count():
    layer = nn.ConcreteDropout(0.3, layer=nn.Linear(8, 4))
    for bad in (X[:, :3], X.astype(np.int64), "text", None):
        with pytest.raises((TypeError, ValueError)):
            layer(bad)
    assert layer.call == 0


def test_bad_arguments():
    for p, error in [
        (0, ValueError),
        (1e-27, ValueError),
        (1, ValueError),
        (2, ValueError),
        (float("nan"), ValueError),
        ("half", TypeError),
    ]:
        with pytest.raises(error, match=f"ConcreteDropout: p must be .*got {p!r}"):
            nn.ConcreteDropout(p)
        layer = nn.ConcreteDropout(0.3)
        with pytest.raises(error, match="ConcreteDropout: p must be"):
            layer.p = p
        assert abs(layer.p - 0.3) < 1e-7
    with pytest.raises(ValueError, match="temperature must be"):
        nn.ConcreteDropout(temperature=0)
    with pytest.raises(ValueError, match="weight_regularizer must be"):
        nn.ConcreteDropout(weight_regularizer=-1)
    with pytest.raises(TypeError, match="ConcreteDropout: layer must be a Module"):
        nn.ConcreteDropout(layer=nn.Linear)
    assert repr(nn.ConcreteDropout(0.25)) == "ConcreteDropout(p=0.25, temperature=0.1)"
