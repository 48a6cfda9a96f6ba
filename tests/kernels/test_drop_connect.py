"""DropConnect kernels: a matrix masked while it is packed, and one masked for every sample."""

import numpy as np
import pytest
from helpers import (
    BIT_EQUAL,
    assert_close,
    assert_same_bits,
    check_kernel,
    check_same_on_isas,
    check_same_on_threads,
    normals,
)

from minidrop import _kernels

FORMS = ["NN", "NT", "TN"]
ADDRESS = (3, 1, 4)
SIZES = [(1, 1, 1), (2, 3, 5), (7, 33, 31), (17, 64, 32), (30, 300, 65), (5, 9, 100)]
LARGE = [(300, 513, 300), (3, 600, 700), (600, 20, 150)]
LARGE += [(3, 260, 4100), (6, 530, 4100), (60, 700, 1600)]  # matrices from memory


def operands(m, k, n, form, dtype=np.float32):
    a = normals((k, m) if form == "TN" else (m, k), 1, dtype)
    b = normals((n, k) if form == "NT" else (k, n), 2, dtype)
    return a, b


# ---- one mask for the whole batch ----


def test_copies_of_a_long_matrix_keep_to_their_room():
    a, b = operands(300, 1200, 1000, "NN")  # rows that alone would not repay a copy
    bits = _kernels.mask_bits(b.size, 0.3, *ADDRESS)
    masked = _kernels.dropout_backward(b, bits, 0.3)
    assert_same_bits(_kernels.matmul_masked(a, b, bits, 0.3), _kernels.matmul(a, masked))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("m, k, n", [*SIZES, *LARGE])
def test_masked_product_is_the_product_with_the_masked_matrix(isa, form, m, k, n):
    a, b = operands(m, k, n, form)
    bits = _kernels.mask_bits(b.size, 0.3, *ADDRESS)
    masked = _kernels.dropout_backward(b, bits, 0.3)
    bias = normals(n)
    for added in (None, bias):
        got = _kernels.matmul_masked(a, b, bits, 0.3, added, trans=form)
        assert_same_bits(got, _kernels.matmul(a, masked, added, trans=form))


@pytest.mark.parametrize("form", FORMS)
def test_masked_product_on_isas_and_threads(form):
    a, b = operands(150, 300, 270, form)
    bits = _kernels.mask_bits(b.size, 0.5, *ADDRESS)
    check_same_on_isas(_kernels.matmul_masked, a, b, bits, 0.5, trans=form)
    check_same_on_threads(_kernels.matmul_masked, a, b, bits, 0.5, trans=form)
    check_kernel(
        BIT_EQUAL[0] if BIT_EQUAL else "scalar",
        _kernels.matmul_masked,
        a,
        b,
        bits,
        0.5,
        trans=form,
        scale=10,
    )


def test_masked_product_drops_inf_and_nan(isa):
    b = np.full((40, 40), np.nan, np.float32)
    bits = np.zeros(50, np.uint32)
    y = _kernels.matmul_masked(normals((40, 40)), b, bits, 0.5)
    assert_same_bits(np.abs(y), np.zeros((40, 40), np.float32))


@pytest.mark.parametrize("m, k, n", [(0, 3, 4), (3, 0, 4), (3, 4, 0)])
def test_masked_product_of_nothing(isa, m, k, n):
    a, b = operands(m, k, n, "NN")
    y = _kernels.matmul_masked(a, b, _kernels.mask_bits(b.size, 0.5, 1), 0.5)
    assert_same_bits(y, np.zeros((m, n), np.float32))


def test_masked_product_of_doubles():
    a, b = operands(20, 30, 40, "NN", np.float64)
    bits = _kernels.mask_bits(b.size, 0.3, *ADDRESS)
    masked = _kernels.dropout_backward(b, bits, 0.3)
    assert_close(_kernels.matmul_masked(a, b, bits, 0.3), a @ masked)


# ---- a mask for every sample ----


