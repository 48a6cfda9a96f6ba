"""Stacks of matrix products: each is what matmul makes of its matrices, wherever these lie."""

import tracemalloc

import numpy as np
import pytest
from helpers import (
    BIT_EQUAL,
    assert_close,
    assert_same_bits,
    check_same_on_isas,
    check_same_on_threads,
    integers,
    normals,
    turned,
)

from minidrop import _kernels

FORMS = ["NN", "NT", "TN"]
STACKS = {
    "alike": ((3, 2), (3, 2)),
    "none": ((), ()),
    "one_for_all": ((4,), ()),
    "all_for_one": ((), (4,)),
    "broadcast": ((2, 1, 3), (5, 1)),
    "sizes_of_one": ((1, 1), (1,)),
}


def operands(a_stack, b_stack, m, k, n, form, make=normals, **options):
    """Stacks of a and b as the form has them stored."""
    a = make((*a_stack, *((k, m) if form == "TN" else (m, k))), 1, **options)
    b = make((*b_stack, *((n, k) if form == "NT" else (k, n))), 2, **options)
    return a, b


def one_by_one(a, b, form):
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a, b = np.broadcast_to(a, stack + a.shape[-2:]), np.broadcast_to(b, stack + b.shape[-2:])
    m, n = a.shape[-1 if form == "TN" else -2], b.shape[-2 if form == "NT" else -1]
    c = np.empty((*stack, m, n), a.dtype.newbyteorder("="))
    for i in np.ndindex(stack):
        c[i] = _kernels.matmul(a[i], b[i], trans=form)
    return c


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("stacks", STACKS.values(), ids=STACKS)
@pytest.mark.parametrize("m, k, n", [(3, 4, 5), (1, 1, 1), (1, 40, 3), (29, 33, 65)])
def test_each_is_a_product(isa, form, stacks, m, k, n):
    a, b = operands(*stacks, m, k, n, form)
    assert_same_bits(_kernels.matmul_stack(a, b, trans=form), one_by_one(a, b, form))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "count, m, k, n",
    [
        pytest.param(2, 200, 210, 220, id="each_by_all_workers"),
        pytest.param(40, 60, 70, 130, id="each_by_one_worker"),
        pytest.param(7, 5, 6, 7, id="too_little_to_share"),
        pytest.param(9, 40, 300, 260, id="more_room_for_each"),
        pytest.param(9, 1, 1043, 1051, id="skinny"),
    ],
)
def test_same_bits_on_threads(form, count, m, k, n):
    a, b = operands((count,), (count,), m, k, n, form)
    (got,) = check_same_on_threads(_kernels.matmul_stack, a, b, trans=form)
    assert_same_bits(got, one_by_one(a, b, form))


@pytest.mark.parametrize("form", FORMS)
def test_same_bits_with_zeros(form):
    a, b = operands((12,), (12,), 40, 64, 130, form)
    a[normals(a.shape, 3) < 1] = 0  # so many that lists of the others are made
    (got,) = check_same_on_threads(_kernels.matmul_stack, a, b, trans=form)
    assert_same_bits(got, one_by_one(a, b, form))


def test_same_bits_on_isas():
    a, b = operands((5,), (5,), 20, 70, 40, "NN")
    check_same_on_isas(_kernels.matmul_stack, a, b, isas=[*BIT_EQUAL, "reference"])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("stacks", [((0,), (0,)), ((2, 0), (1,)), ((3,), (3,))])
@pytest.mark.parametrize("m, k, n", [(0, 4, 5), (4, 5, 0), (3, 0, 2), (3, 4, 5)])
def test_empty(isa, form, stacks, m, k, n):
    a, b = operands(*stacks, m, k, n, form, integers)
    got = _kernels.matmul_stack(a, b, trans=form)
    np.testing.assert_array_equal(got, one_by_one(a, b, form), strict=True)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("which", ["a", "b", "both"])
