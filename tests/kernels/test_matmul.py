"""Matrix products: whole numbers are exact, and a chain of multiply-adds has one right answer."""

import itertools
import tracemalloc

import numpy as np
import pytest
from helpers import (
    BIT_EQUAL,
    assert_close,
    assert_same_bits,
    check_kernel,
    check_same_on_isas,
    check_same_on_threads,
    integers,
    normals,
    turned,
)

from minidrop import _kernels

FORMS = ["NN", "NT", "TN"]
ROWS, COLUMNS = 14, 32  # the largest tile of any instruction set
K = [0, 1, 2, 7, 8, 15, 16, 17, 32, 511, 512, 513, 1025]


def operands(m, k, n, form, make=integers, **options):
    a = make((k, m) if form == "TN" else (m, k), 1, **options)
    b = make((n, k) if form == "NT" else (k, n), 2, **options)
    return a, b


def product(a, b, form):
    a, b = a.astype(np.float64), b.astype(np.float64)
    return (a.T if form == "TN" else a) @ (b.T if form == "NT" else b)


@pytest.mark.parametrize("form", FORMS)
def test_every_tile_edge(isa, form):
    for m, n in itertools.product(range(1, 2 * ROWS + 2), range(1, 2 * COLUMNS + 2)):
        a, b = operands(m, 9, n, form)
        np.testing.assert_array_equal(_kernels.matmul(a, b, trans=form), product(a, b, form))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("k", K)
def test_every_slice_of_k(isa, form, k):
    edges = [(1, 1), (1, 100), (2, 65), (3, 33), (5, 7), (13, 31), (14, 32), (15, 33), (29, 65)]
    for m, n in edges:
        a, b = operands(m, k, n, form)
        np.testing.assert_array_equal(_kernels.matmul(a, b, trans=form), product(a, b, form))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "m, k, n",
    [
        pytest.param(300, 300, 300, id="several_blocks"),
        pytest.param(1000, 3, 2, id="tall"),
        pytest.param(777, 200, 45, id="shared_panels"),
        pytest.param(60, 260, 1100, id="blocks_across"),
        pytest.param(30, 1024, 40, id="rows_on_one_set_of_the_cache"),
        pytest.param(300, 260, 512, id="near_rows_of_b"),
        pytest.param(100, 260, 1030, id="far_rows_of_b"),
        pytest.param(600, 390, 530, id="shared_by_blocks_across"),
        pytest.param(270, 1024, 520, id="one_long_slice"),
        pytest.param(330, 700, 510, id="a_passes_by"),
        pytest.param(270, 520, 2100, id="a_passes_by_far_b"),
        pytest.param(1100, 1000, 70, id="low_blocks"),
        pytest.param(300, 2048, 512, id="copies_of_rows_that_collide"),
        pytest.param(2, 3, 1000, id="wide"),
        pytest.param(3, 2000, 5, id="deep"),
        pytest.param(257, 1, 257, id="outer_product"),
        pytest.param(1, 500, 700, id="one_row"),
        pytest.param(700, 500, 1, id="one_column"),
        pytest.param(64, 784, 10, id="last_layer"),
        pytest.param(100, 70, 20, id="few_columns"),
        pytest.param(300, 1100, 70, id="long_slices"),
        pytest.param(1024, 600, 260, id="columns_of_a_on_few_sets_of_the_cache"),
        pytest.param(600, 130, 800, id="a_of_the_block_below"),
        pytest.param(1050, 260, 90, id="one_more_block_to_share_out"),
        pytest.param(340, 70, 150, id="groups_of_panels"),
        pytest.param(340, 10, 150, id="b_in_L1"),
        pytest.param(340, 600, 9, id="one_panel"),
        pytest.param(70, 9, 1100, id="row_by_row_of_tiles"),
        pytest.param(530, 130, 120, id="blocks_below"),
        pytest.param(100, 1200, 70, id="next_slices"),
        pytest.param(1, 1043, 1051, id="skinny"),
        pytest.param(2, 270, 4101, id="skinny_two_rows"),
        pytest.param(3, 260, 4100, id="skinny_three_rows"),
        pytest.param(4, 518, 2048, id="skinny_four_rows_that_collide"),
        pytest.param(5, 520, 2065, id="skinny_five_rows"),
        pytest.param(6, 541, 2063, id="skinny_six_rows"),
        pytest.param(7, 300, 3600, id="blocks_from_memory"),
        pytest.param(7, 700, 1600, id="slices_from_memory"),
        pytest.param(7, 530, 4100, id="slices_from_memory_row_by_row"),
        pytest.param(60, 700, 1600, id="copies_from_memory"),
    ],
)
def test_shapes(isa, form, m, k, n):
    a, b = operands(m, k, n, form)
    if isa != "reference":
        np.testing.assert_array_equal(_kernels.matmul(a, b, trans=form), product(a, b, form))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("begin", [1, 7, 15])
