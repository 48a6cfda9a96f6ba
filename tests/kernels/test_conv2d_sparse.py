"""Gradients behind a pooling, which skip the zeros: the bits of the dense ones, and the edges of
the lists, tiles and bands that they are made of."""

import numpy as np
import pytest
from helpers import (
    BIT_EQUAL,
    assert_same_bits,
    check_kernel,
    check_same_on_isas,
    check_same_on_threads,
    integers,
    normals,
    on_isa,
    unpooled,
    windows,
)

from minidrop import _kernels

# (images, size), kernel, (cin, cout), pool, (stride, padding, dilation)
CASES = {
    "second_layer": ((3, 26, 26), (3, 3), (32, 64), 2, (1, 0, 1)),
    "half_a_vector": ((2, 9, 9), (3, 3), (8, 16), 2, (1, 1, 1)),
    "fewest_channels": ((2, 10, 9), (3, 3), (5, 16), 2, (1, 1, 1)),
    "lenet": ((2, 14, 14), (5, 5), (6, 16), 2, (1, 0, 1)),
    "odd_tail_of_channels": ((2, 11, 10), (3, 2), (19, 7), 2, (1, 1, 1)),
    "odd_size": ((2, 11, 13), (3, 3), (16, 17), 2, (1, 0, 1)),
    "wide_kernel": ((2, 12, 12), (5, 5), (16, 8), 2, (1, 2, 1)),
    "tall_kernel": ((2, 16, 9), (9, 1), (8, 8), 2, (1, 0, 1)),
    "seven": ((1, 16, 16), (7, 7), (9, 5), 2, (1, 3, 1)),
    "strided": ((2, 13, 17), (3, 3), (8, 12), 2, (2, 1, 1)),
    "uneven_strides": ((2, 13, 17), (3, 2), (8, 12), 2, ((1, 3), (0, 2), 1)),
    "dilated": ((2, 14, 14), (3, 3), (8, 6), 2, (1, 2, (2, 3))),
    "windows_of_three": ((2, 14, 14), (3, 3), (12, 20), 3, (1, 0, 1)),
    "one_window": ((2, 6, 6), (3, 3), (8, 4), 4, (1, 0, 1)),
    "many_images": ((35, 6, 6), (3, 3), (8, 4), 2, (1, 0, 1)),
    "many_bands": ((1, 40, 60), (3, 3), (16, 5), 2, (1, 1, 1)),
}


def case(name, make=normals, dtype=np.float32):
    """The arguments of conv2d_backward, pooled, and the gradient before the pooling; behind a
    dropout, so that some windows have none."""
    (n, *size), kernel, (cin, cout), pool, where = CASES[name]
    x = make((n, *size, cin), 1, dtype=dtype)
    w = make((*kernel, cin, cout), 2, dtype=dtype)
    b = make(cout, 3, dtype=dtype)
    z = _kernels.conv2d_forward(x, w, b, *where, relu=True)
    y, winners = _kernels.conv2d_forward(x, w, b, *where, relu=True, pool=pool, want_where=True)
    np.testing.assert_array_equal(windows(z, pool).argmax(3), winners)
    kept = np.random.default_rng(4).random(y.shape) < 0.75
    dy = np.where(kept, make(y.shape, 5, dtype=dtype), dtype(0))
    dz = unpooled(np.where(y > 0, dy, dtype(0)), winners, z.shape, pool)
    pooled = {"relu_output": y, "pool": pool, "where": winners}
    return (dy, x, w, *where), pooled, dz


@pytest.mark.parametrize("name", CASES)
def test_every_geometry(isa, name):
    arguments, pooled, _ = case(name, integers)
    check_kernel(isa, _kernels.conv2d_backward, *arguments, **pooled, exact=True)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("isa", BIT_EQUAL)
def test_bits_equal_the_dense_gradients(isa, name):
    (dy, *arguments), pooled, dz = case(name)
    sparse = on_isa(isa, _kernels.conv2d_backward, dy, *arguments, **pooled)
    dense = on_isa(isa, _kernels.conv2d_backward, dz, *arguments)
    for got, expected in zip(sparse, dense, strict=True):
        assert_same_bits(got, expected)


@pytest.mark.parametrize("name", CASES)
def test_same_bits_on_isas_and_threads(name):
    arguments, pooled, _ = case(name)
    check_same_on_isas(_kernels.conv2d_backward, *arguments, **pooled)
    check_same_on_threads(_kernels.conv2d_backward, *arguments, **pooled)


def test_no_gradient_at_all(isa):
    (dy, *arguments), pooled, _ = case("half_a_vector")
    for gradient in _kernels.conv2d_backward(np.zeros_like(dy), *arguments, **pooled):
        assert not gradient.any()


def test_a_gradient_everywhere(isa):
    (dy, *arguments), pooled, _ = case("half_a_vector", integers)
    pooled["relu_output"] = np.ones_like(dy)
    check_kernel(isa, _kernels.conv2d_backward, np.ones_like(dy), *arguments, **pooled, exact=True)


def test_empty_batch(isa):
    (dy, x, *arguments), pooled, _ = case("second_layer")
    pooled |= {"relu_output": dy[:0], "where": pooled["where"][:0]}
    dx, dw, db = _kernels.conv2d_backward(dy[:0], x[:0], *arguments, **pooled)
    assert dx.shape == x[:0].shape and not dw.any() and not db.any()


@pytest.mark.parametrize("name", ["odd_tail_of_channels", "lenet"])
@pytest.mark.parametrize("wanted", ["want_dx", "want_dw", "want_db"])
def test_one_gradient_alone(isa, name, wanted):
    """Of few channels, dw without dx is made by the dense kernels."""
    arguments, pooled, _ = case(name)
    want = dict.fromkeys(("want_dx", "want_dw", "want_db"), False) | {wanted: True}
    everything = _kernels.conv2d_backward(*arguments, **pooled)
    alone = _kernels.conv2d_backward(*arguments, **pooled, **want)
    for got, expected, there in zip(alone, everything, want.values(), strict=True):
        assert (got is not None) == there
        if there:
            assert_same_bits(got, expected)


def test_nan_gradient_is_not_skipped(isa):
    (dy, *arguments), pooled, _ = case("half_a_vector")
    dy, pooled["relu_output"] = dy.copy(), np.ones_like(dy)
    dy[1, 2, 3, 4] = np.nan
    dx, dw, db = _kernels.conv2d_backward(dy, *arguments, **pooled)
    assert np.isnan(db[4]) and np.isnan(db).sum() == 1
    assert np.isnan(dw[..., 4]).any() and not np.isnan(np.delete(dw, 4, axis=-1)).any()
    assert np.isnan(dx[1]).any() and not np.isnan(dx[0]).any()


def test_float64(isa):
    arguments, pooled, dz = case("odd_tail_of_channels", dtype=np.float64)
    for got, expected in zip(
        _kernels.conv2d_backward(*arguments, **pooled),
        _kernels.conv2d_backward(dz, *arguments[1:]),
        strict=True,
    ):
        np.testing.assert_array_equal(got, expected, strict=True)