@pytest.mark.parametrize("m, k, n", [(9, 30, 70), (70, 30, 9), (1, 5, 6), (5, 1, 6)])
def test_transposed_views(isa, form, which, m, k, n):
    a, b = operands((2, 3), (2, 3), m, k, n, form)
    x, y = turned(a) if which != "b" else a, turned(b) if which != "a" else b
    assert_same_bits(_kernels.matmul_stack(x, y, trans=form), one_by_one(a, b, form))


@pytest.mark.parametrize(
    "view",
    [
        pytest.param(lambda x: x[::-1], id="backwards"),
        pytest.param(lambda x: x[::2], id="every_other"),
        pytest.param(lambda x: x.swapaxes(0, 1), id="stack_transposed"),
        pytest.param(lambda x: np.broadcast_to(x[:1], x.shape), id="one_broadcast"),
        pytest.param(lambda x: x[..., ::2], id="strided_rows"),
        pytest.param(lambda x: x[..., ::-1, :], id="rows_backwards"),
        pytest.param(lambda x: x.swapaxes(1, 2), id="heads_between_rows"),
        pytest.param(lambda x: x.astype(">f4"), id="big_endian"),
    ],
)
def test_views(isa, view):
    a = view(normals((4, 4, 6, 10)))
    b = normals((a.shape[-1], 7), 1)
    assert_same_bits(_kernels.matmul_stack(a, b), one_by_one(a, b, "NN"))
    x, y = b.T, a.swapaxes(-1, -2)
    assert_same_bits(_kernels.matmul_stack(x, y), one_by_one(x, y, "NN"))


def test_misaligned_and_read_only(isa):
    a, b = normals((3, 4, 5)), normals((3, 5, 6), 1)
    shifted = np.empty(a.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(a.shape)
    shifted[...] = a
    b.flags.writeable = False
    assert_same_bits(_kernels.matmul_stack(shifted, b), one_by_one(a, b, "NN"))
    packed = np.zeros(3, [("matrix", np.float32, (4, 5)), ("byte", np.uint8)])
    packed["matrix"] = a
    assert_same_bits(_kernels.matmul_stack(packed["matrix"], b), one_by_one(a, b, "NN"))


def test_views_are_not_copied():
    q, k = normals((8, 100, 40)), normals((8, 300, 40), 1)
    shared = np.broadcast_to(normals((40, 9), 2), (8, 40, 9))
    tracemalloc.start()
    try:
        _kernels.matmul_stack(q, k.swapaxes(-1, -2))
        _kernels.matmul_stack(k.swapaxes(-1, -2), k)
        _kernels.matmul_stack(k, shared)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < q.nbytes / 4


@pytest.mark.parametrize("form", FORMS)
def test_float64(isa, form):
    a, b = operands((3,), (3,), 17, 70, 9, form, dtype=np.float64)
    got = _kernels.matmul_stack(a, b, trans=form)
    assert_same_bits(got, one_by_one(a, b, form))
    x, y = a.swapaxes(-1, -2) if form == "TN" else a, b.swapaxes(-1, -2) if form == "NT" else b
    assert_close(got, x @ y, 10)


def test_bad_input_is_named():
    a, b = normals((3, 2, 4)), normals((3, 5, 6))
    with pytest.raises(ValueError, match=r"inner sizes differ: a \(3, 2, 4\), b \(3, 5, 6\), NN"):
        _kernels.matmul_stack(a, b)
    with pytest.raises(ValueError, match="trans must be NN, NT or TN, got 'TT'"):
        _kernels.matmul_stack(a, b, trans="TT")
    with pytest.raises(ValueError, match=r"stacks do not broadcast: a \(3, 2, 4\), b \(2, 4, 6\)"):
        _kernels.matmul_stack(a, normals((2, 4, 6)))
    with pytest.raises(ValueError, match=r"must be stacks of matrices, got \(3, 2, 4\), \(4,\)"):
        _kernels.matmul_stack(a, normals(4))
    with pytest.raises(TypeError, match="b is float64 but a is float32"):
        _kernels.matmul_stack(a, b.astype(np.float64))
    with pytest.raises(TypeError, match="a must be an ndarray, got list"):
        _kernels.matmul_stack([[1.0]], b)
