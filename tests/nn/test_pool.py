"""Pooling layers: each is the function of its name; arguments are refused where they are given."""

import pytest
from helpers import assert_same_bits, normals

import minidrop.functional as F
from minidrop.nn import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d

KINDS = [(MaxPool2d, F.max_pool2d), (AvgPool2d, F.avg_pool2d)]


@pytest.mark.parametrize(("layer", "function"), KINDS)
@pytest.mark.parametrize("given", [(2,), (3, 2), (3, 1, 1), ((2, 3), (1, 2), (1, 0))])
def test_is_its_function(layer, function, given):
    x = normals((2, 7, 8, 3))
    assert_same_bits(layer(*given)(x), function(x, *given))


def test_stride_is_the_kernel_unless_given():
    assert MaxPool2d((2, 3)).stride == (2, 3) and MaxPool2d(3, 1).stride == (1, 1)
    assert MaxPool2d(2)(normals((1, 24, 24, 64))).shape == (1, 12, 12, 64)
    assert repr(AvgPool2d(2)) == "AvgPool2d(kernel_size=(2, 2), stride=(2, 2), padding=(0, 0))"


@pytest.mark.parametrize("size", [1, 3, (2, 5), (None, 1), None])
def test_adaptive(size):
    x = normals((2, 7, 8, 3))
    assert_same_bits(AdaptiveAvgPool2d(size)(x), F.adaptive_avg_pool2d(x, size))


@pytest.mark.parametrize("layer", [MaxPool2d(2), AvgPool2d(2), AdaptiveAvgPool2d(1)])
def test_empty_batch(layer):
    assert layer(normals((0, 4, 4, 3))).shape[0] == 0


@pytest.mark.parametrize("layer", [MaxPool2d, AvgPool2d])
@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ((0,), ValueError, "kernel_size must be at least 1, got 0"),
        ((2.0,), TypeError, "kernel_size must be an int, got 2.0"),
        (("2",), TypeError, "kernel_size must be an int, got '2'"),
        ((2, 0), ValueError, "stride must be at least 1, got 0"),
        ((2, 1, -1), ValueError, "padding must be at least 0, got -1"),
        ((2, 1, 2), ValueError, r"padding must be at most half of kernel_size \(2, 2\), got 2"),
        (((2, 2, 2),), ValueError, "kernel_size must be an int or two"),
    ],
)
def test_bad_arguments(layer, given, error, message):
    with pytest.raises(error, match=message):
        layer(*given)


@pytest.mark.parametrize(
    ("size", "error"),
    [(0, ValueError), ((1, 2, 3), ValueError), (1.0, TypeError), ("1", TypeError)],
)
def test_bad_output_size(size, error):
    with pytest.raises(error, match="output_size must be"):
        AdaptiveAvgPool2d(size)
