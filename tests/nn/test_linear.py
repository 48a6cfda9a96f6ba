"""Linear: shapes, arguments, and the gradient of its parameters."""

import numpy as np
import pytest
from helpers import assert_close, integers

from minidrop.nn import Linear

BAD_SIZES = [
    (0, ValueError),
    (-3, ValueError),
    (2.0, TypeError),
    ("3", TypeError),
    (None, TypeError),
    (True, TypeError),
    (float("nan"), TypeError),
]


def test_value_and_gradients():
    layer, x = Linear(3, 4), integers((5, 3))
    layer.weight.data[...] = integers((3, 4), seed=1)
    layer.bias.data[...] = integers(4, seed=2)
    y = layer(x)
    np.testing.assert_array_equal(y, x @ layer.weight.data + layer.bias.data)
    y.sum().backward()
    np.testing.assert_array_equal(layer.weight.grad, np.repeat(x.sum(0)[:, None], 4, 1))
    np.testing.assert_array_equal(layer.bias.grad, np.full(4, 5))


@pytest.mark.parametrize("shape", [(3,), (0, 3), (2, 0, 3), (2, 5, 3)])
def test_leading_dims(shape):
    layer = Linear(3, 4)
    assert layer(integers(shape)).shape == (*shape[:-1], 4)


def test_no_bias():
    layer = Linear(3, 4, bias=False)
    assert layer.bias is None and list(layer.state_dict()) == ["weight"]
    assert_close(layer(np.zeros((1, 3), np.float32)), np.zeros((1, 4), np.float32))


def test_wrong_width():
    with pytest.raises(ValueError, match=r"linear.*\(2, 4\).*\(3, 4\)"):
        Linear(3, 4)(integers((2, 4)))


@pytest.mark.parametrize(("size", "error"), BAD_SIZES)
def test_bad_sizes(size, error):
    with pytest.raises(error, match=f"in_features must be.*got {size!r}"):
        Linear(size, 3)
    with pytest.raises(error, match=f"out_features must be.*got {size!r}"):
        Linear(3, size)


def test_numpy_sizes():
    assert Linear(np.int64(3), np.uint8(4)).weight.shape == (3, 4)


@pytest.mark.parametrize("sizes", [(10**12, 10), (10, 10**12), (10**12, 10**12), (2**40, 2**40)])
def test_too_large(sizes):
    with pytest.raises(MemoryError, match="weight of shape .* needs .* GB"):
        Linear(*sizes)


@pytest.mark.parametrize("bias", [None, 1, "yes", 0.0])
def test_bad_bias(bias):
    with pytest.raises(TypeError, match="bias must be True or False"):
        Linear(3, 4, bias=bias)


def test_repr():
    assert repr(Linear(3, 4)) == "Linear(in_features=3, out_features=4, bias=True)"
