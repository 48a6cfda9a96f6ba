"""Batch and layer norm: every instruction set against `reference`, at the edges of their chunks."""

import numpy as np
import pytest
from helpers import (
    assert_same_bits,
    check_kernel,
    check_same_on_isas,
    check_same_on_threads,
    integers,
    normals,
)

from minidrop import _kernels as k

# few channels (16 rows fold), around 64 (none do), chunks of rows that end early, one big row
SHAPES = [
    (2, 1),
    (15, 1),
    (17, 3),
    (16384, 1),
    (16401, 1),
    (33, 5),
    (40, 16),
    (100, 17),
    (600, 63),
    (257, 64),
    (256, 65),
    (7, 100),
    (50, 1000),
    (20, 20_000),
    (5, 3, 7, 20),
]
EMPTY = [(0, 5), (0, 80), (4, 0), (2, 0, 3)]


def batch(shape, seed=0):
    c = shape[-1]
    return 3 * normals(shape, seed) + 2, normals(c, seed + 1), normals(c, seed + 2)


@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_at_edges(isa, shape):
    x, weight, bias = batch(shape)
    mean, var = check_kernel(isa, k.batch_statistics, x)
    check_kernel(isa, k.batch_norm, x, mean, var, weight, bias)
    check_kernel(isa, k.batch_norm, x, mean, var)
    dout = normals(shape, 5)
    terms = x.size // shape[-1]
    for training in (True, False):
        check_kernel(
            isa,
            k.batch_norm_backward,
            dout,
            x,
            mean,
            var,
            weight,
            training=training,
            scale=3 + terms / 100,
        )


@pytest.mark.parametrize("shape", EMPTY)
def test_batch_norm_empty(isa, shape):
    x, weight, bias = batch(shape)
    mean, var = k.batch_statistics(x)
    assert mean.shape == var.shape == shape[-1:]
    y = k.batch_norm(x, mean, var, weight, bias)
    dx, dweight, dbias = k.batch_norm_backward(x, x, mean, var, weight)
    assert y.shape == dx.shape == shape
    np.testing.assert_array_equal(dweight, np.zeros(shape[-1]))
    np.testing.assert_array_equal(dbias, np.zeros(shape[-1]))


@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_same_bits(shape):
    x, weight, bias = batch(shape)
    dout = normals(shape, 5)
    for check in (check_same_on_isas, check_same_on_threads):
        mean, var = check(k.batch_statistics, x)
        check(k.batch_norm, x, mean, var, weight, bias)
        check(k.batch_norm_backward, dout, x, mean, var, weight)
        check(k.batch_norm_backward, dout, x, mean, var, weight, relu=True, bias=bias)


