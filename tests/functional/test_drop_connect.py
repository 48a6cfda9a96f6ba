"""F.drop_connect and its relatives: the law by composition, the gradients, and where masks are."""

import numpy as np
import pytest
from helpers import (
    assert_close,
    assert_same_bits,
    check_same_on_isas,
    check_same_on_threads,
    normals,
)

import minidrop.functional as F
from minidrop import _kernels
from minidrop.gradcheck import gradcheck
from minidrop.tensor import Tensor

AT = {"training": True, "seed": 7, "stream": 2, "call": 5}
MASKS = ["bits", "recompute"]


def leaves(*shapes, dtype=np.float32):
    arrays = (normals(s, i, dtype) for i, s in enumerate(shapes))
    return [Tensor(a, requires_grad=True) for a in arrays]


def gradients(y, *tensors):
    y.backward(normals(y.shape, 9, y.dtype))
    out = [t.grad for t in tensors]
    for t in tensors:
        t.grad = None
    return out


# ---- one mask for the batch ----


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("p", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(9, 20), (3, 4, 20), (20,)])
def test_batch_has_the_bits_of_a_linear_of_dropped_weights(isa, shape, p, mask):
    x, w, b = leaves(shape, (20, 13), (13,))
    expected = F.linear(x, F.dropout(w, p, **AT), b)
    y = F.drop_connect(x, w, b, p, mask=mask, **AT)
    assert_same_bits(y.data, expected.data)
    for got, want in zip(gradients(y, x, w, b), gradients(expected, x, w, b), strict=True):
        assert_same_bits(got, want)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("per_sample", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_gradcheck(per_sample, mask, bias):
    x, w, b = leaves((3, 5), (5, 4), (4,), dtype=np.float64)

    def fn(x, w, b=None):
        return F.drop_connect(x, w, b, 0.4, per_sample=per_sample, mask=mask, **AT)

    assert gradcheck(fn, (x, w, b) if bias else (x, w))


@pytest.mark.parametrize("per_sample", [False, True])
def test_gradients_that_nobody_wants(per_sample):
    x, w, b = leaves((3, 5), (5, 4), (4,))
    frozen = Tensor(w.data)
    F.drop_connect(x.data, w, b, 0.4, per_sample=per_sample, **AT).sum().backward()
    assert x.grad is None and w.grad is not None and b.grad is not None
    F.drop_connect(x, frozen, b.data, 0.4, per_sample=per_sample, **AT).sum().backward()
    assert x.grad is not None and frozen.grad is None


@pytest.mark.parametrize("per_sample, words", [(False, 32), (True, 8 * 32)])
def test_the_graph_keeps_a_bit_a_weight(per_sample, words):
    x, w = leaves((8, 32), (32, 32))
    y = F.drop_connect(x, w, None, 0.5, per_sample=per_sample, **AT)
    held = [c.cell_contents for c in y._backward.__closure__]
    bits = [a for a in held if isinstance(a, np.ndarray) and a.dtype == np.uint32]
    assert [a.size for a in bits] == [words]
    floats = [a for a in held if isinstance(a, np.ndarray) and a.dtype == np.float32]
    assert all(a.shape != (32, 32) for a in floats), "no masked copy of w"


# ---- a mask for every sample ----


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("p", [0.2, 0.5, 1.0])
def test_every_sample_has_a_mask_of_its_own(p, mask):
    x, w, b = leaves((6, 20), (20, 13), (13,))
    rows = [F.linear(x[i : i + 1], F.dropout(w, p, offset=i * 260, **AT), b) for i in range(6)]
    expected = F.cat(rows)
    y = F.drop_connect(x, w, b, p, per_sample=True, mask=mask, **AT)
    assert_close(y.data, expected.data)
    for got, want in zip(gradients(y, x, w, b), gradients(expected, x, w, b), strict=True):
        assert_close(got, want, scale=10)


def test_samples_differ():
    w = np.ones((50, 40), np.float32)
    y = F.drop_connect(np.ones((30, 50), np.float32), w, None, 0.5, per_sample=True, **AT).data
    assert len({row.tobytes() for row in y}) == 30
    assert (
        len(
            {
                row.tobytes()
                for row in F.drop_connect(np.ones((30, 50), np.float32), w, None, 0.5, **AT).data
            }
        )
        == 1
    )


@pytest.mark.parametrize("cut", [0, 1, 4, 6])
def test_a_batch_in_slices(isa, cut):
    x, w = normals((6, 20)), normals((20, 13))
    whole = F.drop_connect(x, w, None, 0.3, per_sample=True, **AT).data
    parts = [
        F.drop_connect(x[:cut], w, None, 0.3, per_sample=True, **AT).data,
        F.drop_connect(x[cut:], w, None, 0.3, per_sample=True, offset=260 * cut, **AT).data,
    ]
    assert_same_bits(np.concatenate(parts), whole)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("per_sample", [False, True])
def test_bits_on_isas_and_threads(per_sample, mask):
    def step(x):
        t, w = Tensor(x, requires_grad=True), Tensor(normals((70, 65), 3), requires_grad=True)
        y = F.drop_connect(t, w, None, 0.3, per_sample=per_sample, mask=mask, **AT)
        y.backward(y.data)
        return y.data, t.grad, w.grad

    check_same_on_isas(step, normals((40, 70)))
    check_same_on_threads(step, normals((40, 70)))


def test_mean_is_kept():
    x, w = np.ones((4000, 3), np.float32), np.array([[1.0], [-2.0], [0.5]], np.float32)
    y = F.drop_connect(x, w, None, 0.2, per_sample=True, **AT).data
    sigma = np.sqrt(0.2 / 0.8 * (w**2).sum() / 4000)
    assert abs(y.mean() - w.sum()) < 5.33 * sigma


# ---- a convolution ----


CONVOLUTIONS = {  # kernel, cin, cout, geometry
    "dense": (3, 6, 21, {"algo": "direct"}),
    "several_panels": (3, 37, 70, {"algo": "direct", "padding": 1}),
    "stride": (3, 6, 6, {"stride": 2, "padding": 1}),
    "groups": (3, 6, 10, {"groups": 2}),
    "depthwise": (3, 11, 11, {"groups": 11, "padding": 1}),
    "few_input_channels": (3, 3, 18, {}),
    "pointwise": (1, 7, 9, {}),
    "winograd": (3, 19, 37, {"algo": "winograd", "padding": 1}),
    "winograd_5x5": (5, 5, 9, {"algo": "winograd"}),
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolution(isa, name, mask):
    kernel, cin, cout, geometry = CONVOLUTIONS[name]
    x, w, b = leaves(
        (2, 7, 8, cin), (kernel, kernel, cin // geometry.get("groups", 1), cout), (cout,)
    )
    expected = F.conv2d(x, F.dropout(w, 0.3, **AT), b, **geometry)
    y = F.drop_connect_conv2d(x, w, b, 0.3, mask=mask, **geometry, **AT)
    assert_same_bits(y.data, expected.data)
    for got, want in zip(gradients(y, x, w, b), gradients(expected, x, w, b), strict=True):
        assert_same_bits(got, want)


@pytest.mark.parametrize("options", [{}, {"padding": 1}, {"algo": "winograd"}])
def test_convolution_gradcheck(options):
    def fn(x, w):
        return F.drop_connect_conv2d(x, w, None, 0.4, **options, **AT)

    assert gradcheck(fn, leaves((2, 4, 3, 2), (3, 3, 2, 3), dtype=np.float64))


def test_masked_weights_stand_nowhere():
    """A call asks the pool for the bits, and else for what `conv2d` asks for."""
    x, w = normals((2, 6, 6, 8)), normals((3, 3, 8, 16))

    def requests(fn, *args, **options):
        before = _kernels.pool_stats()["requests"]
        fn(x, w, None, *args, **options)
        return _kernels.pool_stats()["requests"] - before

    assert requests(F.drop_connect_conv2d, 0.5, **AT) == requests(F.conv2d) + 1


def test_bad_masks_of_weights():
    x, w = normals((1, 4, 4, 2)), normals((3, 3, 2, 3))
    bits = _kernels.mask_bits(w.size, 0.5, 1)
    with pytest.raises(ValueError, match="bits must have shape"):
        _kernels.conv2d_forward(x, w, w_mask=(bits[:-1], 0.5))
    with pytest.raises(TypeError, match="bits must be a contiguous uint32 array"):
        _kernels.conv2d_forward(x, w, w_mask=(bits.astype(np.int64), 0.5))
    with pytest.raises(ValueError, match="without pooling, got pool=2"):
        _kernels.conv2d_forward(x, w, pool=2, w_mask=(bits, 0.5))


# ---- at test time ----


@pytest.mark.parametrize("options", [{"training": False, "p": 0.5}, {"training": True, "p": 0}])
@pytest.mark.parametrize("per_sample", [False, True])
def test_nothing_is_dropped(options, per_sample):
    x, w, b = leaves((3, 5), (5, 4), (4,))
    assert_same_bits(
        F.drop_connect(x, w, b, per_sample=per_sample, **options).data, F.linear(x, w, b).data
    )
    image, kernel = leaves((1, 4, 4, 2), (3, 3, 2, 2))
    assert_same_bits(
        F.drop_connect_conv2d(image, kernel, None, **options).data, F.conv2d(image, kernel).data
    )


@pytest.mark.parametrize("p", [0.2, 0.5])
def test_moments_of_the_gaussian(p):
    """A unit's mean and variance are those of the sum over its dropped weights."""
    x, w = normals((1, 40), 1), normals((40, 3), 2)
    drawn = []
    F.drop_connect_gaussian(
        x, w, None, p, samples=4000, seed=1, activation=lambda u: drawn.append(u.data) or u
    )
    drawn = np.concatenate(drawn)
    masked = F.drop_connect(
        np.repeat(x, 4000, 0), w, None, p, training=True, seed=3, per_sample=True
    ).data
    variance = p / (1 - p) * (x**2) @ (w**2)
    limit = 5.33 * np.sqrt(variance / 4000)
    for sample in (drawn, masked):
        assert (np.abs(sample.mean(0) - x @ w) < limit).all()
        assert (np.abs(sample.var(0) / variance - 1) < 5.33 * np.sqrt(2 / 4000)).all()


def test_gaussian_is_nearer_to_the_average_than_scaling():
    """Behind a relu, which the mean of its input does not tell the mean of."""
    x, w = normals((8, 100), 1), normals((100, 20), 2)
    relu, p = F.relu, 0.5
    many = [
        F.relu(F.drop_connect(x, w, None, p, training=True, seed=1, call=c, per_sample=True))
        for c in range(300)
    ]
    average = sum(y.data for y in many) / 300
    gaussian = F.drop_connect_gaussian(x, w, None, p, activation=relu, samples=300, seed=2).data
    scaled = F.relu(F.drop_connect(x, w, None, p, training=False)).data
    assert np.abs(gaussian - average).mean() < 0.3 * np.abs(scaled - average).mean()


def test_gaussian_noise_is_addressed():
    x, w, b = normals((6, 9)), normals((9, 4)), normals(4)
    options = {"activation": F.relu, "samples": 3, "seed": 5}
    whole = F.drop_connect_gaussian(x, w, b, 0.3, **options).data
    assert_same_bits(F.drop_connect_gaussian(x, w, b, 0.3, **options).data, whole)
    assert not np.array_equal(F.drop_connect_gaussian(x, w, b, 0.3, call=1, **options).data, whole)
    parts = [
        F.drop_connect_gaussian(x[:2], w, b, 0.3, **options).data,
        F.drop_connect_gaussian(x[2:], w, b, 0.3, offset=8, **options).data,
    ]
    assert_same_bits(np.concatenate(parts), whole)
    assert (
        F.drop_connect_gaussian(
            x.astype(np.float64), w.astype(np.float64), None, 0.3, **options
        ).dtype
        == np.float64
    )


# ---- bad input ----


@pytest.mark.parametrize(
    "p, error",
    [
        (2, ValueError),
        (-0.1, ValueError),
        (256, ValueError),
        (float("nan"), ValueError),
        ("half", TypeError),
    ],
)
def test_bad_p(p, error):
    x, w = normals((3, 5)), normals((5, 4))
    for call in (
        lambda: F.drop_connect(x, w, None, p, training=True),
        lambda: F.drop_connect_conv2d(x, w, None, p, training=False),
        lambda: F.drop_connect_gaussian(x, w, None, p),
    ):
        with pytest.raises(error, match=f"p must be .*got {p!r}"):
            call()


def test_what_does_not_fit():
    x, w = normals((3, 5)), normals((5, 4))
    with pytest.raises(TypeError, match="training"):
        F.drop_connect(x, w, None, 0.5)
    with pytest.raises(ValueError, match="do not fit"):
        F.drop_connect(x, w.T, None, 0.5, training=True)
    with pytest.raises(ValueError, match="x must be \\(batch, in\\) with per_sample=True"):
        F.drop_connect(normals((2, 3, 5)), w, None, 0.5, training=True, per_sample=True)
    with pytest.raises(ValueError, match="offset must be a multiple of the 20 mask elements"):
        F.drop_connect(x, w, None, 0.5, training=True, per_sample=True, offset=7)
    with pytest.raises(TypeError, match="element type"):
        F.drop_connect(x, w.astype(np.float64), None, 0.5, training=True)
    with pytest.raises(ValueError, match="seed must be in"):
        F.drop_connect(x, w, None, 0.5, training=True, seed=-1)
    with pytest.raises(ValueError, match="p must be below 1"):
        F.drop_connect_gaussian(x, w, None, 1)
    with pytest.raises(ValueError, match="samples must be from 1"):
        F.drop_connect_gaussian(x, w, None, 0.5, samples=0)
