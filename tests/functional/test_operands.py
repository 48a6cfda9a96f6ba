"""What may stand where an op takes a tensor."""

import numpy as np
import pytest
from helpers import assert_same_bits, normals

import minidrop.functional as F
from minidrop import nn
from minidrop.tensor import Tensor

W, IMAGE_W = normals((4, 3)), normals((3, 3, 4, 5))
OF_ONE = ["abs", "argmax", "argmin", "exp", "flatten", "gelu", "log", "max", "mean", "min", "neg",
          "relu", "reshape", "softmax", "sqrt", "sum", "transpose", "var"]  # fmt: skip
OF_MORE = {
    "clip": lambda x: F.clip(x, 0, 1),
    "conv2d": lambda x: F.conv2d(x, IMAGE_W),
    "conv2d_w": lambda x: F.conv2d(normals((1, 5, 5, 4)), x),
    "linear": lambda x: F.linear(x, W),
    "linear_w": lambda x: F.linear(W, x),
    "matmul": lambda x: F.matmul(x, W),
    "layer_norm": lambda x: F.layer_norm(x, 4),
    "max_pool2d": lambda x: F.max_pool2d(x, 2),
    "where": lambda x: F.where(x, W, W),
    "BatchNorm1d": nn.BatchNorm1d(4),
    "Identity": nn.Identity(),
}


@pytest.mark.parametrize("op", [*OF_ONE, *OF_MORE])
def test_none_is_no_tensor(op):
    call = OF_MORE.get(op) or getattr(F, op)
    with pytest.raises(TypeError, match=r"real numbers, got object \(NoneType\)"):
        call(None)


def at_an_odd_address(array):
    memory = np.zeros(array.nbytes + 1, np.uint8)
    odd = memory[1:].view(array.dtype).reshape(array.shape)
    odd[...] = array
    assert not odd.flags.aligned
    return odd


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_at_odd_addresses(dtype):
    x, w = normals((9, 7, 7, 4), dtype=dtype), normals((3, 3, 4, 5), 1, dtype=dtype)
    labels = at_an_odd_address(np.arange(9))

    def outcome(x, w):
        x, w = Tensor(x, requires_grad=True), Tensor(w, requires_grad=True)
        y = F.conv2d(x, w, padding=1)
        loss = F.cross_entropy((F.sigmoid(y) * y).reshape(9, -1), labels)
        loss.backward()
        return loss.data, x.grad, w.grad

    odd = outcome(at_an_odd_address(x), at_an_odd_address(w))
    for got, expected in zip(odd, outcome(x, w), strict=True):
        assert_same_bits(got, expected)
