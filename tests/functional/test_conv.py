"""Convolution as an op: values against loops of NumPy, gradients against differences."""

import itertools

import numpy as np
import pytest
from helpers import assert_close, assert_same_bits, integers, normals

import minidrop.functional as F
from minidrop.gradcheck import gradcheck
from minidrop.tensor import Tensor


def pair(value):
    return value if isinstance(value, tuple) else (value, value)


def convolve(x, w, b, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation, tap by tap."""
    (sh, sw), (ph, pw), (dh, dw) = pair(stride), pair(padding), pair(dilation)
    kh, kw, cin, cout = w.shape
    x = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    oh = (x.shape[1] - dh * (kh - 1) - 1) // sh + 1
    ow = (x.shape[2] - dw * (kw - 1) - 1) // sw + 1
    y = np.zeros((len(x), oh, ow, cout), x.dtype) + b
    for g, ky, kx in itertools.product(range(groups), range(kh), range(kw)):
        rows = slice(ky * dh, ky * dh + sh * (oh - 1) + 1, sh)
        cols = slice(kx * dw, kx * dw + sw * (ow - 1) + 1, sw)
        out = slice(g * cout // groups, (g + 1) * cout // groups)
        y[..., out] += x[:, rows, cols, g * cin : (g + 1) * cin] @ w[ky, kx][:, out]
    return y


GEOMETRIES = {
    "plain": {},
    "padded": {"padding": 1},
    "strided": {"stride": 2, "padding": (0, 1)},
    "uneven": {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2)},
    "dilated": {"dilation": 2, "padding": 2},
    "grouped": {"groups": 2, "padding": 1},
    "depthwise": {"groups": 4, "stride": 2, "padding": 1},
}


@pytest.mark.parametrize("options", GEOMETRIES.values(), ids=GEOMETRIES)
@pytest.mark.parametrize("kernel", [(3, 3), (1, 1), (2, 3)])
def test_conv2d(options, kernel):
    groups = options.get("groups", 1)
    given = (2, 6, 7, 4), (*kernel, 4 // groups, 4), (4,)
    for dtype in (np.float32, np.float64):
        x, w, b = (integers(shape, seed, dtype=dtype) for seed, shape in enumerate(given))
        got = F.conv2d(x, w, b, **options)
        np.testing.assert_array_equal(got.data, convolve(x, w, b, **options), strict=True)
        got = F.conv2d(x, w, **options)
        np.testing.assert_array_equal(got.data, convolve(x, w, 0, **options), strict=True)


@pytest.mark.parametrize("options", GEOMETRIES.values(), ids=GEOMETRIES)
@pytest.mark.parametrize("relu", [False, True])
def test_gradients(options, relu):
    groups = options.get("groups", 1)
    x, w, b = normals((2, 5, 6, 4), 1), normals((3, 2, 4 // groups, 4), 2), normals(4, 3)
    gradcheck(lambda *given: F.conv2d(*given, **options, relu=relu), (x, w, b))
    gradcheck(lambda *given: F.conv2d(*given, **options, relu=relu), (x, w))


@pytest.mark.parametrize("pool", [2, 3])
@pytest.mark.parametrize("relu", [False, True])
def test_gradients_through_pooling(pool, relu):
    x, w, b = normals((2, 7, 8, 3), 1), normals((3, 2, 3, 5), 2), normals(5, 3)
    gradcheck(lambda *given: F.conv2d(*given, padding=1, relu=relu, pool=pool), (x, w, b))


def test_pooling_without_a_graph_has_the_same_bits():
    x, w = normals((2, 8, 8, 3), 1), normals((3, 3, 3, 5), 2)
    kept = F.conv2d(Tensor(x, requires_grad=True), w, relu=True, pool=2)
    assert_same_bits(F.conv2d(x, w, relu=True, pool=2).data, kept.data)


CONSUMERS = {
    "a_convolution": lambda y, w: F.conv2d(y, w),
    "two_convolutions": lambda y, w: F.conv2d(y, w) + F.conv2d(y, w, padding=1)[:, 1:-1, 1:-1],
    "one_and_something_else": lambda y, w: F.conv2d(y, w).sum() + (y * 3).sum(),
    "something_else": lambda y, w: (y * w[0, 0, :, 0]).sum(),
}


@pytest.mark.parametrize("consume", CONSUMERS.values(), ids=CONSUMERS)
@pytest.mark.parametrize("pool", [1, 2])
def test_what_takes_in_the_value_of_a_relu(consume, pool):
    x, w1, w2 = normals((2, 9, 8, 3), 1), normals((3, 3, 3, 8), 2), normals((3, 3, 8, 4), 3)

    def gradients(relu):
        leaves = [Tensor(a, requires_grad=True) for a in (x, w1, w2)]
        consume(relu(*leaves[:2]), leaves[2]).sum().backward()
        return [leaf.grad for leaf in leaves]

    fused = gradients(lambda x, w: F.conv2d(x, w, relu=True, pool=pool, algo="direct"))
    apart = gradients(lambda x, w: F.max_pool2d(F.relu(F.conv2d(x, w, algo="direct")), pool))
    for got, expected in zip(fused, apart, strict=True):
        assert_same_bits(got, expected)


def test_gradients_only_where_wanted():
    x, w, b = integers((2, 5, 5, 3), 1), integers((3, 3, 3, 4), 2), integers(4, 3)
    everything = [Tensor(a, requires_grad=True) for a in (x, w, b)]
    F.conv2d(*everything).sum().backward()
    for wanted in range(3):
        given = [Tensor(a, requires_grad=i == wanted) for i, a in enumerate((x, w, b))]
        F.conv2d(*given).sum().backward()
        assert [t.grad is not None for t in given] == [i == wanted for i in range(3)]
        np.testing.assert_array_equal(given[wanted].grad, everything[wanted].grad)


def test_empty_batch():
    given = [
        Tensor(a, requires_grad=True) for a in (integers((0, 5, 5, 3)), integers((3, 3, 3, 4)))
    ]
    y = F.conv2d(*given)
    assert y.shape == (0, 3, 3, 4)
    y.sum().backward()
    assert given[0].grad.shape == (0, 5, 5, 3) and not given[1].grad.any()


def test_transposed_input():
    x, w = integers((2, 3, 6, 5)), integers((3, 3, 3, 4), 1)  # NCHW, brought to NHWC by a view
    got = F.conv2d(Tensor(x).transpose(0, 2, 3, 1), w)
    np.testing.assert_array_equal(got.data, convolve(x.transpose(0, 2, 3, 1), w, 0))


def test_random_is_close():
    x, w, b = normals((3, 20, 20, 16), 1), normals((3, 3, 16, 24), 2), normals(24, 3)
    expected = convolve(*(a.astype(np.float64) for a in (x, w, b)), padding=1)
    assert_close(F.conv2d(x, w, b, padding=1, algo="direct"), expected.astype(np.float32), 10)
    error = np.abs(F.conv2d(x, w, b, padding=1, algo="winograd").data - expected)
    assert error.max() <= 2e-6 * np.abs(expected).max()


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("relu", [False, True])
def test_gradients_of_winograd(kernel, relu):
    given = (2, 7, 6, 3), (kernel, kernel, 3, 4), (4,)
    x, w, b = (normals(shape, seed, dtype=np.float64) for seed, shape in enumerate(given))
    options = {"padding": 1, "algo": "winograd", "relu": relu}
    gradcheck(lambda x, w, b: F.conv2d(x, w, b, **options), [x, w, b])


def test_winograd_where_it_cannot_be():
    x, w = normals((1, 8, 8, 4)), normals((3, 3, 4, 4))
    with pytest.raises(ValueError, match="algo='winograd' takes kernels of 3 x 3 and 5 x 5"):
        F.conv2d(x, w, stride=2, algo="winograd")
    with pytest.raises(ValueError, match="algo must be one of auto, direct, winograd"):
        F.conv2d(x, w, algo="fft")


def test_an_image_in_the_wrong_layout_is_told_so():
    with pytest.raises(ValueError, match="looks like NCHW"):
        F.conv2d(np.zeros((2, 3, 8, 8), np.float32), np.zeros((3, 3, 3, 4), np.float32))
