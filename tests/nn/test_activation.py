"""Activations as layers: each is the function of its name, with its arguments."""

import numpy as np
import pytest
from helpers import assert_same_bits, normals

import minidrop.functional as F
from minidrop import nn

CASES = [
    (nn.ReLU(), F.relu, "ReLU()"),
    (nn.LeakyReLU(), F.leaky_relu, "LeakyReLU(negative_slope=0.01)"),
    (nn.LeakyReLU(0.3), lambda x: F.leaky_relu(x, 0.3), "LeakyReLU(negative_slope=0.3)"),
    (nn.ELU(2), lambda x: F.elu(x, 2.0), "ELU(alpha=2.0)"),
    (nn.SELU(), F.selu, "SELU()"),
    (nn.GELU(), F.gelu, "GELU(approximate='none')"),
    (nn.GELU("tanh"), lambda x: F.gelu(x, "tanh"), "GELU(approximate='tanh')"),
    (nn.SiLU(), F.silu, "SiLU()"),
    (nn.Sigmoid(), F.sigmoid, "Sigmoid()"),
    (nn.Tanh(), F.tanh, "Tanh()"),
    (nn.Softmax(), F.softmax, "Softmax(dim=-1)"),
    (nn.Softmax(0), lambda x: F.softmax(x, 0), "Softmax(dim=0)"),
    (nn.LogSoftmax(dim=1), lambda x: F.log_softmax(x, 1), "LogSoftmax(dim=1)"),
]


@pytest.mark.parametrize(("layer", "function", "text"), CASES, ids=[case[2] for case in CASES])
def test_is_its_function(layer, function, text):
    x = normals((3, 4, 5))
    assert_same_bits(layer(x), function(x))
    assert layer(normals((0, 4, 5))).shape == (0, 4, 5)
    assert repr(layer) == text
    assert list(layer.parameters()) == [] and layer.state_dict() == {}


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.LeakyReLU("steep"), TypeError, "negative_slope must be a number"),
        (lambda: nn.LeakyReLU(float("nan")), ValueError, "negative_slope must be a finite number"),
        (lambda: nn.ELU(float("inf")), ValueError, "alpha must be a finite number"),
        (lambda: nn.ELU(np.ones(2)), TypeError, "alpha must be a number"),
        (lambda: nn.GELU("erf"), ValueError, "approximate must be"),
        (lambda: nn.Softmax(0.5), TypeError, "dim must be an int"),
        (lambda: nn.LogSoftmax(None), TypeError, "dim must be an int"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_dim_out_of_range():
    with pytest.raises(ValueError, match="dim"):
        nn.Softmax(3)(normals((2, 3)))
