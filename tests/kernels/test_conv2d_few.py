"""Convolutions to few channels, whose pixels are the lanes: the bits of the same among many."""

import numpy as np
import pytest
from helpers import (
    assert_same_bits,
    backward_of,
    check_kernel,
    check_same_on_isas,
    check_same_on_threads,
    conv_inputs,
    normals,
)

from minidrop import _kernels

MANY = 12  # channels that no ISA counts as few
FEW = [1, 2, 3, 4, 6, 7, 8]


def check_forward(cin, cout, size, kernel, *where, **options):
    x, w, b = conv_inputs(2, size, kernel, (cin, MANY, 1), normals)
    many = _kernels.conv2d_forward(x, w, b, *where, **options)
    few = _kernels.conv2d_forward(x, w[..., :cout].copy(), b[:cout].copy(), *where, **options)
    assert_same_bits(few, many[..., :cout].copy())


@pytest.mark.parametrize("cout", FEW)
@pytest.mark.parametrize("cin", [1, 3, 6, 17])
def test_forward(isa, cin, cout):
    for where in ((1, 0), (1, 2), ((2, 1), 1), (1, 4, 2)):
        check_forward(cin, cout, (11, 21), (5, 4), *where)
        check_forward(cin, cout, (11, 21), (5, 4), *where, relu=True)


@pytest.mark.parametrize("width", [12, 14, 15, 16, 17, 130, 131, 132, 261])
@pytest.mark.parametrize("cin", [1, 3])
def test_rows_at_vector_edges_and_longer_than_go_at_once(isa, cin, width):
    check_forward(cin, 6, (6, width), (5, 5), 1, 2)
    check_forward(cin, 5, (6, width), (5, 3))


@pytest.mark.parametrize("pool", [2, 3])
@pytest.mark.parametrize("cin", [1, 6])
def test_pooled(isa, cin, pool):
    check_forward(cin, 6, (30, 30), (5, 5), 1, 2, relu=True, pool=pool)


@pytest.mark.parametrize("kernel", [(1, 18), (18, 1), (9, 9)])
def test_long_kernels(isa, kernel):
    check_forward(2, 4, (20, 40), kernel, 1, (8, 3))


@pytest.mark.parametrize("cin", [96, 200, 400])
def test_many_steps(isa, cin):
    """Channels that are one run, two, and more steps than are taken so."""
    check_forward(cin, 3, (5, 16), (3, 3), 1, 1)


@pytest.mark.parametrize("cin", FEW)
@pytest.mark.parametrize("stride", [1, 2, (2, 1), (1, 3)])
def test_gradient_of_x(isa, cin, stride):
    x, w, b = conv_inputs(2, (11, 40), (5, 4), (MANY, MANY, 1), normals)
    for padding, dilation in ((0, 1), (2, 1), (1, (1, 2))):
        where = (stride, padding, dilation)
        many, _, _ = backward_of(x, w, b, *where, make=normals)()
        few, _, _ = backward_of(
            x[..., :cin].copy(), w[:, :, :cin].copy(), b, *where, make=normals
        )()
        assert_same_bits(few, many[..., :cin].copy())


@pytest.mark.parametrize("cin, cout", [(1, 6), (3, 6), (6, 3)])
def test_against_the_reference(isa, cin, cout):
    x, w, b = conv_inputs(3, (13, 28), (5, 5), (cin, cout, 1))
    check_kernel(isa, _kernels.conv2d_forward, x, w, b, 1, 2, relu=True, exact=True)
    check_kernel(isa, backward_of(x, w, b, 1, 2, relu=True), exact=True)


@pytest.mark.parametrize("n", [1, 3, 20])
def test_same_bits_on_isas_and_threads(n):
    x, w, b = conv_inputs(n, (28, 28), (5, 5), (3, 6, 1), normals)
    check_same_on_isas(_kernels.conv2d_forward, x, w, b, 1, 2, relu=True, pool=2)
    check_same_on_threads(_kernels.conv2d_forward, x, w, b, 1, 2)
    check_same_on_threads(backward_of(x, w, b, 1, 2, make=normals))


def test_float64(isa):
    x, w, b = conv_inputs(2, (9, 20), (5, 5), (3, MANY, 1), normals, np.float64)
    many = _kernels.conv2d_forward(x, w, b)
    for cout in (1, 2, 3, 4):
        few = _kernels.conv2d_forward(x, w[..., :cout].copy(), b[:cout].copy())
        assert_same_bits(few, many[..., :cout].copy())