@pytest.mark.parametrize(
    "m, k, n",
    [pytest.param(30, 48, 800, id="whole_lines"), pytest.param(30, 2048, 1024, id="copies")],
)
def test_rows_that_begin_within_a_line(isa, form, m, k, n, begin):
    whole = operands(m, k, n, form)
    a, b = (np.empty(x.size + begin, np.float32)[begin:].reshape(x.shape) for x in whole)
    a[:], b[:] = whole
    np.testing.assert_array_equal(_kernels.matmul(a, b, trans=form), product(a, b, form))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("m, k, n", [(0, 4, 5), (4, 5, 0), (0, 0, 0), (3, 0, 2)])
def test_empty(isa, form, m, k, n):
    a, b = operands(m, k, n, form)
    got = _kernels.matmul(a, b, trans=form)
    np.testing.assert_array_equal(got, np.zeros((m, n), np.float32), strict=True)
    bias = integers(n)
    got = _kernels.matmul(a, b, bias, trans=form)
    np.testing.assert_array_equal(got, np.broadcast_to(bias, (m, n)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("relu", [False, True])
def test_bias_and_relu(isa, form, relu):
    for m, k, n in (
        (1, 5, 70),
        (3, 300, 40),
        (29, 8, 65),
        (29, 8, 650),
        (1, 1030, 1043),
        (4, 260, 4110),
        (6, 523, 2062),
        (300, 520, 33),
    ):
        if isa == "reference" and m * k * n > 4e6:
            continue
        a, b = operands(m, k, n, form)
        bias = integers(n, 3)
        expected = product(a, b, form) + bias
        got = _kernels.matmul(a, b, bias, trans=form, relu=relu)
        np.testing.assert_array_equal(got, np.maximum(expected, 0) if relu else expected)
        got = _kernels.matmul(a, b, trans=form, relu=relu)
        expected = product(a, b, form)
        np.testing.assert_array_equal(got, np.maximum(expected, 0) if relu else expected)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "m, k, n",
    [
        (1, 300, 300),
        (3, 257, 70),
        (29, 40, 65),
        (130, 600, 90),
        (270, 600, 125),
        (20, 1024, 70),
        (1, 4101, 270),  # skinny
        (2, 300, 3600),
        (4, 270, 4100),
        (6, 525, 2057),
        (20, 700, 1600),
        (7, 1024, 4100),  # whose rows are asked for
        (14, 600, 4100),
    ],
)
def test_random_bits_equal_the_chain(form, m, k, n):
    a, b = operands(m, k, n, form, normals)
    bias = normals(n, 3)
    check_same_on_isas(
        _kernels.matmul, a, b, bias, isas=[*BIT_EQUAL, "reference"], trans=form, relu=True
    )


@pytest.mark.parametrize("n", [1, 7, 10, 15, 20, 31])
def test_few_columns_keep_the_chain(isa, n):
    a, b = operands(130, 65, n, "TN", normals)  # made as rows, unless a bias comes
    whole = _kernels.matmul(a, b, np.zeros(n, np.float32), trans="TN")
    assert_same_bits(_kernels.matmul(a, b, trans="TN"), whole)


@pytest.mark.parametrize("form", FORMS)
def test_random_is_close(isa, form):
    a, b = operands(40, 300, 50, form, normals)
    check_kernel(isa, _kernels.matmul, a, b, trans=form, scale=10)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "m, k, n",
    [
        (300, 310, 320),
        (400, 70, 609),  # one worker shares the panels of two blocks
        (2000, 70, 5),
        (5, 70, 2000),
        (130, 9, 1100),  # row by row of tiles
        (20, 9, 1100),  # workers beside each other
        (7, 3000, 9),
        (64, 1024, 128),
        (256, 600, 128),
        (64, 1000, 280),  # as many blocks as share out its columns
        (300, 600, 510),  # each a worker's panels of b, a passes by
        (300, 600, 400),  # panels that workers cannot share out evenly
        (700, 1100, 130),  # blocks below each other share b, in two slices of k
        (1, 1043, 1051),  # skinny
        (3, 260, 4100),
        (6, 541, 2063),
        (40, 700, 1600),  # b from memory, by blocks
    ],
)
def test_same_bits_on_threads(form, m, k, n):
    a, b = operands(m, k, n, form, normals)
    check_same_on_threads(_kernels.matmul, a, b, trans=form)


