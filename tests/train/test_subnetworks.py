"""Thinned networks: where theory says that weight scaling is exact, it is; the rest by hand."""

import itertools

import numpy as np
import pytest
from helpers import assert_same_bits, normals

import minidrop as md
import minidrop.functional as F
from minidrop import nn, train

X = normals((3, 4), seed=1)


def net(p=0.3, q=0.6, hidden=5):
    md.manual_seed(2)
    return nn.Sequential(nn.Dropout(p), nn.Linear(4, hidden), nn.ReLU(), nn.Dropout(q),
                         nn.Linear(hidden, 3))  # fmt: skip


def by_hand(model, x):
    """[(probability, logits)] of all 2^n thinned networks, in plain NumPy."""
    first, second = model[1], model[4]
    w, b, v, c = (p.data.astype(np.float64) for p in (first.weight, first.bias, second.weight,
                                                      second.bias))  # fmt: skip
    p, q = model[0].p, model[3].p
    for inputs in itertools.product((0, 1), repeat=len(w)):
        for units in itertools.product((0, 1), repeat=len(v)):
            m, k = np.array(inputs), np.array(units)
            weight = np.prod(np.where(m, 1 - p, p)) * np.prod(np.where(k, 1 - q, q))
            hidden = np.maximum((x * m / (1 - p)) @ w + b, 0)
            yield weight, (hidden * k / (1 - q)) @ v + c


def test_exact_is_the_sum_over_all_masks():
    model = net()
    weights, logits = map(np.array, zip(*by_hand(model, X), strict=True))
    assert len(weights) == 2**9 and abs(weights.sum() - 1) < 1e-12
    found = train.subnetworks(model).exact(X)
    logs = F.log_softmax(logits).numpy()
    np.testing.assert_allclose(found.arithmetic, np.tensordot(weights, np.exp(logs), 1), rtol=1e-5)
    geometric = np.exp(np.tensordot(weights, logs, 1))
    geometric /= geometric.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(found.geometric, geometric, rtol=1e-5)
    np.testing.assert_allclose(found.scaled, F.softmax(model.eval()(X)).numpy(), rtol=1e-6)
    assert found.outputs is None
    values = train.subnetworks(model, outputs="values").exact(X)
    np.testing.assert_allclose(values.arithmetic, np.tensordot(weights, logits, 1), rtol=1e-4,
                               atol=1e-6)  # fmt: skip
    assert values.geometric is None


