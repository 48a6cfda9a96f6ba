"""Products that skip the zeros of a sparse factor: the bits of those that do not, and the edges of
the lists, slices, panels and blocks that they are made of."""

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

from minidrop import _kernels

FORMS = ["NN", "NT", "TN"]
# rows of the sparse factor, columns of the other, and what is summed over
SIZES = {
    "one_block": (16, 320, 64),
    "odd_tails": (17, 333, 67),
    "last_slice_is_short": (20, 256, 129),
    "blocks_of_rows": (300, 271, 70),
    "last_panel_is_narrow": (33, 321, 40),
    "no_steps": (20, 300, 0),
    "too_few_rows": (3, 300, 64),
    "too_few_columns": (64, 30, 64),
    "small_batch": (64, 300, 5),
}


def operands(name, form, share=0.25, make=normals, dtype=np.float32):
    """a and b of matmul, the sparse one with about a `share` of its elements and one empty row."""
    m, n, k = SIZES[name]
    sparse = make((m, k), 1, dtype=dtype)
    sparse[np.random.default_rng(2).random(sparse.shape) >= share] = 0
    sparse[m // 2] = 0
    other = make((k, n), 3, dtype=dtype)
    if form == "TN":
        return other, np.ascontiguousarray(sparse.T)
    return sparse, np.ascontiguousarray(other.T) if form == "NT" else other


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", SIZES)
def test_sizes(isa, name, form):
    a, b = operands(name, form, make=integers)
    check_kernel(isa, _kernels.matmul_sparse, a, b, trans=form, exact=True)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.25, 0.6, 1.0])
def test_the_bits_of_the_dense_product(isa, form, share):
    for name in ("odd_tails", "last_slice_is_short", "blocks_of_rows"):
        a, b = operands(name, form, share)
        got = _kernels.matmul_sparse(a, b, trans=form)
        assert_same_bits(got, _kernels.matmul(a, b, trans=form))


@pytest.mark.parametrize("form", FORMS)
def test_same_bits_on_isas_and_threads(form):
    a, b = operands("blocks_of_rows", form)
    check_same_on_isas(_kernels.matmul_sparse, a, b, trans=form)
    check_same_on_threads(_kernels.matmul_sparse, a, b, trans=form)


@pytest.mark.parametrize("form", FORMS)
def test_float64(isa, form):
    a, b = operands("odd_tails", form, dtype=np.float64)
    got = _kernels.matmul_sparse(a, b, trans=form)
    assert_same_bits(got, _kernels.matmul(a, b, trans=form))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e-45, -1e-45])
def test_what_is_hardly_a_number_is_no_zero(isa, form, value):
    a, b = operands("odd_tails", form)
    sparse = b.T if form == "TN" else a
    sparse[3, 5] = value
    got = _kernels.matmul_sparse(a, b, trans=form)
    assert_same_bits(got, _kernels.matmul(a, b, trans=form))


@pytest.mark.parametrize("form", FORMS)
def test_zeros_of_either_sign_are_skipped(isa, form):
    a, b = operands("odd_tails", form)
    sparse, other = (b.T, a) if form == "TN" else (a, b)
    sparse[:, 5] = 0
    sparse[::2, 5] = -0.0
    expected = _kernels.matmul(a, b, trans=form)
    (other.T if form == "NT" else other)[5] = np.inf  # met by zeros only
    assert_same_bits(_kernels.matmul_sparse(a, b, trans=form), expected)


def test_inputs_strided_and_read_only(isa):
    a, b = operands("odd_tails", "NN", make=integers)
    expected = a @ b
    read_only = b.copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(_kernels.matmul_sparse(np.asfortranarray(a), read_only), expected)


def test_bad_input_is_named():
    a, b = integers((2, 3)), integers((4, 5))
    with pytest.raises(ValueError, match=r"inner sizes differ: a \(2, 3\), b \(4, 5\), NT"):
        _kernels.matmul_sparse(a, b, trans="NT")
    with pytest.raises(ValueError, match="trans must be NN, NT or TN, got 'TT'"):
        _kernels.matmul_sparse(a, b, trans="TT")
    with pytest.raises(TypeError, match="b is float64 but a is float32"):
        _kernels.matmul_sparse(a, b.astype(np.float64))