def masked_matrices(m, w, p, first=0):
    """The matrix of each sample, as dropout of w gives it."""
    return [_kernels.dropout_forward(w, p, *ADDRESS, (first + i) * w.size)[0] for i in range(m)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("m, k, n", SIZES)
def test_each_sample_has_its_matrix(isa, m, k, n, p, dtype):
    x, w = operands(m, k, n, "NN", dtype)
    bias = normals(n, 3, dtype)
    matrices = masked_matrices(m, w, p, first=5)
    expected = np.stack([_kernels.matmul(x[i : i + 1], matrices[i], bias)[0] for i in range(m)])
    y, bits = _kernels.drop_connect_forward(x, w, bias, p, *ADDRESS, 5)
    assert_close(y, expected) if isa == "scalar" else assert_same_bits(y, expected)
    for i in range(m):
        kept = _kernels.mask_bits(w.size, p, *ADDRESS, (5 + i) * w.size)
        assert_same_bits(bits[i], kept)
    assert_same_bits(
        _kernels.drop_connect_forward(x, w, bias, p, *ADDRESS, 5, want_y=False)[1], bits
    )
    again, none = _kernels.drop_connect_forward(x, w, bias, p, *ADDRESS, 5, keep_bits=False)
    assert none is None
    assert_same_bits(again, y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("m, k, n", SIZES)
def test_gradients(isa, m, k, n, dtype):
    x, w = operands(m, k, n, "NN", dtype)
    dout = normals((m, n), 4, dtype)
    bits = _kernels.drop_connect_forward(x, w, None, 0.3, *ADDRESS)[1]
    dx, dw = _kernels.drop_connect_backward(dout, x, w, bits, 0.3)
    matrices = masked_matrices(m, w, 0.3)
    masks = masked_matrices(m, np.ones_like(w), 0.3)
    assert_close(dx, np.stack([dout[i] @ matrices[i].T for i in range(m)]), scale=20)
    assert_close(dw, sum(np.outer(x[i], dout[i]) * masks[i] for i in range(m)), scale=20)
    assert _kernels.drop_connect_backward(dout, x, w, bits, 0.3, want_dw=False)[1] is None
    only_dw = _kernels.drop_connect_backward(dout, x, w, bits, 0.3, want_dx=False)
    assert only_dw[0] is None
    assert_same_bits(only_dw[1], dw)


def test_samples_on_isas_and_threads():
    x, w = operands(40, 100, 77, "NN")
    y, bits = check_same_on_isas(_kernels.drop_connect_forward, x, w, None, 0.2, *ADDRESS)
    check_same_on_isas(_kernels.drop_connect_backward, y, x, w, bits, 0.2)
    check_same_on_threads(_kernels.drop_connect_forward, x, w, None, 0.2, *ADDRESS)
    check_same_on_threads(_kernels.drop_connect_backward, y, x, w, bits, 0.2)


@pytest.mark.parametrize("m, k, n", [(0, 3, 4), (3, 0, 4), (3, 4, 0)])
def test_samples_of_nothing(isa, m, k, n):
    x, w = operands(m, k, n, "NN")
    y, bits = _kernels.drop_connect_forward(x, w, None, 0.5, *ADDRESS)
    assert_same_bits(y, np.zeros((m, n), np.float32))
    dx, dw = _kernels.drop_connect_backward(y, x, w, bits, 0.5)
    assert_same_bits(dx, np.zeros((m, k), np.float32))
    assert_same_bits(dw, np.zeros((k, n), np.float32))


# ---- bad input ----


def test_what_does_not_fit():
    x, w = operands(3, 4, 5, "NN")
    bits = _kernels.mask_bits(20, 0.5, 1)
    with pytest.raises(ValueError, match="bits must have shape \\(1,\\), got \\(2,\\)"):
        _kernels.matmul_masked(x, w, np.zeros(2, np.uint32), 0.5)
    with pytest.raises(TypeError, match="bits must be a contiguous uint32 array"):
        _kernels.matmul_masked(x, w, None, 0.5)
    with pytest.raises(ValueError, match="inner sizes differ"):
        _kernels.matmul_masked(x, w.T, bits, 0.5)
    with pytest.raises(ValueError, match="inner sizes differ"):
        _kernels.drop_connect_forward(x, w.T, None, 0.5, 1)
    with pytest.raises(ValueError, match="bias must have shape \\(5,\\)"):
        _kernels.drop_connect_forward(x, w, np.zeros(4, np.float32), 0.5, 1)
    with pytest.raises(ValueError, match="offset"):
        _kernels.drop_connect_forward(x, w, None, 0.5, 1, 0, 0, 2**59)
    with pytest.raises(ValueError, match="do not fit"):
        _kernels.drop_connect_backward(x, x, w, bits, 0.5)
    with pytest.raises(ValueError, match="p must be in"):
        _kernels.drop_connect_forward(x, w, None, 1.5, 1)