def test_linear_networks_average_to_weight_scaling():
    """Baldi and Sadowski 2013, section 3: exactly, in any depth."""
    model = nn.Sequential(nn.Dropout(0.2), nn.Linear(4, 5), nn.Dropout(0.7), nn.Linear(5, 3),
                          nn.Dropout(0.4), nn.Linear(3, 2))  # fmt: skip
    found = train.subnetworks(model, outputs="values").exact(X)
    np.testing.assert_allclose(found.arithmetic, found.scaled, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("outputs", [3, 1])
def test_softmax_and_logistic_units_average_geometrically_to_weight_scaling(outputs):
    """Srivastava et al. 2014, section 4.1, and Baldi and Sadowski 2013, section 4."""
    model = nn.Sequential(nn.Dropout(0.3), nn.Linear(4, outputs))
    found = train.subnetworks(model, outputs="logits").exact(X)
    np.testing.assert_allclose(found.geometric, found.scaled, rtol=1e-5)
    assert np.abs(found.arithmetic - found.scaled).max() > 1e-3
    assert found.geometric.shape == found.arithmetic.shape == (3, outputs)


def test_probabilities():
    model = net()
    logits = train.subnetworks(model).exact(X)
    found = train.subnetworks(model.append(nn.Softmax())).exact(X)
    for a, b in zip(found[:3], logits[:3], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_sample_comes_near_exact():
    model = net()
    nets = train.subnetworks(model)
    exact, sampled = nets.exact(X), nets.sample(X, 4000)
    error = np.abs(sampled.arithmetic - exact.arithmetic)
    assert (error / (sampled.outputs.std(axis=0) / np.sqrt(4000))).max() < 5.33
    assert sampled.outputs.shape == (4000, 3, 3)
    np.testing.assert_allclose(sampled.arithmetic, sampled.outputs.mean(axis=0), rtol=1e-9)


def test_a_sampled_network_is_one_network():
    """All inputs go through the same mask."""
    found = train.subnetworks(net()).sample(np.repeat(X[:1], 3, axis=0), 50)
    assert_same_bits(found.outputs[:, 0], found.outputs[:, 2])
    assert len(np.unique(found.outputs[:, 0], axis=0)) > 20


def test_samples_depend_on_the_seed_alone():
    model = net()
    nets = train.subnetworks(model)
    first = nets.sample(X, 40).outputs
    model(X)
    assert_same_bits(nets.sample(X, 60).outputs[:40], first)
    assert_same_bits(nets.sample(X[:1], 40).outputs[:, :1], first[:, :1])
    assert not np.array_equal(nets.sample(X, 40, seed=1).outputs, first)


def test_units():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Dropout(0.5), nn.Flatten(), nn.Dropout(0),
                          nn.Linear(8, 3))  # fmt: skip
    x = normals((2, 4, 4, 1))
    assert train.subnetworks(model).units(x) == {"1": (2, 2, 2)}
    assert train.subnetworks(model).exact(x).arithmetic.shape == (2, 3)


class Twice(nn.Module):
    """One dropout layer for the inputs and for the hidden units."""

    def __init__(self):
        self.dropout = nn.Dropout(0.4)
        self.first, self.last = nn.Linear(4, 3), nn.Linear(3, 2)

    def forward(self, x):
        return self.last(self.dropout(F.relu(self.first(self.dropout(x)))))


def test_a_layer_that_is_called_twice_has_two_masks():
    model = Twice()
    layers = [nn.Dropout(0.4), model.first, nn.ReLU(), nn.Dropout(0.4), model.last]
    nets = train.subnetworks(model)
    assert nets.units(X) == {"dropout": (4,), "dropout (call 2)": (3,)}
    expected = train.subnetworks(nn.Sequential(*layers)).exact(X)
    for a, b in zip(nets.exact(X)[:3], expected[:3], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    sampled = nets.sample(X, 4000)
    error = np.abs(sampled.arithmetic - expected.arithmetic)
    assert (error / (sampled.outputs.std(axis=0) / np.sqrt(4000))).max() < 5.33


def test_nothing_is_touched():
    model = net()
    model(X)
    model[0].eval()
    before = model.extra_state(), [m.training for m in model.modules()]
    train.subnetworks(model).exact(X)
    train.subnetworks(model).sample(X, 10)
    with pytest.raises(ValueError):
        train.subnetworks(model).sample(X[:, :2], 10)
    assert (model.extra_state(), [m.training for m in model.modules()]) == before


def test_p_1():
    found = train.subnetworks(net(q=1.0)).exact(X)
    bias = F.softmax(net()[4].bias.data).numpy()
    np.testing.assert_allclose(found.arithmetic, np.tile(bias, (3, 1)), rtol=1e-5)


def test_empty():
    found = train.subnetworks(net()).exact(X[:0])
    assert found.arithmetic.shape == found.geometric.shape == found.scaled.shape == (0, 3)
    assert train.subnetworks(net()).sample(X[:0], 5).outputs.shape == (5, 0, 3)


def test_too_many_units():
    with pytest.raises(ValueError, match=r"20 units at most, got 24, which make 2\*\*24"):
        train.subnetworks(net(hidden=20)).exact(X)


def test_wrong_models_and_arguments():
    with pytest.raises(ValueError, match="model must have a dropout layer, Linear has none"):
        train.subnetworks(nn.Linear(4, 3))
    with pytest.raises(ValueError, match="outputs must be"):
        train.subnetworks(net(), outputs="classes")
    with pytest.raises(ValueError, match="networks must be at least 1, got 0"):
        train.subnetworks(net()).sample(X, 0)


def test_layers_that_do_more_than_drop_units():
    model = nn.Sequential(nn.Linear(4, 3), nn.ConcreteDropout(0.5))
    with pytest.raises(TypeError, match=r"keep units or zero them, got ConcreteDropout\(p=0\.5"):
        train.subnetworks(model).exact(X)
    assert all(module.training for module in model.modules())


def test_channels_and_axes_that_share_a_decision():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3),
        nn.Dropout2d(0.5),
        nn.Conv2d(2, 2, 1),
        nn.Dropout(0.3, shared_axes=(0, 1, 2)),
        nn.Flatten(),
        nn.Dropout(0.4, mode="standard", shared_axes=1),
        nn.Linear(8, 3),
    )
    nets, x = train.subnetworks(model, outputs="values"), normals((3, 4, 4, 1))
    assert nets.units(x) == {"1": (1, 1, 2), "3": (1, 1, 2), "5": (1,)}
    found = nets.exact(x)
    np.testing.assert_allclose(found.arithmetic, found.scaled, rtol=1e-5, atol=1e-6)  # linear
