"""Conv2d: shapes, arguments, and that all of them reach the function."""

import numpy as np
import pytest
from helpers import assert_same_bits, integers

import minidrop.functional as F
from minidrop.nn import Conv2d


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"stride": 2},
        {"stride": (1, 2), "padding": (2, 0)},
        {"padding": 1, "dilation": 2},
        {"groups": 2},
        {"groups": 4, "bias": False},
        {"algo": "winograd"},
    ],
)
def test_arguments_reach_the_function(arguments):
    layer, x = Conv2d(4, 8, 3, **arguments), integers((2, 9, 8, 4))
    given = {name: value for name, value in arguments.items() if name != "bias"}
    assert_same_bits(layer(x), F.conv2d(x, layer.weight, layer.bias, **given))


def test_hand_value_and_gradients():
    layer = Conv2d(1, 1, 2)
    layer.weight.data[...] = np.array([[1, 2], [3, 4]], np.float32).reshape(2, 2, 1, 1)
    layer.bias.data[...] = 10
    x = np.arange(9, dtype=np.float32).reshape(1, 3, 3, 1)
    y = layer(x)
    assert y.data.reshape(2, 2).tolist() == [[37, 47], [67, 77]]
    y.sum().backward()
    assert layer.bias.grad.tolist() == [4]
    assert layer.weight.grad.reshape(2, 2).tolist() == [[8, 12], [20, 24]]


def test_shapes_of_parameters():
    layer = Conv2d(6, 4, (3, 5), groups=2)
    assert layer.weight.shape == (3, 5, 3, 4) and layer.bias.shape == (4,)
    assert layer.kernel_size == (3, 5) and layer.stride == (1, 1)
    assert Conv2d(6, 4, 1, bias=False).bias is None


def test_empty_batch():
    assert Conv2d(1, 4, 3)(integers((0, 8, 8, 1))).shape == (0, 6, 6, 4)


def test_nchw_input():
    with pytest.raises(ValueError, match="NCHW"):
        Conv2d(3, 4, 3)(integers((2, 3, 8, 8)))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"in_channels": 0}, ValueError, "in_channels must be at least 1, got 0"),
        ({"out_channels": 2.0}, TypeError, "out_channels must be an int, got 2.0"),
        ({"kernel_size": 0}, ValueError, "kernel_size must be at least 1, got 0"),
        ({"kernel_size": (3, 0)}, ValueError, "kernel_size must be at least 1, got 0"),
        ({"kernel_size": (3, 3, 3)}, ValueError, "kernel_size must be an int or two"),
        ({"kernel_size": ()}, ValueError, "kernel_size must be an int or two"),
        ({"kernel_size": 3.0}, TypeError, "kernel_size must be an int, got 3.0"),
        ({"stride": 0}, ValueError, "stride must be at least 1, got 0"),
        ({"stride": -1}, ValueError, "stride must be at least 1, got -1"),
        ({"padding": -1}, ValueError, "padding must be at least 0, got -1"),
        ({"padding": "same"}, TypeError, "padding must be an int, got 'same'"),
        ({"padding": True}, TypeError, "padding must be an int, got True"),
        ({"dilation": 0}, ValueError, "dilation must be at least 1, got 0"),
        ({"groups": 0}, ValueError, "groups must be at least 1, got 0"),
        ({"groups": 3}, ValueError, "groups must divide in_channels 4 and out_channels 8, got 3"),
        ({"groups": 8}, ValueError, "groups must divide"),
        ({"groups": 1.0}, TypeError, "groups must be an int"),
        ({"algo": "fft"}, ValueError, "algo must be one of auto, direct, winograd, got 'fft'"),
        ({"algo": None}, ValueError, "algo must be one of"),
        ({"algo": "winograd", "stride": 2}, ValueError, "algo='winograd' takes kernels of 3 x 3"),
        ({"algo": "winograd", "kernel_size": 4}, ValueError, "algo='winograd' takes kernels"),
        ({"bias": "no"}, TypeError, "bias must be True or False"),
        ({"in_channels": 10**12}, MemoryError, "weight of shape"),
        ({"kernel_size": 2**31}, MemoryError, "weight of shape"),
    ],
)
def test_bad_arguments(arguments, error, message):
    given = {"in_channels": 4, "out_channels": 8, "kernel_size": 3} | arguments
    with pytest.raises(error, match=message):
        Conv2d(**given)


def test_huge_padding_raises_in_the_call():
    layer = Conv2d(1, 1, 3, padding=2**62)
    with pytest.raises((ValueError, MemoryError)):
        layer(integers((1, 8, 8, 1)))


def test_repr():
    assert repr(Conv2d(1, 32, 3)) == "Conv2d(1, 32, kernel_size=(3, 3), stride=(1, 1))"
    assert repr(Conv2d(2, 4, 3, padding=1, groups=2, bias=False)) == (
        "Conv2d(2, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1), groups=2, bias=False)"
    )
    assert repr(Conv2d(2, 4, 3, algo="direct")) == (
        "Conv2d(2, 4, kernel_size=(3, 3), stride=(1, 1), algo='direct')"
    )