@pytest.mark.parametrize("form", ["NN", "NT"])
def test_rows_do_not_depend_on_their_batch(form):
    a, b = operands(65, 300, 40, form, normals)
    whole = _kernels.matmul(a, b, trans=form)
    for rows in (1, 2, 5, 14, 33):
        assert_same_bits(_kernels.matmul(a[:rows], b, trans=form), whole[:rows])


@pytest.mark.parametrize("form", FORMS)
def test_nan_and_infinity_reach_only_their_row_and_column(isa, form):
    a, b = operands(20, 30, 40, form)
    if form == "TN":
        a[3, 7], row = np.nan, 7
    else:
        a[7, 3], row = np.nan, 7
    got = _kernels.matmul(a, b, trans=form)
    assert np.isnan(got[row]).all()
    assert not np.isnan(np.delete(got, row, 0)).any()
    got = _kernels.matmul(a, b, np.zeros(40, np.float32), trans=form, relu=True)
    assert np.isnan(got[row]).all()


def test_inputs_transposed_strided_read_only(isa):
    a, b = integers((12, 20)), integers((20, 9), 1)
    expected = a @ b
    read_only = b.copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(_kernels.matmul(np.asfortranarray(a), read_only), expected)
    np.testing.assert_array_equal(_kernels.matmul(np.repeat(a, 2, 1)[:, ::2], b), expected)
    shifted = np.empty(a.nbytes + 1, np.uint8)[1:].view(np.float32).reshape(a.shape)
    shifted[...] = a  # not even aligned to a float
    np.testing.assert_array_equal(_kernels.matmul(shifted, b), expected)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("which", ["a", "b", "both"])
@pytest.mark.parametrize(
    "m, k, n", [(1, 40, 3), (5, 1, 6), (9, 30, 70), (70, 30, 9), (64, 513, 65)]
)
def test_transposed_views(isa, form, which, m, k, n):
    a, b = operands(m, k, n, form, normals)
    x, y = turned(a) if which != "b" else a, turned(b) if which != "a" else b
    for relu in (False, True):
        bias = normals(n, 3)
        want = _kernels.matmul(a, b, bias, trans=form, relu=relu)
        assert_same_bits(_kernels.matmul(x, y, bias, trans=form, relu=relu), want)


@pytest.mark.parametrize("dtype", [">f4", "=f4"])
def test_transposed_views_that_kernels_cannot_read(isa, dtype):
    a, b = integers((12, 20)), integers((20, 9), 1)
    stored = np.empty(b.nbytes + 1, np.uint8)[1:].view(dtype).reshape(b.T.shape)
    stored[...] = b.T
    np.testing.assert_array_equal(_kernels.matmul(a, stored.T), a @ b)


def test_transposed_views_are_not_copied():
    x, w = normals((4, 300)), normals((500, 300))
    tracemalloc.start()
    try:
        _kernels.matmul(x, w.T)
        _kernels.matmul(w, x.T)
        _kernels.matmul(w.T, x.T, trans="TN")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < w.nbytes / 4


@pytest.mark.parametrize("form", FORMS)
def test_float64(isa, form):
    for m, k, n in ((1, 3, 5), (17, 300, 9), (40, 20, 30), (3, 517, 2061)):
        a, b = operands(m, k, n, form, normals, dtype=np.float64)
        bias = normals(n, 3, np.float64)
        got = _kernels.matmul(a, b, bias, trans=form)
        assert_close(got, product(a, b, form) + bias, 10)


def test_bad_input_is_named():
    a, b = integers((2, 3)), integers((4, 5))
    with pytest.raises(ValueError, match=r"inner sizes differ: a \(2, 3\), b \(4, 5\), NN"):
        _kernels.matmul(a, b)
    with pytest.raises(ValueError, match="trans must be NN, NT or TN, got 'TT'"):
        _kernels.matmul(a, b, trans="TT")
    with pytest.raises(ValueError, match=r"bias must have shape \(5,\), got \(4,\)"):
        _kernels.matmul(integers((2, 4)), b, integers(4))
    with pytest.raises(ValueError, match=r"a must have 2 dimensions, got shape \(3,\)"):
        _kernels.matmul(integers(3), b)
    with pytest.raises(TypeError, match="b is float64 but a is float32"):
        _kernels.matmul(integers((2, 4)), b.astype(np.float64))