@pytest.mark.parametrize("shape", [*SHAPES, *EMPTY])
@pytest.mark.parametrize("affine", [False, True])
def test_relu_behind_batch_norm_is_fused_with_the_same_bits(isa, shape, affine):
    x, weight, bias = batch(shape)
    if not affine:
        weight = bias = None
    dout = normals(shape, 5)
    moments = k.batch_statistics(x)
    if x.size:
        x.reshape(-1, shape[-1])[-1] = moments[0]  # without weight and bias the argument is 0
        x.flat[0] = np.nan
    y = k.relu(k.batch_norm(x, *moments, weight, bias))
    assert_same_bits(k.batch_norm(x, *moments, weight, bias, relu=True), y)
    behind = k.relu_backward(dout, y)
    for how in ({"training": True}, {"training": False}, {"want_dx": False}):
        fused = k.batch_norm_backward(dout, x, *moments, weight, relu=True, bias=bias, **how)
        unfused = k.batch_norm_backward(behind, x, *moments, weight, **how)
        for a, b in zip(fused, unfused, strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                assert_same_bits(a, b)


@pytest.mark.parametrize("c", [0, 1, 7, 16, 33, 100])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_moved_statistics_are_those_of_numpy_to_the_last_bit(isa, c, dtype):
    kept, new = ([normals(c, s).astype(dtype) for s in seeds] for seeds in ((1, 2), (3, 4)))
    mean, var = (
        old * dtype(0.7) + batch * dtype(times) * dtype(0.3)
        for old, batch, times in zip(kept, new, (1, 5 / 4), strict=True)
    )
    k.move_statistics(*kept, *new, 5, 0.3)
    assert_same_bits(kept[0], mean)
    assert_same_bits(kept[1], var)


def test_moved_statistics_strided():
    room = np.full((2, 40), np.nan, np.float32)
    room[:, ::2] = 1
    k.move_statistics(*room[:, ::2], *np.full((2, 20), 3, np.float32), 2, 0.5)
    np.testing.assert_array_equal(room[0, ::2], np.full(20, 2))
    np.testing.assert_array_equal(room[1, ::2], np.full(20, 3.5))
    assert np.isnan(room[:, 1::2]).all()


def test_batch_statistics_of_whole_numbers_are_exact(isa):
    x = integers((4096, 6))
    x[1::2] = -x[::2]  # mean 0, so that nothing is rounded
    mean, var = k.batch_statistics(x)
    np.testing.assert_array_equal(mean, np.zeros(6))
    np.testing.assert_array_equal(var, (x * x).mean(0))


@pytest.mark.parametrize("c", [3, 70])
def test_batch_statistics_far_from_zero(isa, c):
    x = (normals((5000, c)) + 1e4).astype(np.float32)  # a difference of squares would know nothing
    mean, var = k.batch_statistics(x)
    np.testing.assert_allclose(mean, x.astype(np.float64).mean(0), rtol=5e-7)
    np.testing.assert_allclose(var, x.astype(np.float64).var(0), rtol=1e-4)


def test_batch_norm_of_a_constant_channel(isa):
    x = np.full((50, 3), 7, np.float32)
    mean, var = k.batch_statistics(x)
    np.testing.assert_array_equal(var, np.zeros(3))
    np.testing.assert_array_equal(k.batch_norm(x, mean, var), np.zeros((50, 3)))


def test_nan_stays_in_its_channel(isa):
    x = normals((40, 20))
    x[7, 3] = np.nan
    mean, var = k.batch_statistics(x)
    y = k.batch_norm(x, mean, var)
    np.testing.assert_array_equal(np.isnan(y).all(0), np.arange(20) == 3)
    np.testing.assert_array_equal(np.isnan(y).any(0), np.arange(20) == 3)


@pytest.mark.parametrize("shape", [(1, 4), (1, 1, 1, 4)])
def test_one_value_a_channel_has_no_variance(shape):
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
        k.batch_statistics(normals(shape))


def test_bad_batch_norm_arguments_name_themselves():
    x, weight, bias = batch((6, 4))
    mean, var = k.batch_statistics(x)
    with pytest.raises(ValueError, match=r"x must have shape \(..., channels\).*got \(6,\)"):
        k.batch_statistics(x[:, 0])
    with pytest.raises(ValueError, match=r"weight must have shape \(4,\) for x .*, got \(3,\)"):
        k.batch_norm(x, mean, var, weight[:3], bias)
    with pytest.raises(TypeError, match="running_var is float64 but x is float32"):
        k.batch_norm(x, mean, var.astype(np.float64))
    with pytest.raises(ValueError, match="eps must be at least 0 and finite, got -1"):
        k.batch_norm(x, mean, var, eps=-1)
    with pytest.raises(TypeError, match="eps must be a number, got None"):
        k.batch_norm(x, mean, var, eps=None)


# ---- layer norm ----

LAYER_SHAPES = [
    ((5, 1), 1),
    ((3, 7), 1),
    ((17, 16), 1),
    ((40, 17), 1),
    ((9, 33), 1),
    ((700, 64), 1),
    ((3, 5000), 1),
    ((2, 20_000), 1),
    ((4, 5, 6), 2),
    ((4, 5, 6), 3),
]


@pytest.mark.parametrize("shape, trailing", LAYER_SHAPES)
def test_layer_norm_at_edges(isa, shape, trailing):
    row = shape[len(shape) - trailing :]
    x, dout = 3 * normals(shape, 1) + 2, normals(shape, 2)
    weight, bias = normals(row, 3), normals(row, 4)
    _, mean, inverse = check_kernel(isa, k.layer_norm, x, row, weight, bias, scale=3)
    check_kernel(isa, k.layer_norm, x, row, scale=3)
    check_kernel(isa, k.layer_norm_backward, dout, x, row, mean, inverse, weight, scale=10)
    check_kernel(isa, k.layer_norm_backward, dout, x, row, mean, inverse, scale=10)


@pytest.mark.parametrize("shape, trailing", LAYER_SHAPES)
def test_layer_norm_same_bits(shape, trailing):
    row = shape[len(shape) - trailing :]
    x, dout = 3 * normals(shape, 1) + 2, normals(shape, 2)
    weight, bias = normals(row, 3), normals(row, 4)
    for check in (check_same_on_isas, check_same_on_threads):
        _, mean, inverse = check(k.layer_norm, x, row, weight, bias)
        check(k.layer_norm_backward, dout, x, row, mean, inverse, weight)


def test_layer_norm_without_parameter_gradients(isa):
    x, dout = normals((6, 9), 1), normals((6, 9), 2)
    _, mean, inverse = k.layer_norm(x, (9,))
    dx, dweight, dbias = k.layer_norm_backward(dout, x, (9,), mean, inverse, want_parameters=False)
    assert dweight is None and dbias is None
    expected = k.layer_norm_backward(dout, x, (9,), mean, inverse)[0]
    np.testing.assert_array_equal(dx, expected)


@pytest.mark.parametrize("shape", [(0, 5), (3, 0)])
def test_layer_norm_empty(isa, shape):
    x, row = normals(shape), shape[1:]
    y, mean, inverse = k.layer_norm(x, row, normals(row), normals(row))
    dx, dweight, dbias = k.layer_norm_backward(x, x, row, mean, inverse, normals(row))
    assert y.shape == dx.shape == shape
    np.testing.assert_array_equal(dweight, np.zeros(row))
    np.testing.assert_array_equal(dbias, np.zeros(row))


def test_bad_layer_norm_arguments_name_themselves():
    x = normals((4, 6))
    for bad in ((4,), (6, 4), (4, 6, 1), ()):
        with pytest.raises(ValueError, match="normalized_shape .* must be the last dimensions"):
            k.layer_norm(x, bad)
    with pytest.raises(ValueError, match=r"bias must have shape \(6,\), got \(6, 1\)"):
        k.layer_norm(x, (6,), None, normals((6, 1)))
