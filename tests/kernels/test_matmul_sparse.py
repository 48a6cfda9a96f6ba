"""Products of which a factor has many zeros: the bits of the plain product, and the edges of the
lists, slices, panels and blocks that they are made of."""

import numpy as np
import pytest
from helpers import (
    assert_same_bits,
    check_kernel,
    check_same_on_isas,
    check_same_on_threads,
    integers,
    normals,
    on_isa,
)

from minidrop import _kernels

# The form, and the factor that has the zeros.
FORMS = {"NN": ("NN", "a"), "NT": ("NT", "a"), "TN a": ("TN", "a"), "TN b": ("TN", "b")}
# rows of the sparse factor, columns of the other, and what is summed over
SIZES = {
    "one_block": (16, 320, 64),
    "odd_tails": (17, 333, 67),
    "last_slice_is_short": (20, 256, 129),
    "blocks_of_rows": (300, 271, 70),
    "last_panel_is_narrow": (33, 321, 40),
    "several_slices": (40, 300, 400),
    "no_steps": (20, 300, 0),
    "too_few_rows": (3, 300, 64),
    "too_few_columns": (64, 30, 64),
    "small_batch": (64, 300, 5),
}


@pytest.fixture(params=[32 << 10, 48 << 10], ids=["small_l1", "large_l1"], autouse=True)
def l1(request):
    """Slices of k are as deep as L1 has room for."""
    _kernels.set_cache_bytes(request.param, level=1)


def operands(name, form, share=0.1, make=normals, dtype=np.float32):
    """(a, b, trans) of matmul: the sparse factor with about a `share` of its elements, and one
    empty row."""
    m, n, k = SIZES[name]
    trans, side = FORMS[form]
    sparse = make((m, k), 1, dtype=dtype)
    sparse[np.random.default_rng(2).random(sparse.shape) >= share] = 0
    sparse[m // 2] = 0
    other = make((k, n), 3, dtype=dtype)
    if side == "b":
        return other, np.ascontiguousarray(sparse.T), trans
    if trans == "TN":
        return np.ascontiguousarray(sparse.T), other, trans
    return sparse, np.ascontiguousarray(other.T) if trans == "NT" else other, trans


def rows_of(a, b, form):
    """Views of the sparse factor (rows, k) and of the other (k, columns)."""
    trans, side = FORMS[form]
    if side == "b":
        return b.T, a
    return (a.T if trans == "TN" else a), (b.T if trans == "NT" else b)


def check_bits(a, b, trans):
    """The bits of the plain loops, where the instruction set has a fused multiply-add."""
    (got,) = check_same_on_isas(_kernels.matmul, a, b, trans=trans)
    (expected,) = on_isa("reference", _kernels.matmul, a, b, trans=trans)
    assert_same_bits(got, expected)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", SIZES)
def test_sizes(isa, name, form):
    a, b, trans = operands(name, form, make=integers)
    check_kernel(isa, _kernels.matmul, a, b, trans=trans, exact=True)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.3, 1.0])
def test_the_bits_of_the_plain_product(form, share):
    for name in ("odd_tails", "last_slice_is_short", "blocks_of_rows"):
        check_bits(*operands(name, form, share))


@pytest.mark.parametrize("form", FORMS)
def test_same_bits_on_threads(form):
    for name in ("blocks_of_rows", "one_block"):
        a, b, trans = operands(name, form)
        check_same_on_threads(_kernels.matmul, a, b, trans=trans)


@pytest.mark.parametrize("form", FORMS)
def test_float64(form):
    check_bits(*operands("odd_tails", form, dtype=np.float64))


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_bias_and_relu(isa, form, relu):
    a, b, trans = operands("blocks_of_rows", form, make=integers)
    bias = integers(_kernels.matmul(a, b, trans=trans).shape[1], seed=5)
    check_kernel(isa, _kernels.matmul, a, b, bias, trans=trans, relu=relu, exact=True)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e-45, -1e-45])
def test_what_is_hardly_a_number_is_no_zero(form, value):
    a, b, trans = operands("odd_tails", form)
    rows_of(a, b, form)[0][3, 5] = value
    check_bits(a, b, trans)


@pytest.mark.parametrize("form", FORMS)
def test_zeros_of_either_sign_are_skipped(form):
    a, b, trans = operands("odd_tails", form)
    sparse, _ = rows_of(a, b, form)
    sparse[:, 5] = 0
    sparse[::2, 5] = -0.0
    check_bits(a, b, trans)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_zeros_times_what_is_not_finite(isa, form, value):
    """A zero times infinity is NaN, in the first panel and block as in the last."""
    for step, column in ((5, 0), (-3, -1)):
        a, b, trans = operands("blocks_of_rows", form, make=integers)
        sparse, other = rows_of(a, b, form)
        sparse[::2, step] = 0
        other[step, column] = value
        check_kernel(isa, _kernels.matmul, a, b, trans=trans, exact=True)


@pytest.mark.parametrize("form", FORMS)
def test_the_sparser_of_two(isa, form):
    for share in (0.1, 0.3):
        a, b, trans = operands("blocks_of_rows", form, share, make=integers)
        other = rows_of(a, b, form)[1]
        other[np.random.default_rng(4).random(other.shape) >= 0.2] = 0
        check_kernel(isa, _kernels.matmul, a, b, trans=trans, exact=True)
