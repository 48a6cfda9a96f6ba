"""Initialization: fans, bounds and spreads, and that the seed decides."""

from math import sqrt

import numpy as np
import pytest
from helpers import assert_same_bits

from minidrop import random
from minidrop.nn import Conv2d, Linear, Parameter, init

SHAPE = (300, 200)  # enough for a standard deviation within 2 %


def weight(shape=SHAPE):
    return Parameter(np.zeros(shape, np.float32))


def test_fans_of_our_layouts():
    assert init.fans(Linear(3, 5).weight) == (3, 5)
    assert init.fans(Conv2d(6, 8, (3, 5)).weight) == (15 * 6, 15 * 8)
    assert init.fans(Conv2d(6, 8, 3, groups=2).weight) == (9 * 3, 9 * 8)
    with pytest.raises(ValueError, match="at least two dims"):
        init.fans(weight((3,)))


@pytest.mark.parametrize(
    ("fill", "std"),
    [
        (lambda w: init.kaiming_normal_(w, nonlinearity="relu"), sqrt(2 / 300)),
        (lambda w: init.kaiming_uniform_(w, nonlinearity="relu"), sqrt(2 / 300)),
        (lambda w: init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"), sqrt(2 / 200)),
        (lambda w: init.kaiming_uniform_(w, a=sqrt(5)), sqrt(1 / 900)),
        (init.xavier_normal_, sqrt(2 / 500)),
        (init.xavier_uniform_, sqrt(2 / 500)),
        (lambda w: init.xavier_normal_(w, gain=3), 3 * sqrt(2 / 500)),
        (init.lecun_normal_, sqrt(1 / 300)),
        (lambda w: init.normal_(w, 0, 0.5), 0.5),
        (lambda w: init.uniform_(w, -1, 1), sqrt(1 / 3)),
        (init.default_, sqrt(1 / 900)),
    ],
)
def test_spread(fill, std):
    w = weight()
    fill(w)
    n = w.size
    assert abs(w.data.std() / std - 1) < 5 / sqrt(2 * n)  # 5 standard errors
    assert abs(w.data.mean()) < 5 * std / sqrt(n)


def test_fills_in_place_and_returns_the_tensor():
    w = weight()
    array = w.data
    fills = [
        init.uniform_,
        init.normal_,
        init.zeros_,
        init.ones_,
        init.kaiming_normal_,
        init.kaiming_uniform_,
        init.xavier_normal_,
        init.xavier_uniform_,
        init.lecun_normal_,
    ]
    assert all(fill(w) is w for fill in fills) and w.data is array
    assert (init.constant_(w, 7).data == 7).all()
    assert (init.ones_(w).data == 1).all() and (init.zeros_(w).data == 0).all()


def test_uniform_stays_within_its_bounds():
    w = init.uniform_(weight(), -0.25, 0.5).data
    assert w.min() >= -0.25 and w.max() < 0.5
    assert w.min() < -0.24 and w.max() > 0.49
    w = init.kaiming_uniform_(weight(), nonlinearity="linear").data
    assert 0.99 * sqrt(3 / 300) < np.abs(w).max() <= sqrt(3 / 300)


def test_default_of_layers():
    linear, conv = Linear(100, 50), Conv2d(16, 32, 5, groups=2)
    for layer, bound in ((linear, 1 / 10), (conv, 1 / sqrt(25 * 8))):
        for p in layer.parameters():
            assert 0.7 * bound < np.abs(p.data).max() <= np.float32(bound)


def test_the_seed_decides():
    def layers(seed):
        random.manual_seed(seed)
        return [p.data for layer in (Linear(5, 4), Conv2d(2, 3, 3)) for p in layer.parameters()]

    for a, b in zip(layers(1), layers(1), strict=True):
        assert_same_bits(a, b)
    assert all((a != b).any() for a, b in zip(layers(1), layers(2), strict=True))
    random.manual_seed(1)
    assert (Linear(5, 4).weight.data != Linear(5, 4).weight.data).any()


def test_float64_and_empty():
    assert init.normal_(Parameter(np.zeros((3, 4)))).dtype == np.float64
    assert init.kaiming_uniform_(weight((0, 4))).shape == (0, 4)
    init.default_(weight((0, 0)))


@pytest.mark.parametrize(
    ("name", "gain"),
    [("linear", 1), ("conv2d", 1), ("sigmoid", 1), ("tanh", 5 / 3), ("relu", sqrt(2)),
     ("selu", 0.75), ("leaky_relu", sqrt(2 / 1.0001))],
)  # fmt: skip
def test_gain(name, gain):
    assert init.calculate_gain(name) == pytest.approx(gain)
    assert init.calculate_gain("leaky_relu", 1) == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w: init.calculate_gain("gelu?"), "nonlinearity must be one of"),
        (lambda w: init.kaiming_normal_(w, mode="fan"), "mode must be"),
        (lambda w: init.uniform_(w, 2, 1), "a must not be more than b, got a=2, b=1"),
        (lambda w: init.uniform_(w, float("nan"), 1), "a must not be more than b"),
        (lambda w: init.normal_(w, 0, -1), "std must be at least 0, got -1"),
        (lambda w: init.normal_(w, 0, float("nan")), "std must be at least 0"),
    ],
)
def test_bad_arguments_change_nothing(call, message):
    w = init.constant_(weight((2, 2)), 7)
    with pytest.raises(ValueError, match=message):
        call(w)
    assert (w.data == 7).all()


@pytest.mark.parametrize("fill", [init.ones_, init.normal_, init.uniform_, init.xavier_normal_])
def test_only_tensors_are_filled(fill):
    with pytest.raises(TypeError, match="tensor must be a Tensor to fill, got ndarray"):
        fill(np.zeros((2, 2)))
