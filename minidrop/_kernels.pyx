"""The one door to C: check every argument, release the GIL, make one call.

Everything below takes and returns ndarrays. Inputs may be read-only; an input that is not
contiguous is copied once. Results stand on blocks of the buffer pool, and are ordinary arrays to
their user.
float32 and float64 are served, never mixed in one call. Errors name the argument, what came and
what was expected.
"""

import operator
import os
import sys
import time

import numpy as np

cimport cython
cimport numpy as cnp
from libc.math cimport INFINITY, rint
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport qsort

from minidrop._csrc cimport *

cnp.import_array()

# ---- numbers ----------------------------------------------------------------------------------
# The usual types first: to ask for those of NumPy takes as long as a small kernel.

cdef inline bint is_int(object value):
    """Whether value is an int of Python or NumPy; a bool is none."""
    return type(value) is int or (isinstance(value, (int, np.integer))
                                  and not isinstance(value, bool))


cdef inline bint is_number(object value):
    """Whether value is an int or a float, of Python or NumPy."""
    return type(value) is float or is_int(value) or isinstance(value, (float, np.floating))


# ---- arrays -----------------------------------------------------------------------------------

cdef class _Block:
    """Holds a block of the pool for the arrays that stand on it."""
    cdef void *data

    def __dealloc__(self):
        md_free(self.data)


cdef inline Py_ssize_t checked_product(Py_ssize_t a, Py_ssize_t b) except -1:
    """a * b for sizes, or MemoryError where no machine has that much."""
    if a != 0 and b > (<Py_ssize_t>1 << 59) // a:
        raise MemoryError(f"{a} * {b} elements are more than an array can hold")
    return a * b


cdef cnp.ndarray new(int ndim, const cnp.npy_intp *shape, int type_number):
    """An array on a block of the pool; its elements are whatever stood there."""
    cdef Py_ssize_t size = 1
    cdef int i
    for i in range(ndim):
        size = checked_product(size, shape[i])
    cdef _Block block = _Block.__new__(_Block)
    cdef Py_ssize_t item = 8 if type_number in (cnp.NPY_FLOAT64, cnp.NPY_INT64) else (
        4 if type_number in (cnp.NPY_FLOAT32, cnp.NPY_UINT32) else 1)
    block.data = md_alloc(size * item)
    if block.data == NULL:
        raise MemoryError(f"no memory for an array of {size * item} bytes")
    cdef cnp.ndarray out = cnp.PyArray_SimpleNewFromData(
        ndim, <cnp.npy_intp *>shape, type_number, block.data)
    cnp.set_array_base(out, block)
    return out


cdef inline cnp.ndarray new_like(cnp.ndarray x):
    return new(cnp.PyArray_NDIM(x), cnp.PyArray_DIMS(x), cnp.PyArray_TYPE(x))


cdef inline cnp.ndarray new1(Py_ssize_t a, int type_number):
    cdef cnp.npy_intp shape[1]
    shape[0] = a
    return new(1, shape, type_number)


cdef inline cnp.ndarray new2(Py_ssize_t a, Py_ssize_t b, int type_number):
    cdef cnp.npy_intp shape[2]
    shape[0], shape[1] = a, b
    return new(2, shape, type_number)


cdef inline cnp.ndarray new4(Py_ssize_t a, Py_ssize_t b, Py_ssize_t c, Py_ssize_t d,
                             int type_number):
    cdef cnp.npy_intp shape[4]
    shape[0], shape[1], shape[2], shape[3] = a, b, c, d
    return new(4, shape, type_number)


cdef inline bint is_real(cnp.ndarray x):
    cdef int t = cnp.PyArray_TYPE(x)
    return t == cnp.NPY_FLOAT32 or t == cnp.NPY_FLOAT64


cdef cnp.ndarray checked_real(object x, str name, int ndim=-1):
    """x itself, a float32 or float64 array that may have to be copied."""
    if not isinstance(x, cnp.ndarray):
        raise TypeError(f"{name} must be an ndarray, got {type(x).__name__}")
    cdef cnp.ndarray a = x
    if not is_real(a):
        raise TypeError(f"{name} must be float32 or float64, got {a.dtype}")
    if ndim >= 0 and cnp.PyArray_NDIM(a) != ndim:
        raise ValueError(f"{name} must have {ndim} dimensions, got shape {shape_of(a)}")
    return a


cdef cnp.ndarray contiguous(cnp.ndarray a):
    """a itself where kernels can read it, else a copy: ascontiguousarray would leave one at an odd
    address there."""
    if cnp.PyArray_ISCARRAY_RO(a):
        return a
    return np.array(a, dtype=a.dtype.newbyteorder("="), order="C")


cdef cnp.ndarray real_array(object x, str name, int ndim=-1):
    """x itself where it is a contiguous float32 or float64 array, else a contiguous copy."""
    return contiguous(checked_real(x, name, ndim))


cdef int check_types(cnp.ndarray a, str name, cnp.ndarray like, str like_name) except -1:
    if cnp.PyArray_TYPE(a) != cnp.PyArray_TYPE(like):
        raise TypeError(f"{name} is {a.dtype} but {like_name} is {like.dtype}: "
                        "one op takes one element type")
    return 0


cdef cnp.ndarray same_type(object x, str name, cnp.ndarray like, str like_name, int ndim=-1):
    """real_array, of the element type of `like`."""
    cdef cnp.ndarray a = checked_real(x, name, ndim)
    check_types(a, name, like, like_name)
    return contiguous(a)


cdef cnp.ndarray same_shape(object x, str name, cnp.ndarray like, str like_name):
    """real_array, of the element type and the shape of `like`."""
    cdef cnp.ndarray a = same_type(x, name, like, like_name, cnp.PyArray_NDIM(like))
    cdef int i
    for i in range(cnp.PyArray_NDIM(a)):
        if cnp.PyArray_DIM(a, i) != cnp.PyArray_DIM(like, i):
            raise ValueError(f"{name} must have the shape of {like_name}, {shape_of(like)}, "
                             f"got {shape_of(a)}")
    return a


cdef inline tuple shape_of(cnp.ndarray a):
    return tuple([cnp.PyArray_DIM(a, i) for i in range(cnp.PyArray_NDIM(a))])


cdef inline void *data(cnp.ndarray a) noexcept nogil:
    return cnp.PyArray_DATA(a)


cdef inline void *data_or_null(object a):
    return NULL if a is None else cnp.PyArray_DATA(<cnp.ndarray>a)


cdef inline const md_kernels *kernels(cnp.ndarray a):
    """The active table for the element type of a."""
    return md_table(cnp.PyArray_TYPE(a) == cnp.NPY_FLOAT64)


cdef inline Py_ssize_t item_size(cnp.ndarray a):
    return 8 if cnp.PyArray_TYPE(a) == cnp.NPY_FLOAT64 else 4


cdef void *take(Py_ssize_t items, Py_ssize_t item_bytes) except? NULL:
    """Scratch for one call, for as many workers as there are now: they stay that many until
    give_back. NULL for none."""
    if items == 0:
        return NULL
    cdef void *block = md_alloc(checked_product(items, item_bytes))
    if block == NULL:
        raise MemoryError(f"no memory for {items * item_bytes} bytes of scratch")
    md_hold_workers(md_workers())
    return block


cdef void give_back(void *scratch) noexcept:
    """The end of `take`."""
    md_free(scratch)
    md_hold_workers(0)


_SERVED = {np.dtype(name): np.dtype(name).num
           for name in ("float32", "float64", "int64", "uint32", "uint8")}


def empty(shape, dtype=np.float32):
    """A new array of the pool, its elements undefined. shape: tuple of ints; dtype: float32,
    float64, int64, uint32 or uint8."""
    cdef cnp.npy_intp dims[MD_DIMS]
    cdef int i
    if len(shape) > MD_DIMS:
        raise ValueError(f"at most {MD_DIMS} dimensions, got {len(shape)}")
    if np.dtype(dtype) not in _SERVED:
        raise TypeError(f"dtype must be one of {', '.join(map(str, _SERVED))}, got {dtype!r}")
    for i, size in enumerate(map(operator.index, shape)):
        if size < 0:
            raise ValueError(f"shape must not be negative, got {tuple(shape)}")
        if size > sys.maxsize:
            raise MemoryError(f"{size} elements are more than an array can hold")
        dims[i] = size
    return new(len(shape), dims, _SERVED[np.dtype(dtype)])


def pool_stats():
    """What the buffer pool holds: dict of mapped_bytes (taken from the system), used_bytes (in
    arrays that are alive), mappings and requests (how often the system and the pool were asked)."""
    cdef md_pool_counts c = md_pool_stats()
    return {"mapped_bytes": c.mapped_bytes, "used_bytes": c.used_bytes,
            "mappings": c.mappings, "requests": c.requests}


def pool_trim():
    """Give the blocks that nobody uses back to the system."""
    md_pool_trim()


cdef dict _CACHES = {1: MD_L1, 3: MD_L3}


cdef int cache_of(level) except -1:
    if level not in _CACHES:
        raise ValueError(f"level must be 1 or 3, got {level!r}")
    return _CACHES[level]


def cache_bytes(level=3):
    """The bytes of L1 (of data), or of the last cache, as the machine tells them or as they were
    set. ValueError where level is neither 1 nor 3."""
    return md_cache_bytes(cache_of(level))


def set_cache_bytes(size_t n, level=3):
    """Behave as with an L1 (of data) or a last cache of n bytes: how much is read while it stays in
    the one, and which outputs go past the other. Changes no result. 0: ask the machine, as at the
    start. ValueError where level is neither 1 nor 3."""
    md_set_cache_bytes(cache_of(level), n)


# ---- machine ----------------------------------------------------------------------------------

_chosen_threads = 0


def set_num_threads(n):
    """Run kernels on n threads, more than there are cores if so wished. None: follow OpenMP
    (OMP_NUM_THREADS, threadpoolctl), as at the start. ValueError unless n is a positive int."""
    global _chosen_threads
    if n is not None and not is_int(n):
        raise TypeError(f"n must be an int or None, got {n!r}")
    if n is not None and not 1 <= n <= 4096:
        raise ValueError(f"n must be from 1 to 4096, got {n}")
    _chosen_threads = 0 if n is None else int(n)
    md_set_threads(_chosen_threads)


def get_num_threads():
    """How many threads a kernel called now would use."""
    return md_workers()


def has_openmp():
    """Whether this build has threads."""
    return bool(md_has_openmp())


def isa():
    """The name of the instruction set whose kernels are active."""
    return md_isa().decode()


def available_isas():
    """The instruction sets that this machine can run, best first; `reference` is the last."""
    return [name for name, there in _isas() if there]


def _isas():
    cdef int i = 0
    found = []
    while md_isa_name(i) != NULL:
        found.append((md_isa_name(i).decode(), bool(md_isa_available(i))))
        i += 1
    return found


def use_isa(name):
    """Run the kernels of one instruction set from now on. ValueError where it is unknown, or this
    machine lacks it."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, got {name!r}")
    known = dict(_isas())
    if name not in known:
        raise ValueError(f"unknown instruction set {name!r}; known: {', '.join(known)}")
    if md_use_isa(name.encode()) != 0:
        raise ValueError(f"this machine lacks {name}; it has: {', '.join(available_isas())}")


use_isa(os.environ.get("MINIDROP_ISA") or available_isas()[0])

cdef bint verbose = os.environ.get("MINIDROP_VERBOSE", "") not in ("", "0")


cdef inline double now():
    return time.perf_counter() if verbose else 0


cdef void report(str what, object shapes, double start, double flop):
    """A line for one call, where MINIDROP_VERBOSE asks for it."""
    cdef double seconds = time.perf_counter() - start
    rate = f"{flop / seconds * 1e-9:8.1f} GFLOP/s" if flop else ""
    print(f"minidrop {isa():9} {what:32} {shapes!s:44} {seconds * 1e6:9.1f} us {rate}",
          file=sys.stderr)


def fma_peak(Py_ssize_t iterations):
    """Run multiply-adds on every thread: returns how many floating-point operations were done."""
    cdef cnp.ndarray out = new1(16, cnp.NPY_FLOAT32)
    cdef const md_kernels *k = md_table(0)
    cdef double flop
    with nogil:
        flop = k.fma_peak(data(out), iterations)
    return flop


def tile_peak(Py_ssize_t iterations):
    """Run the micro-kernel on every thread, its operands in L1: returns the floating-point
    operations done."""
    cdef const md_kernels *k = md_table(0)
    cdef void *scratch = take(k.tile_peak_scratch(), sizeof(float))
    cdef double flop
    with nogil:
        flop = k.tile_peak(scratch, iterations)
    give_back(scratch)
    return flop


def exchange(Py_ssize_t rounds):
    """Every thread writes 256 KB and reads what the next one has written, `rounds` times: returns
    the bytes read."""
    cdef Py_ssize_t reals = 1 << 16
    cdef const md_kernels *k = md_table(0)
    cdef void *rooms = take(2 * md_workers() * reals, sizeof(float))
    cdef double moved
    with nogil:
        moved = k.exchange(rooms, reals, rounds)
    give_back(rooms)
    return moved


# ---- matmul.h ---------------------------------------------------------------------------------

cdef dict _FORMS = {"NN": MD_NN, "NT": MD_NT, "TN": MD_TN}


cdef int product_of(cnp.ndarray a, cnp.ndarray b, object trans, Py_ssize_t *m, Py_ssize_t *n,
                    Py_ssize_t *k) except -1:
    """The form of op(a) op(b), and its sizes; both are matrices, or stacks of them."""
    known = _FORMS.get(trans)
    if known is None:
        raise ValueError(f"trans must be NN, NT or TN, got {trans!r}")
    cdef int form = known, i = cnp.PyArray_NDIM(a) - 2, j = cnp.PyArray_NDIM(b) - 2
    m[0] = cnp.PyArray_DIM(a, i + 1 if form == MD_TN else i)
    k[0] = cnp.PyArray_DIM(a, i if form == MD_TN else i + 1)
    n[0] = cnp.PyArray_DIM(b, j if form == MD_NT else j + 1)
    if cnp.PyArray_DIM(b, j + 1 if form == MD_NT else j) != k[0]:
        raise ValueError(f"matmul: inner sizes differ: a {shape_of(a)}, b {shape_of(b)}, {trans}")
    return form


cdef bint matrices_lie(cnp.ndarray x, bint turned):
    """Whether kernels can read the matrix x, or each of a stack, or its transpose, where it is."""
    cdef int last = cnp.PyArray_NDIM(x) - 1, column = last - turned, row = last - (not turned), i
    cdef Py_ssize_t item = item_size(x), rows = cnp.PyArray_DIM(x, row)
    cdef Py_ssize_t columns = cnp.PyArray_DIM(x, column)
    if not cnp.PyArray_ISBEHAVED_RO(x):
        return False
    for i in range(last - 1):
        if cnp.PyArray_STRIDE(x, i) % item:
            return False
    return ((columns <= 1 or cnp.PyArray_STRIDE(x, column) == item) and
            (rows <= 1 or cnp.PyArray_STRIDE(x, row) == columns * item))


cdef tuple as_they_lie(cnp.ndarray x, cnp.ndarray y, int form):
    """(x, y, form), with operands that lie transposed as they lie. There is no form for two such:
    the smaller one is then left to be copied."""
    if not matrices_lie(x, False) and matrices_lie(x, True):
        x, form = x.swapaxes(-1, -2), form ^ MD_TN
    if not matrices_lie(y, False) and matrices_lie(y, True):
        y, form = y.swapaxes(-1, -2), form ^ MD_NT
    if form == (MD_NT | MD_TN):
        if x.size < y.size:
            x, form = x.swapaxes(-1, -2), MD_NT
        else:
            y, form = y.swapaxes(-1, -2), MD_TN
    return x, y, form


cdef cnp.ndarray row_vector(object v, str name, cnp.ndarray like, str like_name, Py_ssize_t n):
    """v as an array (n,) of the element type of `like`."""
    cdef cnp.ndarray row = same_type(v, name, like, like_name, 1)
    if cnp.PyArray_DIM(row, 0) != n:
        raise ValueError(f"{name} must have shape ({n},), got {shape_of(row)}")
    return row


def matmul(a, b, bias=None, *, trans="NN", bint relu=False):
    """op(a) op(b) [+ bias] [then relu]. trans: NN: a (m, k), b (k, n); NT: b stored (n, k);
    TN: a stored (k, m). bias (n,). Returns (m, n).

    A view that is the transpose of a contiguous array is read as it lies, unless both operands
    would then be stored transposed: of these, the smaller one is copied."""
    cdef cnp.ndarray x = checked_real(a, "a", 2)
    cdef cnp.ndarray y = checked_real(b, "b", 2)
    check_types(y, "b", x, "a")
    cdef Py_ssize_t m, n, k
    cdef int form = product_of(x, y, trans, &m, &n, &k)
    if not (matrices_lie(x, False) and matrices_lie(y, False)):
        x, y, form = as_they_lie(x, y, form)
        x, y = contiguous(x), contiguous(y)
    if bias is not None:
        bias = row_vector(bias, "bias", x, "a", n)
    cdef cnp.ndarray c = new2(m, n, cnp.PyArray_TYPE(x))
    cdef const md_kernels *t = kernels(x)
    cdef void *scratch = take(t.matmul_scratch(m, n, k, form, False), item_size(x))
    cdef void *bias_data = data_or_null(bias)
    cdef double start = now()
    with nogil:
        t.matmul(data(c), data(x), data(y), bias_data, m, n, k, form, relu, scratch)
    give_back(scratch)
    if verbose:
        report(f"matmul {('NN', 'NT', 'TN')[form]}", (m, k, n), start, 2.0 * m * n * k)
    return c


# ---- matmul_stack.h ---------------------------------------------------------------------------

cdef cnp.ndarray places(cnp.ndarray x, cnp.ndarray like):
    """Where each matrix of the stack x begins, in elements, x broadcast to the stack `like`."""
    cdef int ndim = cnp.PyArray_NDIM(like) - 2, lacks = ndim + 2 - cnp.PyArray_NDIM(x), d
    cdef Py_ssize_t count = 1, item = item_size(x), i, at = 0
    cdef Py_ssize_t step[MD_DIMS]
    cdef Py_ssize_t index[MD_DIMS]
    for d in range(ndim):
        count *= cnp.PyArray_DIM(like, d)
        index[d] = step[d] = 0
        if d >= lacks and cnp.PyArray_DIM(x, d - lacks) > 1:
            step[d] = cnp.PyArray_STRIDE(x, d - lacks) // item
    cdef cnp.ndarray begins = new1(count, cnp.NPY_INT64)
    cdef int64_t *begin = <int64_t *>data(begins)
    for i in range(count):
        begin[i] = at
        for d in range(ndim - 1, -1, -1):
            at += step[d]
            index[d] += 1
            if index[d] < cnp.PyArray_DIM(like, d):
                break
            at -= index[d] * step[d]
            index[d] = 0
    return begins


def matmul_stack(a, b, *, trans="NN"):
    """matmul of each matrix of the stack a (..., m, k) with that of b (..., k, n), stored as trans
    says for all of them; the leading axes are broadcast. Returns (..., m, n).

    A view is read as it lies if each of its matrices is contiguous, or the transpose of such a one;
    unless both operands would then be stored transposed: of these, the smaller one is copied."""
    cdef cnp.ndarray x = checked_real(a, "a")
    cdef cnp.ndarray y = checked_real(b, "b")
    check_types(y, "b", x, "a")
    if cnp.PyArray_NDIM(x) < 2 or cnp.PyArray_NDIM(y) < 2:
        raise ValueError(f"a and b must be stacks of matrices, got {shape_of(x)}, {shape_of(y)}")
    cdef Py_ssize_t m, n, k
    cdef int form = product_of(x, y, trans, &m, &n, &k)
    try:
        stack = np.broadcast_shapes(shape_of(x)[:cnp.PyArray_NDIM(x) - 2],
                                    shape_of(y)[:cnp.PyArray_NDIM(y) - 2])
    except ValueError:
        raise ValueError(f"matmul: stacks do not broadcast: a {shape_of(x)}, "
                         f"b {shape_of(y)}") from None
    x, y, form = as_they_lie(x, y, form)
    if not matrices_lie(x, False):
        x = contiguous(x)
    if not matrices_lie(y, False):
        y = contiguous(y)
    cdef cnp.ndarray c = empty((*stack, m, n), x.dtype)
    cdef cnp.ndarray x_at = places(x, c), y_at = places(y, c)
    cdef Py_ssize_t count = cnp.PyArray_SIZE(x_at)
    cdef const md_kernels *t = kernels(x)
    cdef void *scratch = take(t.matmul_stack_scratch(count, m, n, k, form), item_size(x))
    cdef double start = now()
    with nogil:
        t.matmul_stack(data(c), data(x), data(y), <const Py_ssize_t *>data(x_at),
                       <const Py_ssize_t *>data(y_at), count, m, n, k, form, scratch)
    give_back(scratch)
    if verbose:
        report(f"matmul_stack {('NN', 'NT', 'TN')[form]}", (*stack, m, k, n), start,
               2.0 * count * m * n * k)
    return c


# ---- conv2d.h ---------------------------------------------------------------------------------

cdef Py_ssize_t geometry(object value, str name, Py_ssize_t least) except? -1:
    """A size of a convolution or pooling window: an int, at least `least`, at most 2**31."""
    if not is_int(value):
        raise TypeError(f"{name} must be an int, got {value!r}")
    if not least <= value <= 2**31:
        raise ValueError(f"{name} must be from {least} to 2**31, got {value}")
    return value


cdef tuple pair(object value, str name, Py_ssize_t least):
    """(height, width) from one int or two."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(f"{name} must be an int or two, got {value!r}")
        return geometry(value[0], name, least), geometry(value[1], name, least)
    value = geometry(value, name, least)
    return value, value


cdef md_conv conv_geometry(tuple x, tuple w, object stride, object padding, object dilation,
                           object groups) except *:
    """x (n, h, w, cin) and w (kh, kw, cin/groups, cout) as the kernels want them, checked."""
    cdef md_conv g
    if len(x) != 4:
        raise ValueError(f"x must have shape (n, height, width, channels), got {x}")
    if len(w) != 4:
        raise ValueError(f"w must have shape (kh, kw, cin/groups, cout), got {w}")
    g.n, g.h, g.w, g.cin = x
    g.kh, g.kw, _, g.cout = w
    g.stride_h, g.stride_w = pair(stride, "stride", 1)
    g.pad_h, g.pad_w = pair(padding, "padding", 0)
    g.dil_h, g.dil_w = pair(dilation, "dilation", 1)
    g.groups = geometry(groups, "groups", 1)
    if g.kh < 1 or g.kw < 1:
        raise ValueError(f"w must have a kernel of at least 1 x 1, got shape {w}")
    if w[2] * groups != g.cin:
        hint = ""
        if w[2] * groups == x[1]:
            hint = "; this looks like NCHW: minidrop is channels-last, x.transpose(0, 2, 3, 1)"
        raise ValueError(f"x {x} has {g.cin} channels, but w {w} with groups={groups} "
                         f"takes {w[2] * groups}{hint}")
    if g.cout % g.groups:
        raise ValueError(f"groups={groups} must divide the {g.cout} output channels of w {w}")
    cdef Py_ssize_t reach_h = (g.kh - 1) * g.dil_h + 1, reach_w = (g.kw - 1) * g.dil_w + 1
    if g.h + 2 * g.pad_h < reach_h or g.w + 2 * g.pad_w < reach_w:
        raise ValueError(f"the kernel reaches over {reach_h} x {reach_w} pixels, more than x {x} "
                         f"with padding ({g.pad_h}, {g.pad_w}) has")
    g.oh = (g.h + 2 * g.pad_h - reach_h) // g.stride_h + 1
    g.ow = (g.w + 2 * g.pad_w - reach_w) // g.stride_w + 1
    g.relu, g.pool, g.masks_dx, g.drop, g.w_bits, g.w_scale = 0, 1, 0, NULL, NULL, 1
    # the sizes that the kernels multiply, so that none of their products overflows
    checked_product(checked_product(g.h + 2 * g.pad_h, g.w + 2 * g.pad_w),
                    4 * (g.cin + g.cout) * (md_workers() + 1))
    checked_product(checked_product(g.oh, g.ow), checked_product(g.n, g.cout))
    checked_product(checked_product(g.kh, g.kw), checked_product(g.cin + 64, 16 * (g.cout + 64)))
    return g


def conv2d_forward(x, w, bias=None, stride=1, padding=0, dilation=1, groups=1, *, bint relu=False,
                   Py_ssize_t pool=1, bint want_where=False, object drop=None,
                   object w_mask=None, str algo="direct"):
    """x (n, h, w, cin) * w (kh, kw, cin/groups, cout) [+ bias (cout,)] [then relu]
    [then max-pooling of pool x pool windows] [then dropout] -> (n, oh/pool, ow/pool, cout).
    want_where: also the place of each window's winner, uint8, which the backward asks for.
    drop: (p, seed, stream, call, offset), behind a relu: see dropout_forward.
    w_mask: (bits, p): w counts as what dropout_backward(w, bits, p) would give, which never stands
    in memory; without pooling.
    algo: "auto", "direct" or "winograd"."""
    cdef cnp.ndarray image = real_array(x, "x")
    cdef cnp.ndarray kernel = same_type(w, "w", image, "x")
    cdef md_conv g = conv_geometry(shape_of(image), shape_of(kernel), stride, padding, dilation,
                                   groups)
    conv_tail(&g, relu, pool)
    mask_weights(&g, w_mask, cnp.PyArray_SIZE(kernel))
    if bias is not None:
        bias = row_vector(bias, "bias", image, "x", g.cout)
    cdef Py_ssize_t rows = g.oh // g.pool, cols = g.ow // g.pool
    cdef md_drop tail
    if drop is not None:
        p, seed, stream, call, offset = drop
        drop_behind(&g, &tail, p)
        tail.stream = stream_of(seed, stream, call)
        tail.first = first_of(offset, "offset", g.n * rows * cols * g.cout)
    cdef cnp.ndarray y = new4(g.n, rows, cols, g.cout, cnp.PyArray_TYPE(image))
    where = new4(g.n, rows, cols, g.cout, cnp.NPY_UINT8) if want_where else None
    cdef const md_kernels *t = kernels(image)
    cdef bint fast = takes_winograd(&g, algo, False)
    cdef void *scratch = take(t.winograd_scratch(&g, False) if fast else t.conv2d_scratch(&g),
                              item_size(image))
    cdef void *bias_data = data_or_null(bias)
    cdef uint8_t *where_data = <uint8_t *>data_or_null(where)
    cdef double start = now()
    with nogil:
        if fast:
            t.winograd_forward(data(y), where_data, data(image), data(kernel), bias_data, &g,
                               scratch)
        else:
            t.conv2d_forward(data(y), where_data, data(image), data(kernel), bias_data, &g,
                             scratch)
    give_back(scratch)
    if verbose:
        report("conv2d_forward " + ("winograd" if fast else "direct"),
               (shape_of(image), shape_of(kernel)), start, conv_flop(&g))
    return (y, where) if want_where else y


def conv2d_backward(dy, x, w, stride=1, padding=0, dilation=1, groups=1, *, relu_output=None,
                    Py_ssize_t pool=1, where=None, object drop_p=None, bint want_dx=True,
                    bint want_dw=True, bint want_db=True, bint mask_dx=False, object w_mask=None,
                    str algo="direct"):
    """The gradients (dx, dw, db) of conv2d_forward from dy, of its shape; None where not wanted.
    relu_output: the value of a forward with relu=True. where: what a forward with pooling gave.
    drop_p: the p of a forward with dropout, whose value shows what was kept.
    mask_dx: x is the value of a relu, and dx is wanted behind it: 0 where x is not above 0.
    w_mask: that of the forward; dw is the gradient of the w that counts."""
    cdef cnp.ndarray image = real_array(x, "x", 4)
    cdef cnp.ndarray kernel = same_type(w, "w", image, "x", 4)
    cdef cnp.ndarray gradient = same_type(dy, "dy", image, "x", 4)
    cdef md_conv g = conv_geometry(shape_of(image), shape_of(kernel), stride, padding, dilation,
                                   groups)
    conv_tail(&g, relu_output is not None, pool)
    g.masks_dx = mask_dx
    mask_weights(&g, w_mask, cnp.PyArray_SIZE(kernel))
    cdef md_drop tail
    if drop_p is not None:
        drop_behind(&g, &tail, drop_p)
    expected = (g.n, g.oh // g.pool, g.ow // g.pool, g.cout)
    if shape_of(gradient) != expected:
        raise ValueError(f"dy must have shape {expected}, got {shape_of(gradient)}")
    if relu_output is not None:
        relu_output = same_shape(relu_output, "relu_output", gradient, "dy")
    if pool > 1 and (not isinstance(where, cnp.ndarray) or where.dtype != np.uint8
                     or where.shape != expected or not where.flags.c_contiguous):
        raise ValueError(f"where must be a contiguous uint8 array of shape {expected}, "
                         f"got {where!r:.60}")
    cdef int type_number = cnp.PyArray_TYPE(image)
    dx = new_like(image) if want_dx else None
    dw = new_like(kernel) if want_dw else None
    db = new1(g.cout, type_number) if want_db else None
    cdef const md_kernels *t = kernels(image)
    cdef bint fast = takes_winograd(&g, algo, True) and (want_dx or want_dw)
    cdef void *scratch = take(t.winograd_scratch(&g, True) if fast else t.conv2d_scratch(&g),
                              item_size(image))
    cdef void *dx_data = data_or_null(dx)
    cdef void *dw_data = data_or_null(dw)
    cdef void *db_data = data_or_null(db)
    cdef void *y_data = data_or_null(relu_output)
    cdef uint8_t *where_data = <uint8_t *>data_or_null(where)
    cdef double start = now()
    with nogil:
        if fast:
            t.winograd_backward(dx_data, dw_data, db_data, data(image), data(kernel),
                                data(gradient), y_data, where_data, &g, scratch)
        else:
            t.conv2d_backward(dx_data, dw_data, db_data, data(image), data(kernel),
                              data(gradient), y_data, where_data, &g, scratch)
    give_back(scratch)
    if verbose:
        report("conv2d_backward " + ("winograd" if fast else "direct"),
               (shape_of(image), shape_of(kernel)), start, conv_flop(&g) * (want_dx + want_dw))
    return dx, dw, db


cdef int conv_tail(md_conv *g, bint relu, Py_ssize_t pool) except -1:
    """What follows a convolution in the same pass."""
    if not 1 <= pool <= 16:
        raise ValueError(f"pool must be from 1 to 16, got {pool}")
    if pool > g.oh or pool > g.ow:
        raise ValueError(f"pool={pool} is more than the convolution's {g.oh} x {g.ow} pixels")
    g.relu, g.pool = relu, pool
    return 0


cdef int drop_behind(md_conv *g, md_drop *tail, object p) except -1:
    """And a dropout of rate p, whose mask the caller says if it is drawn."""
    if not g.relu:
        raise ValueError("dropout in the same pass as a convolution takes a relu between them")
    tail.threshold = threshold_of(p)
    tail.law = law_of(None, tail.threshold)
    g.drop = tail
    return 0


cdef int mask_weights(md_conv *g, object w_mask, Py_ssize_t size) except -1:
    """The mask of `size` weights, (bits, p) or None: the caller keeps bits alive."""
    if w_mask is None:
        return 0
    if g.pool > 1:
        raise ValueError(f"w_mask takes a convolution without pooling, got pool={g.pool}")
    bits, p = w_mask
    g.w_scale = scale_of(threshold_of(p))
    g.w_bits = mask_words(bits, 0, size)
    return 0


cdef double conv_flop(const md_conv *g):
    return 2.0 * g.n * g.oh * g.ow * g.kh * g.kw * (g.cin // g.groups) * g.cout


# ---- winograd.h: which algorithm a convolution takes ------------------------------------------

_CONV_ALGOS = ("auto", "direct", "winograd")
_conv_algo = "auto"


def set_conv_algo(algo):
    """What convolutions with algo="auto" do from now on: "auto", choose by layer and image size;
    "direct", never Winograd's method; "winograd", wherever it can be applied. ValueError for
    anything else. A layer's own algo= goes first."""
    global _conv_algo
    if algo not in _CONV_ALGOS:
        raise ValueError(f"algo must be one of {', '.join(_CONV_ALGOS)}, got {algo!r}")
    _conv_algo = algo


def conv_algo():
    """What `set_conv_algo` was told last; "auto" at the start."""
    return _conv_algo


def check_conv_algo(algo, kernel, stride, dilation, groups):
    """ValueError unless `algo` is known, and fits a layer. kernel, stride, dilation: two ints."""
    cdef md_conv g
    (g.kh, g.kw), (g.stride_h, g.stride_w), (g.dil_h, g.dil_w) = kernel, stride, dilation
    g.groups = groups
    expect_algo(algo, &g)


cdef int expect_algo(object algo, const md_conv *g) except -1:
    """check_conv_algo, of a geometry."""
    if algo not in _CONV_ALGOS:
        raise ValueError(f"algo must be one of {', '.join(_CONV_ALGOS)}, got {algo!r}")
    if algo == "winograd" and not winograd_fits(g):
        raise ValueError(
            "algo='winograd' takes kernels of 3 x 3 and 5 x 5 with stride, dilation and groups 1, "
            f"got kernel {(g.kh, g.kw)}, stride {(g.stride_h, g.stride_w)}, "
            f"dilation {(g.dil_h, g.dil_w)}, groups {g.groups}")
    return 0


cdef bint winograd_fits(const md_conv *g):
    return (g.kh == g.kw and (g.kh == 3 or g.kh == 5) and g.stride_h == g.stride_w == 1
            and g.dil_h == g.dil_w == 1 and g.groups == 1)


cdef bint takes_winograd(const md_conv *g, str algo, bint backward) except -1:
    """Whether a call takes Winograd's method."""
    expect_algo(algo, g)
    if algo == "auto":
        algo = _conv_algo
        if not winograd_fits(g):
            return False
    if algo != "auto":
        return algo == "winograd"
    # behind a pooling, conv2d_sparse.h has at most a quarter of dz to look at, and wins
    return winograd_pays(g) and not (backward and g.pool > 1)


cdef bint winograd_pays(const md_conv *g):
    """The rule of "auto". It asks for the layer and the size of one image
    alone, so that an image gives the same bits in any batch and on any machine.

    Transforms cost as much for a few channels as the products save: from 16 on, on both sides, each
    of the three passes gains (1.05 to 1.4 times with 16, 1.5 to 2.5 times with 64). Tiles reach
    over the edges of an image: at least half of the multiplications have to be saved. One tile an
    image has too little work to repay the transform of the weights."""
    cdef Py_ssize_t side = 7 - g.kh
    cdef Py_ssize_t tiles = ((g.oh + side - 1) // side) * ((g.ow + side - 1) // side)
    return (g.cin >= 16 and g.cout >= 16 and tiles > 1
            and g.oh * g.ow * g.kh * g.kw >= 2 * 36 * tiles)


# ---- arithmetic.h -----------------------------------------------------------------------------

cdef cnp.ndarray operand(object x, str name, object like):
    """An operand as real_array; a Python number becomes an array of no axes, of the type of
    `like`."""
    cdef cnp.ndarray scalar
    if not isinstance(x, (float, int)) or not isinstance(like, cnp.ndarray):
        return real_array(x, name)
    if cnp.PyArray_TYPE(like) == cnp.NPY_FLOAT64:
        scalar = new(0, NULL, cnp.NPY_FLOAT64)
        (<double *>data(scalar))[0] = x
    else:
        scalar = new(0, NULL, cnp.NPY_FLOAT32)
        (<float *>data(scalar))[0] = x
    return scalar


cdef cnp.ndarray broadcast(md_broadcast *s, str op, tuple operands):
    """Fill s for two or three contiguous operands. Returns a new array for the result, of the
    element type of the first."""
    cdef cnp.ndarray o
    cdef cnp.npy_intp shape[MD_DIMS]
    cdef Py_ssize_t moved[3]
    cdef Py_ssize_t size, there
    cdef int ndim = 0, i, d, axis, advancing, before = 0
    for i in range(len(operands)):
        ndim = max(ndim, cnp.PyArray_NDIM(<cnp.ndarray>operands[i]))
        moved[i] = 1
    s.ndim = 0
    for d in range(1, ndim + 1):  # from the fastest axis to the slowest
        size, advancing = 1, 0
        for i in range(len(operands)):
            o = operands[i]
            axis = cnp.PyArray_NDIM(o) - d
            there = cnp.PyArray_DIM(o, axis) if axis >= 0 else 1
            if there == 1:
                continue
            if advancing and there != size:
                raise ValueError(f"{op}: shapes do not broadcast: "
                                 + ", ".join([str(shape_of(other)) for other in operands]))
            size = there
            advancing |= 1 << i
        shape[ndim - d] = size
        if not advancing:
            continue
        if advancing != before:
            before = advancing
            s.size[s.ndim] = 1
            for i in range(3):
                s.step[i][s.ndim] = moved[i] if advancing >> i & 1 else 0
            s.ndim += 1
        s.size[s.ndim - 1] *= size
        for i in range(len(operands)):
            if advancing >> i & 1:
                moved[i] *= size
    if s.ndim == 0:
        s.ndim, s.size[0] = 1, 1
        s.step[0][0] = s.step[1][0] = s.step[2][0] = 0
    return new(ndim, shape, cnp.PyArray_TYPE(<cnp.ndarray>operands[0]))


cdef cnp.ndarray binary(object a, object b, int op, str name):
    cdef cnp.ndarray x = operand(a, "a", b)
    cdef cnp.ndarray y = same_type(operand(b, "b", x), "b", x, "a")
    cdef md_broadcast s
    cdef cnp.ndarray out = broadcast(&s, name, (x, y))
    cdef const md_kernels *t = kernels(x)
    cdef double start = now()
    with nogil:
        t.binary(data(out), data(x), data(y), &s, op)
    if verbose:
        report(name, (shape_of(x), shape_of(y)), start, 0)
    return out


def add(a, b):
    """a + b, with broadcasting. Here and in the next ones either may be a Python number."""
    return binary(a, b, MD_ADD, "add")


def sub(a, b):
    """a - b, with broadcasting."""
    return binary(a, b, MD_SUB, "sub")


def mul(a, b):
    """a * b, with broadcasting."""
    return binary(a, b, MD_MUL, "mul")


def div(a, b):
    """a / b, with broadcasting."""
    return binary(a, b, MD_DIV, "div")


def maximum(a, b):
    """The greater of a and b, with broadcasting; NaN where either is NaN."""
    return binary(a, b, MD_MAXIMUM, "maximum")


def minimum(a, b):
    """The smaller of a and b, with broadcasting; NaN where either is NaN."""
    return binary(a, b, MD_MINIMUM, "minimum")


def power(a, b):
    """a to the power b, with broadcasting. One b for all multiplies where it is a whole number from
    -4 to 4, and takes the root where it is 0.5."""
    return binary(a, b, MD_POW, "pow")


def where(condition, a, b):
    """a where condition (bool) is true, else b, with broadcasting."""
    cdef cnp.ndarray x = operand(a, "a", b)
    cdef cnp.ndarray y = same_type(operand(b, "b", x), "b", x, "a")
    if isinstance(condition, np.bool_):  # what NumPy makes of comparing arrays of no axes
        condition = np.asarray(condition)
    if not isinstance(condition, cnp.ndarray) or cnp.PyArray_TYPE(condition) != cnp.NPY_BOOL:
        raise TypeError("condition must be an ndarray of bool, got "
                        f"{getattr(condition, 'dtype', type(condition).__name__)}")
    cdef cnp.ndarray mask = condition
    if not cnp.PyArray_ISCARRAY_RO(mask):
        mask = np.ascontiguousarray(mask).reshape(shape_of(mask))
    cdef md_broadcast s
    cdef cnp.ndarray out = broadcast(&s, "where", (x, y, mask))
    cdef const md_kernels *t = kernels(x)
    cdef double start = now()
    with nogil:
        t.where(data(out), <uint8_t *>data(mask), data(x), data(y), &s)
    if verbose:
        report("where", (shape_of(mask), shape_of(x), shape_of(y)), start, 0)
    return out


cdef cnp.ndarray unary(object x, int op, str name):
    cdef cnp.ndarray a = real_array(x, "x")
    cdef cnp.ndarray out = new_like(a)
    cdef const md_kernels *t = kernels(a)
    cdef Py_ssize_t n = cnp.PyArray_SIZE(a)
    cdef double start = now()
    with nogil:
        t.unary(data(out), data(a), n, op)
    if verbose:
        report(name, shape_of(a), start, 0)
    return out


def copy(x):
    """x in a new array."""
    return unary(x, MD_COPY, "copy")


def neg(x):
    """-x"""
    return unary(x, MD_NEG, "neg")


def absolute(x):
    """x without its sign."""
    return unary(x, MD_ABS, "abs")


def sqrt(x):
    """The square root; NaN below 0."""
    return unary(x, MD_SQRT, "sqrt")


def exp(x):
    """e to the power x."""
    return unary(x, MD_EXP, "exp")


def log(x):
    """The natural logarithm; -inf at 0, NaN below."""
    return unary(x, MD_LOG, "log")


def clip(x, double low, double high):
    """min(max(x, low), high); NaN stays NaN."""
    cdef cnp.ndarray a = real_array(x, "x")
    cdef cnp.ndarray out = new_like(a)
    cdef const md_kernels *t = kernels(a)
    cdef Py_ssize_t n = cnp.PyArray_SIZE(a)
    cdef double start = now()
    with nogil:
        t.clip(data(out), data(a), n, low, high)
    if verbose:
        report("clip", shape_of(a), start, 0)
    return out


# ---- reduce.h ---------------------------------------------------------------------------------

def checked_dim(dim, int ndim):
    """A dimension of an array of ndim, counted from 0. TypeError, or AxisError (a ValueError and an
    IndexError) where there is none."""
    if not is_int(dim):
        raise TypeError(f"dim must be an int, got {dim!r}")
    if not -ndim <= dim < ndim:
        has = f"from {-ndim} to {ndim - 1}" if ndim else "left out for a scalar"
        raise np.exceptions.AxisError(f"dim must be {has}, got {dim}")
    return dim + ndim if dim < 0 else int(dim)


cdef cnp.ndarray sum_run(cnp.ndarray x, cnp.ndarray out, Py_ssize_t outer, Py_ssize_t mid,
                         Py_ssize_t inner, bint squares, double divisor):
    """out (outer, inner) = the sum over mid of x (outer, mid, inner), divided."""
    cdef const md_kernels *t = kernels(x)
    cdef void *scratch = take(t.sum_scratch(outer, mid, inner), item_size(x))
    with nogil:
        t.sum(data(out), data(x), outer, mid, inner, squares, divisor, scratch)
    give_back(scratch)
    return out


def sum_over(x, dims=None, *, bint keepdim=False, bint mean=False, bint squares=False):
    """The sum of x, or of its squares, over dims: a collection of ints from 0, or None for all.
    mean=True divides by how many. The dims vanish, or stay as 1 with keepdim=True."""
    cdef cnp.ndarray a = real_array(x, "x")
    cdef bint summed[MD_DIMS]
    cdef cnp.npy_intp shape[MD_DIMS]
    cdef Py_ssize_t outer[MD_DIMS]
    cdef Py_ssize_t mid[MD_DIMS]
    cdef Py_ssize_t inner[MD_DIMS]
    cdef Py_ssize_t kept_after = 1
    cdef int ndim = cnp.PyArray_NDIM(a), left = 0, runs = 0, d, i, run
    cdef double count = 1
    for d in range(ndim):
        summed[d] = dims is None or d in dims
        if summed[d]:
            count *= cnp.PyArray_DIM(a, d)
        if keepdim or not summed[d]:
            shape[left] = 1 if summed[d] else cnp.PyArray_DIM(a, d)
            left += 1
    # neighbours that are summed make a run, and each run is a call, from the last to the first
    d = ndim - 1
    while d >= 0:
        if not summed[d]:
            kept_after *= cnp.PyArray_DIM(a, d)
            d -= 1
            continue
        mid[runs], inner[runs], outer[runs] = 1, kept_after, 1
        while d >= 0 and summed[d]:
            mid[runs] *= cnp.PyArray_DIM(a, d)
            d -= 1
        for i in range(d + 1):
            outer[runs] *= cnp.PyArray_DIM(a, i)
        runs += 1
    if runs == 0:
        outer[0], mid[0], inner[0], runs = 1, 1, kept_after, 1
    cdef int type_number = cnp.PyArray_TYPE(a)
    cdef double start = now()
    for run in range(runs - 1):
        a = sum_run(a, new1(outer[run] * inner[run], type_number), outer[run], mid[run],
                    inner[run], squares and run == 0, 1)
    run = runs - 1
    a = sum_run(a, new(left, shape, type_number), outer[run], mid[run], inner[run],
                squares and run == 0, count if mean else 1)
    if verbose:
        report("sum", x.shape, start, 0)
    return a


# ---- extreme.h --------------------------------------------------------------------------------

def extreme(x, dim=None, *, bint least=False, bint keepdim=False):
    """The greatest element along dim (from 0; None: of all), or the least, and where it is (int64).
    NaN beats every number; of equals the first wins. ValueError where dim is empty."""
    cdef cnp.ndarray a = real_array(x, "x")
    cdef cnp.npy_intp shape[MD_DIMS]
    cdef Py_ssize_t outer = 1, mid = 1, inner = 1
    cdef int ndim = cnp.PyArray_NDIM(a), left = 0, d, along = -1 if dim is None else dim
    for d in range(ndim):
        if dim is None or d == along:
            mid *= cnp.PyArray_DIM(a, d)
            if keepdim:
                shape[left] = 1
                left += 1
            continue
        if d < along:
            outer *= cnp.PyArray_DIM(a, d)
        else:
            inner *= cnp.PyArray_DIM(a, d)
        shape[left] = cnp.PyArray_DIM(a, d)
        left += 1
    what = "min" if least else "max"
    if mid == 0 and outer * inner != 0:
        raise ValueError(f"{what} of no elements: x has shape {shape_of(a)}")
    if mid >= 2**31 and inner > 1:
        raise ValueError(f"{what} over {mid} elements of a column: at most 2**31 - 1")
    cdef cnp.ndarray out = new(left, shape, cnp.PyArray_TYPE(a))
    cdef cnp.ndarray place = new(left, shape, cnp.NPY_INT64)
    cdef const md_kernels *t = kernels(a)
    cdef double start = now()
    with nogil:
        t.extreme(data(out), <int64_t *>data(place), data(a), outer, mid, inner, least)
    if verbose:
        report(what, shape_of(a), start, 0)
    return out, place


# ---- activation.h -----------------------------------------------------------------------------

cdef double number(object value, str name) except? -1:
    """A number that is not NaN, as a double."""
    if not is_number(value):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if value != value:
        raise ValueError(f"{name} must be a number, got {value!r}")
    return value


cdef cnp.ndarray activate(object x, int kind, str name, double a=0, double b=0):
    cdef cnp.ndarray given = real_array(x, "x")
    cdef cnp.ndarray y = new_like(given)
    cdef const md_kernels *t = kernels(given)
    cdef Py_ssize_t n = cnp.PyArray_SIZE(given)
    cdef double start = now()
    with nogil:
        t.activation_forward(data(y), data(given), n, kind, a, b)
    if verbose:
        report(name, shape_of(given), start, 0)
    return y


cdef cnp.ndarray activate_backward(object dout, object saved, str saved_name, int kind, str name,
                                   double a=0, double b=0):
    cdef cnp.ndarray kept = real_array(saved, saved_name)
    cdef cnp.ndarray dy = same_shape(dout, "dout", kept, saved_name)
    cdef cnp.ndarray dx = new_like(kept)
    cdef const md_kernels *t = kernels(kept)
    cdef Py_ssize_t n = cnp.PyArray_SIZE(kept)
    cdef double start = now()
    with nogil:
        t.activation_backward(data(dx), data(dy), data(kept), n, kind, a, b)
    if verbose:
        report(name, shape_of(kept), start, 0)
    return dx


def relu(x):
    """max(x, 0); NaN stays NaN."""
    return activate(x, MD_RELU, "relu")


def relu_backward(dout, y, drop_p=None):
    """dout where the output y of relu is above 0, else 0. drop_p: y is the output of a dropout of
    this rate behind the relu, and what it kept was scaled."""
    cdef double scale = 1 if drop_p is None else scale_of(threshold_of(drop_p))
    return activate_backward(dout, y, "y", MD_RELU, "relu_backward", 0, scale)


def leaky_relu(x, negative_slope=0.01):
    """x above 0, negative_slope * x elsewhere."""
    return activate(x, MD_LEAKY_RELU, "leaky_relu", number(negative_slope, "negative_slope"))


def leaky_relu_backward(dout, x, negative_slope=0.01):
    """The gradient of leaky_relu from its input."""
    return activate_backward(dout, x, "x", MD_LEAKY_RELU, "leaky_relu_backward",
                             number(negative_slope, "negative_slope"))


def elu(x, alpha=1.0, scale=1.0):
    """scale * x above 0, alpha * (e^x - 1) elsewhere."""
    return activate(x, MD_ELU, "elu", number(alpha, "alpha"), number(scale, "scale"))


def elu_backward(dout, x, alpha=1.0, scale=1.0):
    """The gradient of elu from its input."""
    return activate_backward(dout, x, "x", MD_ELU, "elu_backward", number(alpha, "alpha"),
                             number(scale, "scale"))


cdef int gelu_kind(object approximate) except -1:
    if not isinstance(approximate, str) or approximate not in ("none", "tanh"):
        raise ValueError(f"approximate must be 'none' or 'tanh', got {approximate!r}")
    return MD_GELU_TANH if approximate == "tanh" else MD_GELU


def gelu(x, approximate="none"):
    """x times the share of the normal distribution below x. approximate: 'none' or 'tanh'."""
    return activate(x, gelu_kind(approximate), "gelu")


def gelu_backward(dout, x, approximate="none"):
    """The gradient of gelu from its input."""
    return activate_backward(dout, x, "x", gelu_kind(approximate), "gelu_backward")


def silu(x):
    """x * sigmoid(x)."""
    return activate(x, MD_SILU, "silu")


def silu_backward(dout, x):
    """The gradient of silu from its input."""
    return activate_backward(dout, x, "x", MD_SILU, "silu_backward")


def sigmoid(x):
    """1 / (1 + e^-x)."""
    return activate(x, MD_SIGMOID, "sigmoid")


def sigmoid_backward(dout, y):
    """The gradient of sigmoid from its output y: dout y (1 - y)."""
    return activate_backward(dout, y, "y", MD_SIGMOID, "sigmoid_backward")


def tanh(x):
    """The hyperbolic tangent."""
    return activate(x, MD_TANH, "tanh")


def tanh_backward(dout, y):
    """The gradient of tanh from its output y: dout (1 - y^2)."""
    return activate_backward(dout, y, "y", MD_TANH, "tanh_backward")


cdef double sharpness(object beta) except? -1:
    cdef double b = number(beta, "beta")
    if not 0 < b < np.inf:
        raise ValueError(f"beta must be above 0 and finite, got {beta!r}")
    return b


def softplus(x, beta=1.0):
    """log(1 + e^(beta x)) / beta."""
    cdef double b = sharpness(beta)
    return activate(x, MD_SOFTPLUS, "softplus", b, 1 / b)


def softplus_backward(dout, x, beta=1.0):
    """The gradient of softplus from its input: dout sigmoid(beta x)."""
    return activate_backward(dout, x, "x", MD_SOFTPLUS, "softplus_backward", sharpness(beta))


# ---- softmax.h --------------------------------------------------------------------------------

cdef Py_ssize_t leading(cnp.ndarray a, int ndim):
    """How many rows the first ndim dimensions are."""
    cdef Py_ssize_t rows = 1
    cdef int i
    for i in range(ndim):
        rows *= cnp.PyArray_DIM(a, i)
    return rows


def softmax(x, *, bint log=False):
    """e^x over its sum along the last dimension of x (..., cols), or the logarithm of it."""
    cdef cnp.ndarray given = real_array(x, "x")
    cdef int last = cnp.PyArray_NDIM(given) - 1
    if last < 0:
        raise ValueError("x must have at least one dimension, got a scalar")
    cdef Py_ssize_t rows = leading(given, last), cols = cnp.PyArray_DIM(given, last)
    cdef cnp.ndarray y = new_like(given)
    cdef const md_kernels *t = kernels(given)
    cdef double start = now()
    with nogil:
        t.softmax_forward(data(y), data(given), rows, cols, log)
    if verbose:
        report("log_softmax" if log else "softmax", shape_of(given), start, 0)
    return y


def softmax_backward(dout, y, *, bint log=False):
    """The gradient of softmax, or of its logarithm, from its output y (..., cols)."""
    cdef cnp.ndarray kept = real_array(y, "y")
    cdef cnp.ndarray dy = same_shape(dout, "dout", kept, "y")
    cdef int last = cnp.PyArray_NDIM(kept) - 1
    if last < 0:
        raise ValueError("y must have at least one dimension, got a scalar")
    cdef Py_ssize_t rows = leading(kept, last), cols = cnp.PyArray_DIM(kept, last)
    cdef cnp.ndarray dx = new_like(kept)
    cdef const md_kernels *t = kernels(kept)
    cdef double start = now()
    with nogil:
        t.softmax_backward(data(dx), data(dy), data(kept), rows, cols, log)
    if verbose:
        report("softmax_backward", shape_of(kept), start, 0)
    return dx


# ---- loss.h -----------------------------------------------------------------------------------

def class_labels(labels, shape, Py_ssize_t classes):
    """labels as contiguous int64 of `shape`, each from 0 to classes - 1. TypeError unless they are
    integers; ValueError, which names the first bad one and where it is."""
    if not isinstance(labels, cnp.ndarray):
        raise TypeError(f"labels must be an ndarray, got {type(labels).__name__}")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers, got {labels.dtype}")
    if labels.shape != tuple(shape):
        raise ValueError(f"labels must have shape {tuple(shape)}, one for each row of logits, "
                         f"got {labels.shape}")
    cdef cnp.ndarray checked = labels
    if cnp.PyArray_TYPE(checked) != cnp.NPY_INT64 or not cnp.PyArray_ISCARRAY_RO(checked):
        checked = np.require(labels, np.int64, "CA")
    cdef const int64_t *label = <const int64_t *>data(checked)
    cdef Py_ssize_t i, n = cnp.PyArray_SIZE(checked)
    for i in range(n):
        if not 0 <= label[i] < classes:
            place = ", ".join([str(j) for j in np.unravel_index(i, shape)])
            raise ValueError(f"labels[{place}] is {labels.reshape(-1)[i]}, but logits have "
                             f"{classes} classes, 0 to {classes - 1}")
    return checked


cdef double share(object value, str name) except? -1:
    """A number from 0 to 1."""
    cdef double checked = number(value, name)
    if not 0 <= checked <= 1:
        raise ValueError(f"{name} must be from 0 to 1, got {value!r}")
    return checked


def cross_entropy(logits, labels, label_smoothing=0.0, *, double scale=1, bint gradient=True):
    """The losses (...) of logits (..., classes) and integer labels (...), and from the same pass
    (softmax(logits) - target) * scale, or None with gradient=False."""
    cdef cnp.ndarray x = real_array(logits, "logits")
    cdef int last = cnp.PyArray_NDIM(x) - 1
    if last < 0:
        raise ValueError("logits must have shape (..., classes), got a scalar")
    cdef double smoothing = share(label_smoothing, "label_smoothing")
    cdef Py_ssize_t rows = leading(x, last), cols = cnp.PyArray_DIM(x, last)
    cdef cnp.ndarray checked = class_labels(labels, shape_of(x)[:last], cols)
    cdef cnp.ndarray losses = new(last, cnp.PyArray_DIMS(x), cnp.PyArray_TYPE(x))
    dx = new_like(x) if gradient else None
    cdef void *dx_data = data_or_null(dx)
    cdef const md_kernels *t = kernels(x)
    cdef double start = now()
    with nogil:
        t.cross_entropy(data(losses), dx_data, data(x), <const int64_t *>data(checked), rows, cols,
                        smoothing, scale)
    if verbose:
        report("cross_entropy", shape_of(x), start, 0)
    return losses, dx


cdef cnp.ndarray binary_loss(object logits, object target, bint slope):
    cdef cnp.ndarray x = real_array(logits, "logits")
    cdef cnp.ndarray z = same_shape(target, "target", x, "logits")
    cdef cnp.ndarray out = new_like(x)
    cdef const md_kernels *t = kernels(x)
    cdef Py_ssize_t n = cnp.PyArray_SIZE(x)
    cdef double start = now()
    with nogil:
        if slope:
            t.binary_cross_entropy_slope(data(out), data(x), data(z), n)
        else:
            t.binary_cross_entropy(data(out), data(x), data(z), n)
    if verbose:
        report("binary_cross_entropy", shape_of(x), start, 0)
    return out


def binary_cross_entropy(logits, target):
    """log(1 + e^logits) - target * logits, elementwise."""
    return binary_loss(logits, target, False)


def binary_cross_entropy_slope(logits, target):
    """Its derivative by the logits, sigmoid(logits) - target."""
    return binary_loss(logits, target, True)


# ---- batch_norm.h -----------------------------------------------------------------------------

cdef cnp.ndarray channel_vector(object a, str name, cnp.ndarray x, Py_ssize_t c):
    """An array of one number for each of the c channels of x."""
    cdef cnp.ndarray v = same_type(a, name, x, "x", 1)
    if cnp.PyArray_DIM(v, 0) != c:
        raise ValueError(f"{name} must have shape ({c},) for x {shape_of(x)}, got {shape_of(v)}")
    return v


cdef cnp.ndarray channels_last(object x):
    cdef cnp.ndarray a = real_array(x, "x")
    if cnp.PyArray_NDIM(a) < 2:
        raise ValueError(f"x must have shape (..., channels), of two dimensions or more, "
                         f"got {shape_of(a)}")
    return a


cdef double small_number(object eps) except? -1:
    cdef double checked = number(eps, "eps")
    if not 0 <= checked < np.inf:
        raise ValueError(f"eps must be at least 0 and finite, got {eps!r}")
    return checked


def running_statistics(mean, var, x, momentum, *, bint training):
    """mean and var, ndarrays (channels,) for x (..., channels), checked: to be moved in place in
    training, where they may be None (then None is returned), and read otherwise."""
    cdef cnp.ndarray a = channels_last(x)
    cdef Py_ssize_t c = cnp.PyArray_DIM(a, cnp.PyArray_NDIM(a) - 1)
    share(momentum, "momentum")
    if mean is None and var is None and training:
        return None
    for name, running in (("running_mean", mean), ("running_var", var)):
        if running is None:
            raise ValueError(f"{name} is None: running_mean and running_var must both be given"
                             + (", or neither" if training else " with training=False"))
        channel_vector(running, name, a, c)
        if training and not running.flags.writeable:
            raise ValueError(f"{name} must be writable with training=True, it is read-only")
    return mean, var


def batch_statistics(x):
    """The mean and the biased variance of each channel of x (..., channels). ValueError where there
    is one value a channel: its variance says nothing."""
    cdef cnp.ndarray a = channels_last(x)
    cdef int last = cnp.PyArray_NDIM(a) - 1
    cdef Py_ssize_t rows = leading(a, last), c = cnp.PyArray_DIM(a, last)
    if rows == 1:
        raise ValueError("Expected more than 1 value per channel when training, got x of shape "
                         f"{shape_of(a)}")
    cdef cnp.ndarray mean = new1(c, cnp.PyArray_TYPE(a))
    cdef cnp.ndarray var = new1(c, cnp.PyArray_TYPE(a))
    cdef const md_kernels *t = kernels(a)
    cdef void *scratch = take(t.norm_scratch(rows, c), item_size(a))
    cdef double start = now()
    with nogil:
        t.batch_statistics(data(mean), data(var), data(a), rows, c, scratch)
    give_back(scratch)
    if verbose:
        report("batch_statistics", shape_of(a), start, 0)
    return mean, var


def move_statistics(running_mean, running_var, mean, var, Py_ssize_t count, double momentum):
    """Move the running statistics, in place, towards those of a batch of `count` values a channel:
    running = (1 - momentum) running + momentum new, of the variance the unbiased one. All of them
    are what running_statistics and batch_statistics gave."""
    move(running_mean, mean, momentum, 1)
    move(running_var, var, momentum, count / <double>(count - 1))


cdef void move(cnp.ndarray running, cnp.ndarray batch, double momentum, double times) except *:
    cdef cnp.ndarray moved = real_array(running, "running")  # a copy where it is not contiguous
    cdef const md_kernels *t = kernels(moved)
    cdef Py_ssize_t c = cnp.PyArray_SIZE(moved)
    with nogil:
        t.move_statistics(data(moved), data(batch), c, momentum, times)
    if moved is not running:
        running[...] = moved


def batch_norm(x, running_mean, running_var, weight=None, bias=None, eps=1e-5, *, bint relu=False):
    """(x - mean) / sqrt(var + eps) * weight + bias [then relu]: x (..., channels), the others
    (channels,). In training mean and var are those of batch_statistics."""
    cdef cnp.ndarray a = channels_last(x)
    cdef int last = cnp.PyArray_NDIM(a) - 1
    cdef Py_ssize_t rows = leading(a, last), c = cnp.PyArray_DIM(a, last)
    cdef cnp.ndarray mean = channel_vector(running_mean, "running_mean", a, c)
    cdef cnp.ndarray var = channel_vector(running_var, "running_var", a, c)
    weight = None if weight is None else channel_vector(weight, "weight", a, c)
    bias = None if bias is None else channel_vector(bias, "bias", a, c)
    cdef double small = small_number(eps)
    cdef cnp.ndarray y = new_like(a)
    cdef const md_kernels *t = kernels(a)
    cdef void *weight_data = data_or_null(weight)
    cdef void *bias_data = data_or_null(bias)
    cdef void *scratch = take(t.norm_scratch(rows, c), item_size(a))
    cdef double start = now()
    with nogil:
        t.batch_norm_forward(data(y), data(a), data(mean), data(var), weight_data, bias_data, rows,
                             c, small, relu, scratch)
    give_back(scratch)
    if verbose:
        report("batch_norm", shape_of(a), start, 0)
    return y


def batch_norm_backward(dout, x, mean, var, weight=None, eps=1e-5, *, bint training=True,
                        bint want_dx=True, bint relu=False, bias=None):
    """The gradients (dx or None, dweight, dbias) of batch_norm. training: mean and var are those of
    x, so that the gradient goes through them. relu: of a call with relu=True and this bias."""
    cdef cnp.ndarray a = channels_last(x)
    cdef cnp.ndarray dy = same_shape(dout, "dout", a, "x")
    cdef int last = cnp.PyArray_NDIM(a) - 1, type_number = cnp.PyArray_TYPE(a)
    cdef Py_ssize_t rows = leading(a, last), c = cnp.PyArray_DIM(a, last)
    cdef cnp.ndarray middle = channel_vector(mean, "mean", a, c)
    cdef cnp.ndarray spread = channel_vector(var, "var", a, c)
    weight = None if weight is None else channel_vector(weight, "weight", a, c)
    bias = None if bias is None else channel_vector(bias, "bias", a, c)
    cdef double small = small_number(eps)
    dx = new_like(a) if want_dx else None
    cdef cnp.ndarray dweight = new1(c, type_number), dbias = new1(c, type_number)
    cdef const md_kernels *t = kernels(a)
    cdef void *dx_data = data_or_null(dx)
    cdef void *weight_data = data_or_null(weight)
    cdef void *bias_data = data_or_null(bias)
    cdef void *scratch = take(t.norm_scratch(rows, c), item_size(a))
    cdef double start = now()
    with nogil:
        t.batch_norm_backward(dx_data, data(dweight), data(dbias), data(dy), data(a), data(middle),
                              data(spread), weight_data, bias_data, rows, c, small, training, relu,
                              scratch)
    give_back(scratch)
    if verbose:
        report("batch_norm_backward", shape_of(a), start, 0)
    return dx, dweight, dbias


# ---- layer_norm.h -----------------------------------------------------------------------------

cdef Py_ssize_t row_size(cnp.ndarray x, tuple normalized_shape) except -1:
    """How many elements of x a row of normalized_shape has: the last dimensions of x."""
    cdef int ndim = cnp.PyArray_NDIM(x), trailing = len(normalized_shape)
    if trailing == 0 or trailing > ndim or shape_of(x)[ndim - trailing:] != normalized_shape:
        raise ValueError(f"normalized_shape {normalized_shape} must be the last dimensions of x "
                         f"{shape_of(x)}")
    cdef Py_ssize_t cols = 1
    for size in normalized_shape:
        cols *= size
    return cols


cdef cnp.ndarray row_parameter(object a, str name, cnp.ndarray x, tuple normalized_shape):
    cdef cnp.ndarray p = same_type(a, name, x, "x")
    if shape_of(p) != normalized_shape:
        raise ValueError(f"{name} must have shape {normalized_shape}, got {shape_of(p)}")
    return p


def layer_norm(x, tuple normalized_shape, weight=None, bias=None, eps=1e-5):
    """y (as x), mean and 1 / sqrt(var + eps) of every row: y = (x - mean) inverse weight + bias.
    normalized_shape: the last dimensions of x, and the shape of weight and bias."""
    cdef cnp.ndarray a = real_array(x, "x")
    cdef Py_ssize_t cols = row_size(a, normalized_shape)
    cdef int ndim = cnp.PyArray_NDIM(a) - <int>len(normalized_shape)
    cdef Py_ssize_t rows = leading(a, ndim)
    weight = None if weight is None else row_parameter(weight, "weight", a, normalized_shape)
    bias = None if bias is None else row_parameter(bias, "bias", a, normalized_shape)
    cdef double small = small_number(eps)
    cdef cnp.ndarray y = new_like(a)
    cdef cnp.ndarray mean = new1(rows, cnp.PyArray_TYPE(a))
    cdef cnp.ndarray inverse = new1(rows, cnp.PyArray_TYPE(a))
    cdef const md_kernels *t = kernels(a)
    cdef void *weight_data = data_or_null(weight)
    cdef void *bias_data = data_or_null(bias)
    cdef double start = now()
    with nogil:
        t.layer_norm_forward(data(y), data(mean), data(inverse), data(a), weight_data, bias_data,
                             rows, cols, small)
    if verbose:
        report("layer_norm", shape_of(a), start, 0)
    return y, mean, inverse


def layer_norm_backward(dout, x, tuple normalized_shape, mean, inverse, weight=None, *,
                        bint want_parameters=True):
    """The gradients (dx, dweight, dbias) of layer_norm, the last two None where not wanted. mean,
    inverse: what it returned."""
    cdef cnp.ndarray a = real_array(x, "x")
    cdef cnp.ndarray dy = same_shape(dout, "dout", a, "x")
    cdef Py_ssize_t cols = row_size(a, normalized_shape)
    cdef int ndim = cnp.PyArray_NDIM(a) - <int>len(normalized_shape)
    cdef Py_ssize_t rows = leading(a, ndim)
    cdef cnp.ndarray middle = channel_vector(mean, "mean", a, rows)
    cdef cnp.ndarray scale = channel_vector(inverse, "inverse", a, rows)
    weight = None if weight is None else row_parameter(weight, "weight", a, normalized_shape)
    cdef cnp.ndarray dx = new_like(a)
    dweight = dbias = None
    if want_parameters:
        dweight = empty(normalized_shape, a.dtype)
        dbias = empty(normalized_shape, a.dtype)
    cdef const md_kernels *t = kernels(a)
    cdef void *weight_data = data_or_null(weight)
    cdef void *dweight_data = data_or_null(dweight)
    cdef void *dbias_data = data_or_null(dbias)
    cdef void *scratch = NULL
    if want_parameters:
        scratch = take(t.layer_norm_scratch(rows, cols), item_size(a))
    cdef double start = now()
    with nogil:
        t.layer_norm_backward(data(dx), dweight_data, dbias_data, data(dy), data(a), data(middle),
                              data(scale), weight_data, rows, cols, scratch)
    give_back(scratch)
    if verbose:
        report("layer_norm_backward", shape_of(a), start, 0)
    return dx, dweight, dbias


# ---- pool.h -----------------------------------------------------------------------------------

cdef md_pool pool_geometry(tuple x, object kernel, object stride, object padding) except *:
    """Windows over x (n, h, w, c), checked; stride None: that of the kernel."""
    cdef md_pool g = pool_input(x)
    g.kh, g.kw = pair(kernel, "kernel_size", 1)
    g.stride_h, g.stride_w = pair(kernel if stride is None else stride, "stride", 1)
    g.pad_h, g.pad_w = pair(padding, "padding", 0)
    if 2 * g.pad_h > g.kh or 2 * g.pad_w > g.kw:
        raise ValueError(f"padding must be at most half of the kernel ({g.kh}, {g.kw}), "
                         f"got ({g.pad_h}, {g.pad_w})")
    if g.h + 2 * g.pad_h < g.kh or g.w + 2 * g.pad_w < g.kw:
        raise ValueError(f"kernel_size ({g.kh}, {g.kw}) is more than x {x} has with padding "
                         f"({g.pad_h}, {g.pad_w})")
    g.oh = (g.h + 2 * g.pad_h - g.kh) // g.stride_h + 1
    g.ow = (g.w + 2 * g.pad_w - g.kw) // g.stride_w + 1
    if g.kh * g.kw >= 2**31:
        raise ValueError(f"kernel_size must have fewer than 2**31 pixels, got ({g.kh}, {g.kw})")
    g.wide = g.kh * g.kw > 256
    return g


cdef md_pool adaptive_geometry(tuple x, object output_size) except *:
    """As many windows over x (n, h, w, c) as asked for; None for as many as pixels."""
    cdef md_pool g = pool_input(x)
    if not isinstance(output_size, (tuple, list)):
        output_size = output_size, output_size
    if len(output_size) != 2:
        raise ValueError(f"output_size must be an int, None, or two of them, got {output_size!r}")
    g.oh = g.h if output_size[0] is None else geometry(output_size[0], "output_size", 1)
    g.ow = g.w if output_size[1] is None else geometry(output_size[1], "output_size", 1)
    checked_product(checked_product(g.oh, g.ow), checked_product(g.n, g.c))
    g.kh = g.kw = g.stride_h = g.stride_w = g.pad_h = g.pad_w = 0
    g.wide = 0
    return g


cdef md_pool pool_input(tuple x) except *:
    cdef md_pool g
    if len(x) != 4:
        raise ValueError(f"x must have shape (n, height, width, channels), got {x}")
    g.n, g.h, g.w, g.c = x
    if g.h < 1 or g.w < 1:
        raise ValueError(f"x must have a height and width of at least 1, got shape {x}")
    return g


cdef int expect_pooled(cnp.ndarray a, str name, const md_pool *g) except -1:
    expected = (g.n, g.oh, g.ow, g.c)
    if shape_of(a) != expected:
        raise ValueError(f"{name} must have shape {expected}, got {shape_of(a)}")
    return 0


def max_pool2d_forward(x, kernel_size, stride=None, padding=0):
    """(y, arg): the largest of each window of x (n, h, w, c), and its place in the window, row * kw
    + column, as uint8 (uint32 for windows of more than 256 pixels). NaN is larger than anything."""
    cdef cnp.ndarray image = real_array(x, "x")
    cdef md_pool g = pool_geometry(shape_of(image), kernel_size, stride, padding)
    cdef cnp.ndarray y = new4(g.n, g.oh, g.ow, g.c, cnp.PyArray_TYPE(image))
    cdef cnp.ndarray arg = new4(g.n, g.oh, g.ow, g.c, cnp.NPY_UINT32 if g.wide else cnp.NPY_UINT8)
    cdef const md_kernels *t = kernels(image)
    cdef double start = now()
    with nogil:
        t.max_pool2d_forward(data(y), data(arg), data(image), &g)
    if verbose:
        report("max_pool2d_forward", (shape_of(image), kernel_size), start, 0)
    return y, arg


def max_pool2d_backward(dy, arg, x_shape, kernel_size, stride=None, padding=0):
    """The gradient of x, of shape x_shape, from dy and arg (n, oh, ow, c)."""
    cdef cnp.ndarray gradient = real_array(dy, "dy")
    cdef md_pool g = pool_geometry(tuple(x_shape), kernel_size, stride, padding)
    expect_pooled(gradient, "dy", &g)
    expected = np.uint32 if g.wide else np.uint8
    if not isinstance(arg, cnp.ndarray) or arg.dtype != expected or not arg.flags.c_contiguous:
        raise TypeError(f"arg must be a contiguous {expected.__name__} array, got "
                        f"{getattr(arg, 'dtype', type(arg).__name__)}")
    cdef cnp.ndarray places = arg
    expect_pooled(places, "arg", &g)
    cdef cnp.ndarray dx = new4(g.n, g.h, g.w, g.c, cnp.PyArray_TYPE(gradient))
    cdef const md_kernels *t = kernels(gradient)
    cdef double start = now()
    with nogil:
        t.max_pool2d_backward(data(dx), data(gradient), data(places), &g)
    if verbose:
        report("max_pool2d_backward", (tuple(x_shape), kernel_size), start, 0)
    return dx


def avg_pool2d_forward(x, kernel_size, stride=None, padding=0):
    """The mean of each window of x (n, h, w, c), padding counted as zeros."""
    cdef cnp.ndarray image = real_array(x, "x")
    cdef md_pool g = pool_geometry(shape_of(image), kernel_size, stride, padding)
    return pool_mean(image, &g)


def avg_pool2d_backward(dy, x_shape, kernel_size, stride=None, padding=0):
    """The gradient of x, of shape x_shape, from dy (n, oh, ow, c)."""
    cdef cnp.ndarray gradient = real_array(dy, "dy")
    cdef md_pool g = pool_geometry(tuple(x_shape), kernel_size, stride, padding)
    return pool_mean_gradient(gradient, &g)


def adaptive_avg_pool2d_forward(x, output_size):
    """The means of windows that divide x (n, h, w, c) evenly into (n, *output_size, c)."""
    cdef cnp.ndarray image = real_array(x, "x")
    cdef md_pool g = adaptive_geometry(shape_of(image), output_size)
    return pool_mean(image, &g)


def adaptive_avg_pool2d_backward(dy, x_shape, output_size):
    """The gradient of x, of shape x_shape, from dy (n, *output_size, c)."""
    cdef cnp.ndarray gradient = real_array(dy, "dy")
    cdef md_pool g = adaptive_geometry(tuple(x_shape), output_size)
    return pool_mean_gradient(gradient, &g)


cdef cnp.ndarray pool_mean(cnp.ndarray x, const md_pool *g):
    cdef cnp.ndarray y = new4(g.n, g.oh, g.ow, g.c, cnp.PyArray_TYPE(x))
    cdef const md_kernels *t = kernels(x)
    cdef double start = now()
    with nogil:
        t.avg_pool2d_forward(data(y), data(x), g)
    if verbose:
        report("avg_pool2d_forward", (shape_of(x), shape_of(y)), start, 0)
    return y


cdef cnp.ndarray pool_mean_gradient(cnp.ndarray dy, const md_pool *g):
    expect_pooled(dy, "dy", g)
    cdef cnp.ndarray dx = new4(g.n, g.h, g.w, g.c, cnp.PyArray_TYPE(dy))
    cdef const md_kernels *t = kernels(dy)
    cdef double start = now()
    with nogil:
        t.avg_pool2d_backward(data(dx), data(dy), g)
    if verbose:
        report("avg_pool2d_backward", (shape_of(dx), shape_of(dy)), start, 0)
    return dx


# ---- mask.h -----------------------------------------------------------------------------------

def check_p(p, str name="p"):
    """p, the probability to drop, as a float. TypeError unless it is a number, ValueError unless it
    is in [0, 1]."""
    if not is_number(p):
        raise TypeError(f"{name} must be a number in [0, 1], got {p!r}")
    if not 0 <= p <= 1:
        raise ValueError(f"{name} must be in [0, 1], got {p!r}")
    return float(p)


def check_mask(mask):
    """mask, how a mask comes back in backward: "bits" or "recompute". ValueError for others."""
    if mask != "bits" and mask != "recompute":
        raise ValueError(f'mask must be "bits" or "recompute", got {mask!r}')
    return mask


def check_mode(mode):
    """mode, which pass is scaled: "inverted" (training) or "standard" (eval). ValueError for
    others."""
    if mode != "inverted" and mode != "standard":
        raise ValueError(f'mode must be "inverted" or "standard", got {mode!r}')
    return mode


cdef uint64_t threshold_of(object p) except? 0:
    """2^32 times the probability to keep, rounded (half to even)."""
    return <uint64_t>rint((1.0 - <double>check_p(p)) * 4294967296.0)


def keep_of(p):
    """The probability to keep that masks have: 1 - p rounded to a multiple of 2**-32."""
    return threshold_of(p) / 4294967296.0


cdef uint64_t word64(object value, str name) except? 0:
    """value, a part of a random address. TypeError unless it is an int, ValueError unless it has
    64 bits."""
    if not is_int(value):
        raise TypeError(f"{name} must be an int, got {value!r}")
    try:
        return value
    except OverflowError:
        raise ValueError(f"{name} must be in [0, 2**64), got {value}") from None


def check_word(value, str name):
    """word64, as a Python int."""
    return word64(value, name)


def check_address(seed, stream, call):
    """The three words of an address, as Python ints."""
    return word64(seed, "seed"), word64(stream, "stream"), word64(call, "call")


cdef md_stream stream_of(object seed, object stream, object call) except *:
    cdef md_stream s
    s.seed = word64(seed, "seed")
    s.stream = word64(stream, "stream")
    s.call = word64(call, "call")
    s.domain = 0
    return s


cdef uint64_t first_of(object first, str name, Py_ssize_t n) except? 0:
    """The index of the first of n elements of a stream, none of them beyond 2**60."""
    cdef uint64_t index = word64(first, name)
    if index > (<uint64_t>1 << 60) - <uint64_t>n:
        raise ValueError(f"{name} must be at most 2**60 - {n}, got {first}")
    return index


cdef Py_ssize_t count_of(object n) except? -1:
    if not is_int(n):
        raise TypeError(f"n must be an int, got {n!r}")
    if not 0 <= n <= 2**48:
        raise ValueError(f"n must be from 0 to 2**48, got {n}")
    return n


def mask_bits(n, p, seed, stream=0, call=0, first=0):
    """Whether each of n mask elements, from element `first` on, is kept, with probability 1 - p: a
    uint32 array of ceil(n / 32) words. Element first + i is bit i % 32 of word i // 32."""
    cdef Py_ssize_t count = count_of(n)
    cdef uint64_t threshold = threshold_of(p), start = first_of(first, "first", count)
    cdef md_stream s = stream_of(seed, stream, call)
    cdef cnp.ndarray bits = new1((count + 31) // 32, cnp.NPY_UINT32)
    cdef const md_kernels *t = md_table(0)
    cdef double began = now()
    with nogil:
        t.mask_bits(<uint32_t *>data(bits), count, &s, start, threshold)
    if verbose:
        report("mask_bits", (n,), began, 0)
    return bits


def random_words(n, seed, stream=0, call=0, first=0, *, domain=0):
    """n random words of 32 bits, from word `first` of the stream on: a uint32 array. domain keeps
    kinds of numbers apart, below 2**32; 0 is for masks."""
    cdef Py_ssize_t count = count_of(n)
    cdef uint64_t start = first_of(first, "first", count)
    cdef md_stream s = stream_of(seed, stream, call)
    if word64(domain, "domain") >> 32:
        raise ValueError(f"domain must be in [0, 2**32), got {domain}")
    s.domain = domain
    cdef cnp.ndarray words = new1(count, cnp.NPY_UINT32)
    cdef const md_kernels *t = md_table(0)
    with nogil:
        t.random_words(<uint32_t *>data(words), count, &s, start)
    return words


cdef inline double scale_of(uint64_t threshold) noexcept nogil:
    """What keeps the mean."""
    return 4294967296.0 / <double>threshold if threshold else 0


cdef uint32_t *mask_words(object bits, Py_ssize_t rows, Py_ssize_t size) except? NULL:
    """The words of bits, a contiguous uint32 array with a bit for each of `size` elements; `rows`
    of them where there are more."""
    cdef Py_ssize_t words = (size + 31) // 32
    if not isinstance(bits, cnp.ndarray) or bits.dtype != np.uint32 or not bits.flags.c_contiguous:
        raise TypeError("bits must be a contiguous uint32 array, got "
                        f"{getattr(bits, 'dtype', type(bits).__name__)}")
    cdef tuple shape = (rows, words)
    if rows == 0:
        shape = (words,)
    if bits.shape != shape:
        raise ValueError(f"bits must have shape {shape}, got {bits.shape}")
    return <uint32_t *>data(<cnp.ndarray>bits)


# ---- dropout.h --------------------------------------------------------------------------------

cdef md_drop_law law_of(object law, uint64_t threshold) except *:
    cdef md_drop_law out
    out.scale, out.shift, out.dropped = (scale_of(threshold), 0.0, 0.0) if law is None else law
    return out


def dropout_forward(x, p, seed, stream=0, call=0, offset=0, *, bint keep_bits=True, law=None):
    """(y, bits): y = x / (1 - p) where the mask of mask_bits keeps, +0 elsewhere, even for inf and
    NaN; bits as mask_bits has them, or None with keep_bits=False. x has elements `offset` and
    following of the mask, in memory order; 1 - p is rounded to a multiple of 2**-32. law, three
    numbers (scale, shift, dropped): y = x scale + shift where kept, dropped elsewhere."""
    cdef cnp.ndarray a = real_array(x, "x")
    cdef Py_ssize_t n = cnp.PyArray_SIZE(a)
    cdef uint64_t threshold = threshold_of(p), start = first_of(offset, "offset", n)
    cdef md_drop_law values = law_of(law, threshold)
    cdef md_stream s = stream_of(seed, stream, call)
    cdef cnp.ndarray y = new_like(a)
    bits = new1((n + 31) // 32, cnp.NPY_UINT32) if keep_bits else None
    cdef uint32_t *bits_data = <uint32_t *>data_or_null(bits)
    cdef const md_kernels *t = kernels(a)
    cdef double began = now()
    with nogil:
        t.dropout_forward(data(y), bits_data, data(a), n, &s, start, threshold, &values)
    if verbose:
        report("dropout_forward", (shape_of(a), p), began, 0)
    return y, bits


def dropout_samples(x, p, Py_ssize_t samples, seed, stream=0, call=0, offset=0, *,
                    bint expand=True, law=None):
    """`samples` results of dropout_forward in one array, along the first axis, number s of them at
    call + s. Each is of the whole x, or with expand=False of its own of as many equal parts of it;
    mask and law as there."""
    cdef cnp.ndarray a = real_array(x, "x")
    cdef cnp.npy_intp shape[64]  # NumPy's most
    cdef int axis, ndim = cnp.PyArray_NDIM(a)
    if ndim == 0:
        raise ValueError("x must have an axis of samples, got a scalar")
    if samples < 1 or not expand and cnp.PyArray_DIM(a, 0) % samples:
        raise ValueError(
            f"samples must divide the {cnp.PyArray_DIM(a, 0)} rows of x, got {samples}")
    for axis in range(ndim):
        shape[axis] = cnp.PyArray_DIM(a, axis)
    if expand:
        shape[0] = checked_product(samples, shape[0])
    cdef cnp.ndarray y = new(ndim, shape, cnp.PyArray_TYPE(a))
    cdef Py_ssize_t k, n = cnp.PyArray_SIZE(y) // samples
    cdef uint64_t threshold = threshold_of(p), start = first_of(offset, "offset", n)
    cdef md_drop_law values = law_of(law, threshold)
    cdef md_stream s = stream_of(seed, stream, call)
    word64(call + samples - 1, "call")
    cdef const md_kernels *t = kernels(a)
    cdef char *to = <char *>data(y)
    cdef char *source = <char *>data(a)
    cdef size_t part = n * item_size(a)
    with nogil:
        for k in range(samples):
            t.dropout_forward(to, NULL, source, n, &s, start, threshold, &values)
            s.call += 1
            to += part
            if not expand:
                source += part
    return y


def drop_in_place(cnp.ndarray y, p, seed, stream, call, offset):
    """dropout_forward of y into y itself, a new array that nobody else has seen."""
    cdef Py_ssize_t n = cnp.PyArray_SIZE(y)
    cdef uint64_t threshold = threshold_of(p), start = first_of(offset, "offset", n)
    cdef md_drop_law values = law_of(None, threshold)
    cdef md_stream s = stream_of(seed, stream, call)
    cdef const md_kernels *t = kernels(y)
    with nogil:
        t.dropout_forward(data(y), NULL, data(y), n, &s, start, threshold, &values)


def dropout_backward(dout, bits, p, *, scale=None):
    """dx = dout scale where a bit is 1, +0 elsewhere; scale=None is 1 / (1 - p). bits: as
    dropout_forward gave them."""
    cdef cnp.ndarray a = real_array(dout, "dout")
    cdef Py_ssize_t n = cnp.PyArray_SIZE(a)
    cdef double factor = scale_of(threshold_of(p)) if scale is None else scale
    cdef const uint32_t *words = mask_words(bits, 0, n)
    cdef cnp.ndarray dx = new_like(a)
    cdef const md_kernels *t = kernels(a)
    cdef double began = now()
    with nogil:
        t.dropout_backward(data(dx), data(a), words, n, factor)
    if verbose:
        report("dropout_backward", (shape_of(a), p), began, 0)
    return dx


# ---- shared_mask.h ----------------------------------------------------------------------------

def shared_mask(x, bits, shared, law):
    """y = x scale + shift where the bit of an element is 1, dropped elsewhere, even for inf, NaN.
    law: (scale, shift, dropped). shared: which axes of x the mask has not, as ints of 0 or more;
    bits: those of mask_bits, one for each combination of the other axes."""
    cdef cnp.ndarray a = real_array(x, "x")
    cdef md_broadcast s
    cdef Py_ssize_t size, count = 1
    cdef bint kept, before = False
    cdef int i
    s.ndim = 0
    for i in range(cnp.PyArray_NDIM(a) - 1, -1, -1):
        size, kept = cnp.PyArray_DIM(a, i), i not in shared
        if size != 1 and s.ndim and kept == before:          # one axis with the last
            s.size[s.ndim - 1] *= size
        elif size != 1:
            s.size[s.ndim], s.step[0][s.ndim] = size, count if kept else 0
            s.ndim += 1
            before = kept
        if kept:
            count *= size
    if s.ndim == 0:
        s.ndim, s.size[0], s.step[0][0] = 1, 1, 0
    cdef const uint32_t *words = mask_words(bits, 0, count)
    cdef md_drop_law values = law_of(law, 0)
    cdef cnp.ndarray y = new_like(a)
    cdef const md_kernels *t = kernels(a)
    cdef double began = now()
    with nogil:
        t.shared_mask(data(y), data(a), words, &s, &values)
    if verbose:
        report("shared_mask", (shape_of(a), shared), began, 0)
    return y


# ---- gaussian.h -------------------------------------------------------------------------------

cdef enum:
    GAUSSIAN_DOMAIN = 9  # of its random words: see random.py

def gaussian(x, double std, bint multiply, seed, stream=0, call=0, offset=0):
    """y = x (1 + std z), or x + std z with multiply=False, for standard normal z of rng.h. x has
    elements `offset` and following of them, in memory order."""
    cdef cnp.ndarray a = real_array(x, "x")
    cdef Py_ssize_t n = cnp.PyArray_SIZE(a)
    cdef uint64_t start = first_of(offset, "offset", n)
    cdef md_stream s = stream_of(seed, stream, call)
    s.domain = GAUSSIAN_DOMAIN
    if not 0 <= std < INFINITY:
        raise ValueError(f"std must be a finite number of 0 or more, got {std}")
    cdef cnp.ndarray y = new_like(a)
    cdef const md_kernels *t = kernels(a)
    cdef double began = now()
    with nogil:
        t.gaussian(data(y), data(a), n, std, multiply, &s, start)
    if verbose:
        report("gaussian", (shape_of(a), std), began, 0)
    return y


# ---- drop_connect.h, and matmul_masked of matmul.h ----------------------------------------------

def matmul_masked(a, b, bits, p, bias=None, *, trans="NN"):
    """matmul of a and what dropout_backward(b, bits, p) would give, which never stands in memory.
    bits: those of mask_bits for b as it is stored. Returns (m, n)."""
    cdef cnp.ndarray x = real_array(a, "a", 2)
    cdef cnp.ndarray y = same_type(b, "b", x, "a", 2)
    cdef Py_ssize_t m, n, k
    cdef int form = product_of(x, y, trans, &m, &n, &k)
    if bias is not None:
        bias = row_vector(bias, "bias", x, "a", n)
    cdef double scale = scale_of(threshold_of(p))
    cdef const uint32_t *words = mask_words(bits, 0, cnp.PyArray_SIZE(y))
    cdef cnp.ndarray c = new2(m, n, cnp.PyArray_TYPE(x))
    cdef const md_kernels *t = kernels(x)
    cdef void *scratch = take(t.matmul_scratch(m, n, k, form, True), item_size(x))
    cdef void *bias_data = data_or_null(bias)
    cdef double start = now()
    with nogil:
        t.matmul_masked(data(c), data(x), data(y), words, scale, bias_data, m, n, k, form, scratch)
    give_back(scratch)
    if verbose:
        report(f"matmul_masked {trans}", (m, k, n), start, 2.0 * m * n * k)
    return c


cdef uint64_t first_of_sample(object offset, Py_ssize_t samples, Py_ssize_t size) except? 0:
    """The index of the first mask element of sample `offset` of the whole batch, of which `samples`
    follow, `size` elements each."""
    cdef Py_ssize_t count = checked_product(samples, size)
    return first_of(check_word(offset, "offset") * size, "offset * elements of a sample", count)


def drop_connect_forward(x, w, bias, p, seed, stream=0, call=0, offset=0, *, bint keep_bits=True,
                         bint want_y=True):
    """(y, bits): y[i] = x[i] w_i [+ bias], w_i = w / (1 - p) where the mask of sample i keeps, 0
    elsewhere. x (m, k), w (k, n), bias (n,) or None. offset: how many samples stand before x in the
    whole batch; sample i has elements (offset + i) k n and following of the mask. bits: a row of
    uint32 for each sample. Each is None where it is not wanted."""
    cdef cnp.ndarray a = real_array(x, "x", 2)
    cdef cnp.ndarray b = same_type(w, "w", a, "x", 2)
    cdef Py_ssize_t m = cnp.PyArray_DIM(a, 0), k = cnp.PyArray_DIM(a, 1)
    cdef Py_ssize_t n = cnp.PyArray_DIM(b, 1)
    if cnp.PyArray_DIM(b, 0) != k:
        raise ValueError(f"inner sizes differ: x {shape_of(a)}, w {shape_of(b)}")
    if bias is not None:
        bias = row_vector(bias, "bias", a, "x", n)
    cdef uint64_t threshold = threshold_of(p), first = first_of_sample(offset, m, n * k)
    cdef md_stream s = stream_of(seed, stream, call)
    y = new2(m, n, cnp.PyArray_TYPE(a)) if want_y else None
    bits = new2(m, (n * k + 31) // 32, cnp.NPY_UINT32) if keep_bits else None
    cdef void *y_data = data_or_null(y)
    cdef void *bias_data = data_or_null(bias)
    cdef uint32_t *bits_data = <uint32_t *>data_or_null(bits)
    cdef const md_kernels *t = kernels(a)
    cdef double began = now()
    with nogil:
        t.drop_connect_forward(y_data, bits_data, data(a), data(b), bias_data, m, n, k, &s, first,
                               threshold, scale_of(threshold))
    if verbose:
        report("drop_connect_forward", (m, k, n), began, 2.0 * m * n * k)
    return y, bits


def drop_connect_backward(dout, x, w, bits, p, *, bint want_dx=True, bint want_dw=True):
    """(dx, dw) from dout (m, n) and the bits of drop_connect_forward; each None if not wanted."""
    cdef cnp.ndarray a = real_array(x, "x", 2)
    cdef cnp.ndarray b = same_type(w, "w", a, "x", 2)
    cdef cnp.ndarray dy = same_type(dout, "dout", a, "x", 2)
    cdef Py_ssize_t m = cnp.PyArray_DIM(a, 0), k = cnp.PyArray_DIM(a, 1)
    cdef Py_ssize_t n = cnp.PyArray_DIM(b, 1)
    if cnp.PyArray_DIM(b, 0) != k or shape_of(dy) != (m, n):
        raise ValueError(f"dout {shape_of(dy)}, x {shape_of(a)} and w {shape_of(b)} do not fit")
    cdef double scale = scale_of(threshold_of(p))
    cdef uint32_t *words = mask_words(bits, m, n * k) if m else NULL
    dx = new_like(a) if want_dx else None
    dw = new_like(b) if want_dw else None
    cdef void *dx_data = data_or_null(dx)
    cdef void *dw_data = data_or_null(dw)
    cdef const md_kernels *t = kernels(a)
    cdef double began = now()
    with nogil:
        t.drop_connect_backward(dx_data, dw_data, data(dy), data(a), data(b), words, m, n, k, scale)
    if verbose:
        report("drop_connect_backward", (m, k, n), began, 2.0 * m * n * k * (want_dx + want_dw))
    return dx, dw


# ---- zoneout.h --------------------------------------------------------------------------------

def zoneout_forward(new_state, old_state, p, seed, stream=0, call=0, offset=0, *,
                    bint keep_bits=True):
    """(y, bits): y = new_state where the mask of mask_bits keeps, old_state elsewhere, even for inf
    and NaN; bits as mask_bits has them, or None. Both have elements `offset` and following."""
    cdef cnp.ndarray fresh = real_array(new_state, "new_state")
    cdef cnp.ndarray old = same_shape(old_state, "old_state", fresh, "new_state")
    cdef Py_ssize_t n = cnp.PyArray_SIZE(fresh)
    cdef uint64_t threshold = threshold_of(p), start = first_of(offset, "offset", n)
    cdef md_stream s = stream_of(seed, stream, call)
    cdef cnp.ndarray y = new_like(fresh)
    bits = new1((n + 31) // 32, cnp.NPY_UINT32) if keep_bits else None
    cdef uint32_t *bits_data = <uint32_t *>data_or_null(bits)
    cdef const md_kernels *t = kernels(fresh)
    cdef double began = now()
    with nogil:
        t.zoneout_forward(data(y), bits_data, data(fresh), data(old), n, &s, start, threshold)
    if verbose:
        report("zoneout_forward", (shape_of(fresh), p), began, 0)
    return y, bits


def zoneout_backward(dout, bits, *, bint want_new=True, bint want_old=True):
    """(dnew, dold): dout where a bit is 1, and where it is 0; +0 elsewhere. Each None where it is
    not wanted. bits: as zoneout_forward gave them."""
    cdef cnp.ndarray a = real_array(dout, "dout")
    cdef Py_ssize_t n = cnp.PyArray_SIZE(a)
    cdef uint32_t *words = mask_words(bits, 0, n)
    dnew = new_like(a) if want_new else None
    dold = new_like(a) if want_old else None
    cdef void *new_data = data_or_null(dnew)
    cdef void *old_data = data_or_null(dold)
    cdef const md_kernels *t = kernels(a)
    cdef double began = now()
    with nogil:
        t.zoneout_backward(new_data, old_data, data(a), words, n)
    if verbose:
        report("zoneout_backward", (shape_of(a),), began, 0)
    return dnew, dold


# ---- drop_block.h -----------------------------------------------------------------------------

def check_size(value, str name):
    """value as an int from 1 to 2**31; TypeError or ValueError, with the name, for others."""
    return geometry(value, name, 1)


cdef md_blocks blocks_of(cnp.ndarray x, object block_size, bint shared) except *:
    cdef md_blocks g
    g.block = geometry(block_size, "block_size", 1)
    g.n, g.h, g.w, g.c = shape_of(x)
    g.shared = shared
    if cnp.PyArray_SIZE(x) and g.block > min(g.h, g.w):
        raise ValueError(f"block_size must be at most the height and width of x, {shape_of(x)}, "
                         f"got {block_size}")
    return g


cdef tuple blocks_shape(const md_blocks *g):
    """The shape of the bits."""
    return g.n, g.h, (g.w * (1 if g.shared else g.c) + 31) // 32


def drop_block_forward(x, seed_p, block_size, seed, stream=0, call=0, offset=0, *,
                       bint shared=False, bint want_y=True):
    """(y, bits, scales) for x (n, h, w, c): 0 where a block lies, elsewhere x scales[sample], and
    scales (n,) = masked elements / kept ones of a sample (0 where none is kept).

    seed_p: the probability that a place is the upper left corner of a block of block_size x
    block_size pixels; the places are those where a block fits. shared: one mask for all channels.
    offset: how many samples stand before x in the whole batch. bits: uint32 (n, h, words), 1 where
    kept, each row of pixels from a word on. y is None with want_y=False."""
    cdef cnp.ndarray a = real_array(x, "x", 4)
    cdef md_blocks g = blocks_of(a, block_size, shared)
    cdef uint64_t threshold = threshold_of(seed_p)
    cdef Py_ssize_t seeds = 0
    if cnp.PyArray_SIZE(a):
        seeds = (g.h - g.block + 1) * (g.w - g.block + 1) * (1 if shared else g.c)
    cdef uint64_t first = first_of_sample(offset, g.n, seeds)
    cdef md_stream s = stream_of(seed, stream, call)
    y = new_like(a) if want_y else None
    cdef cnp.ndarray bits = empty(blocks_shape(&g), np.uint32)
    cdef cnp.ndarray scales = new1(g.n, cnp.PyArray_TYPE(a))
    cdef void *y_data = data_or_null(y)
    cdef const md_kernels *t = kernels(a)
    cdef uint32_t *scratch = NULL
    cdef double began = now()
    if cnp.PyArray_SIZE(a):
        scratch = <uint32_t *>take(t.drop_block_scratch(&g), sizeof(uint32_t))
        with nogil:
            t.drop_block_forward(y_data, <uint32_t *>data(bits), data(scales), data(a), &g, &s,
                                 first, threshold, scratch)
        give_back(scratch)
    if verbose:
        report("drop_block_forward", (shape_of(a), block_size), began, 0)
    return y, bits, scales


def drop_block_backward(dout, bits, scales, *, bint shared=False):
    """dx = dout scales[sample] where a bit is 1, +0 elsewhere; all as drop_block_forward had it."""
    cdef cnp.ndarray a = real_array(dout, "dout", 4)
    cdef md_blocks g = blocks_of(a, 1, shared)
    cdef cnp.ndarray factors = row_vector(scales, "scales", a, "dout", g.n)
    if not isinstance(bits, cnp.ndarray) or bits.dtype != np.uint32 or not bits.flags.c_contiguous:
        raise TypeError("bits must be a contiguous uint32 array, got "
                        f"{getattr(bits, 'dtype', type(bits).__name__)}")
    if bits.shape != blocks_shape(&g):
        raise ValueError(f"bits must have shape {blocks_shape(&g)}, got {bits.shape}")
    cdef cnp.ndarray b = bits
    cdef cnp.ndarray dx = new_like(a)
    cdef const md_kernels *t = kernels(a)
    cdef double began = now()
    if cnp.PyArray_SIZE(a):
        with nogil:
            t.drop_block_backward(data(dx), data(a), <const uint32_t *>data(b), data(factors), &g)
    if verbose:
        report("drop_block_backward", (shape_of(a),), began, 0)
    return dx


# ---- concrete.h -------------------------------------------------------------------------------

cdef enum:
    CONCRETE_DOMAIN = 8  # of its random words: see random.py

cdef int concrete_law(double logit, double temperature) except -1:
    if not -60 <= logit <= 60:
        raise ValueError(f"logit must be in [-60, 60], got {logit}")
    if not 1e-3 <= temperature <= 1e3:
        raise ValueError(f"temperature must be in [0.001, 1000], got {temperature}")
    return 0


def concrete_forward(x, double logit, double temperature, seed, stream=0, call=0, offset=0, *,
                     bint want_y=True):
    """(y, kept): y = x kept, where kept is 1 / (1 - p) times the share of the element that stays,
    as minidrop.h says; p = sigmoid(logit). x has elements `offset` and following. y is None with
    want_y=False."""
    cdef cnp.ndarray a = real_array(x, "x")
    cdef Py_ssize_t n = cnp.PyArray_SIZE(a)
    cdef uint64_t start = first_of(offset, "offset", n)
    cdef md_stream s = stream_of(seed, stream, call)
    s.domain = CONCRETE_DOMAIN
    concrete_law(logit, temperature)
    y = new_like(a) if want_y else None
    cdef cnp.ndarray kept = new_like(a)
    cdef void *y_data = data_or_null(y)
    cdef const md_kernels *t = kernels(a)
    cdef double began = now()
    with nogil:
        t.concrete_forward(y_data, data(kept), data(a), n, logit, temperature, &s, start)
    if verbose:
        report("concrete_forward", (shape_of(a),), began, 0)
    return y, kept


def concrete_backward(dout, x, kept, double logit, double temperature):
    """(dx, slope): dx = dout kept; slope, as x: what each element adds to the gradient of logit."""
    cdef cnp.ndarray a = real_array(x, "x")
    cdef cnp.ndarray dy = same_shape(dout, "dout", a, "x")
    cdef cnp.ndarray factors = same_shape(kept, "kept", a, "x")
    concrete_law(logit, temperature)
    cdef cnp.ndarray dx = new_like(a)
    cdef cnp.ndarray slope = new_like(a)
    cdef Py_ssize_t n = cnp.PyArray_SIZE(a)
    cdef const md_kernels *t = kernels(a)
    cdef double began = now()
    with nogil:
        t.concrete_backward(data(dx), data(slope), data(dy), data(a), data(factors), n, logit,
                            temperature)
    if verbose:
        report("concrete_backward", (shape_of(a),), began, 0)
    return dx, slope


# ---- update.h ---------------------------------------------------------------------------------

_LAWS = {"sgd": MD_SGD, "adam": MD_ADAM, "rmsprop": MD_RMSPROP, "adagrad": MD_ADAGRAD,
         "adadelta": MD_ADADELTA}
cdef enum:
    MOST_STATES = 3


cdef class UpdateRule:
    """A law (sgd, adam, rmsprop, adagrad or adadelta) and its numbers, as md_rule in minidrop.h
    says. max_norm: what `update` then scales columns down to; inf for no limit."""
    cdef md_rule rule
    cdef double max_norm
    cdef int states  # how many the law cannot do without

    def __init__(self, law, *, double lr, double momentum=0, double beta1=0, double beta2=0,
                 double eps=0, double lr_decay=0, double decay=0, double l1=0,
                 double decoupled_decay=0, double max_norm=float("inf"), bint nesterov=False):
        if law not in _LAWS:
            raise ValueError(f"law must be one of {', '.join(_LAWS)}, got {law!r}")
        self.rule = md_rule(_LAWS[law], nesterov, lr, momentum, beta1, beta2, eps, lr_decay, decay,
                            l1, decoupled_decay)
        self.max_norm = max_norm
        self.states = {MD_SGD: 0, MD_ADAM: 2, MD_ADADELTA: 2}.get(_LAWS[law], 1)


def check_writable(x, str name="x"):
    """x, if it is a contiguous, writable float32 or float64 array; else TypeError or ValueError."""
    if not isinstance(x, cnp.ndarray):
        raise TypeError(f"{name} must be an ndarray, got {type(x).__name__}")
    cdef cnp.ndarray a = x
    if not is_real(a) or not cnp.PyArray_ISNOTSWAPPED(a):
        raise TypeError(f"{name} must be float32 or float64, got {a.dtype.str}")
    if not cnp.PyArray_ISWRITEABLE(a):
        raise ValueError(f"{name} must be writable, got a read-only array")
    if not cnp.PyArray_ISCARRAY(a):
        raise ValueError(f"{name} must be contiguous, got shape {shape_of(a)} with strides "
                         f"{x.strides}: np.ascontiguousarray makes it so")
    return a


cdef inline cnp.ndarray writable(list arrays, Py_ssize_t i, str name):
    """arrays[i], checked as in check_writable; its name is made up only for an error."""
    x = arrays[i]
    if (isinstance(x, cnp.ndarray) and is_real(<cnp.ndarray>x)
            and cnp.PyArray_ISCARRAY(<cnp.ndarray>x)):
        return x
    return check_writable(x, name.format(i))


cdef cnp.ndarray gradient(object x, Py_ssize_t i, cnp.ndarray value):
    """x as a contiguous array of the shape and the element type of `value`: itself, or a copy."""
    if isinstance(x, np.generic):  # what NumPy makes of arithmetic with arrays of no axes
        x = np.asarray(x)
    if not isinstance(x, cnp.ndarray):
        raise TypeError(f"params[{i}].grad must be an ndarray or None, got {type(x).__name__}")
    cdef cnp.ndarray g = x
    if not cnp.PyArray_SAMESHAPE(g, value):
        raise ValueError(f"params[{i}].grad must have the shape of params[{i}], {shape_of(value)}, "
                         f"got {shape_of(g)}")
    if cnp.PyArray_TYPE(g) == cnp.PyArray_TYPE(value) and cnp.PyArray_ISCARRAY_RO(g):
        return g
    if g.dtype.kind not in "fiu":
        raise TypeError(f"params[{i}].grad must hold real numbers, got {g.dtype}")
    return g.astype(value.dtype, order="C")


cdef cnp.ndarray state_of(object x, Py_ssize_t i, cnp.ndarray value):
    """x, if it can be written and is like `value`."""
    cdef cnp.ndarray s
    if isinstance(x, cnp.ndarray):
        s = x
        if (cnp.PyArray_TYPE(s) == cnp.PyArray_TYPE(value) and cnp.PyArray_SAMESHAPE(s, value)
                and cnp.PyArray_ISCARRAY(s)):
            return s
    got = f"{x.dtype} {x.shape}" if isinstance(x, cnp.ndarray) else type(x).__name__
    raise ValueError(f"the state of params[{i}] must be contiguous, writable arrays like it, "
                     f"{value.dtype} {shape_of(value)}, got {got}")


# The memory of arrays, from start to before end, to find those that share some.
cdef struct md_span:
    size_t start, end
    Py_ssize_t owner


cdef int by_start(const void *a, const void *b) noexcept nogil:
    cdef size_t x = (<const md_span *>a).start, y = (<const md_span *>b).start
    return (x > y) - (x < y)


cdef inline Py_ssize_t add_span(md_span *spans, Py_ssize_t n, cnp.ndarray a, Py_ssize_t owner):
    """Put the memory of a at spans[n], unless it is empty. Returns how many there are then."""
    if cnp.PyArray_SIZE(a) == 0:
        return n
    spans[n].start = <size_t>data(a)
    spans[n].end = spans[n].start + cnp.PyArray_NBYTES(a)
    spans[n].owner = owner
    return n + 1


cdef int expect_disjoint(md_span *spans, Py_ssize_t n, str name) except -1:
    """Sort the spans; ValueError where two of them overlap."""
    cdef Py_ssize_t i
    qsort(spans, n, sizeof(md_span), by_start)
    for i in range(1, n):
        if spans[i].start < spans[i - 1].end:
            first, second = sorted((spans[i - 1].owner, spans[i].owner))
            raise ValueError(f"{name}[{first}] and {name}[{second}] share memory: each would be "
                             "changed twice")
    return 0


cdef bint overlaps(const md_span *spans, Py_ssize_t n, cnp.ndarray a):
    """Whether a shares memory with one of n disjoint spans in order."""
    cdef size_t start = <size_t>data(a), end = start + cnp.PyArray_NBYTES(a)
    cdef Py_ssize_t low = 0, high = n, middle
    while low < high:  # the first span that ends after the start of a
        middle = (low + high) // 2
        if spans[middle].end <= start:
            low = middle + 1
        else:
            high = middle
    return low < n and spans[low].start < end


cdef inline void append(md_param *list, Py_ssize_t n, Py_ssize_t size) noexcept nogil:
    """Give list[n], the next one, its place after those before it."""
    list[n].size = size
    list[n].chunks_before = 0
    if n > 0:
        list[n].chunks_before = list[n - 1].chunks_before + (
            list[n - 1].size + MD_UPDATE_CHUNK - 1) // MD_UPDATE_CHUNK


def update(list params, list grads, list states, list rules, list steps):
    """One step of an optimizer, in place, over all params at once; nothing is changed unless all
    of the arguments are right.

    params: contiguous writable arrays. grads: an array of the same shape for each, or None: then
    this parameter, and what else is given for it, is passed over. states: a tuple for each of the
    arrays that its law keeps (the order is that of minidrop.h; None: does without). rules:
    UpdateRules, most of them the same object. steps: the number of this step, from 1.
    """
    cdef Py_ssize_t count = len(params), i, k, n, spans_used = 0, scratch_size = 0
    cdef Py_ssize_t used[2]
    cdef md_param *t
    cdef cnp.ndarray value, g, s
    cdef UpdateRule rule
    cdef tuple kept
    cdef int is_double
    cdef double start = now()
    if not len(grads) == len(states) == len(rules) == len(steps) == count:
        raise ValueError("params, grads, states, rules and steps must have one length, got "
                         f"{count}, {len(grads)}, {len(states)}, {len(rules)}, {len(steps)}")
    # float parameters from lists[0] on, double ones from lists[count] on
    cdef md_param *lists = <md_param *>take(2 * count, sizeof(md_param))
    cdef md_span *spans = NULL
    cdef void *scratch = NULL
    cdef list copies = [None] * count
    used[0] = used[1] = 0
    try:
        spans = <md_span *>take((1 + MOST_STATES) * count, sizeof(md_span))
        for i in range(count):
            if grads[i] is None:
                continue
            value = writable(params, i, "params[{}].data")
            rule, kept = rules[i], states[i]
            if rule is None or kept is None:
                raise TypeError(f"params[{i}] needs a rule and a tuple of states")
            g = copies[i] = gradient(grads[i], i, value)
            is_double = cnp.PyArray_TYPE(value) == cnp.NPY_FLOAT64
            n = used[is_double]
            used[is_double] += 1
            t = lists + is_double * count
            append(t, n, cnp.PyArray_SIZE(value))
            t += n
            t.value, t.rule, t.step = data(value), &rule.rule, steps[i]
            if len(kept) < rule.states or len(kept) > MOST_STATES or t.step < 1:
                raise ValueError(f"params[{i}]: its law takes {rule.states} to {MOST_STATES} states"
                                 f" and a step from 1, got {len(kept)} and {t.step}")
            spans_used = add_span(spans, spans_used, value, i)
            for k in range(MOST_STATES):
                t.state[k] = NULL
                if k < len(kept) and (kept[k] is not None or k < rule.states):
                    s = state_of(kept[k], i, value)
                    t.state[k] = data(s)
                    spans_used = add_span(spans, spans_used, s, i)
            if rule.max_norm < INFINITY and cnp.PyArray_NDIM(value) > 1:
                scratch_size = max(scratch_size, max_norm_scratch(value))
        expect_disjoint(spans, spans_used, "params")
        used[0] = used[1] = 0
        for i in range(count):
            if grads[i] is None:
                continue
            is_double = cnp.PyArray_TYPE(<cnp.ndarray>params[i]) == cnp.NPY_FLOAT64
            if overlaps(spans, spans_used, copies[i]):
                copies[i] = copies[i].copy()
            lists[is_double * count + used[is_double]].grad = data(copies[i])
            used[is_double] += 1
        scratch = take(scratch_size, sizeof(double))
        with nogil:
            md_table(0).update(lists, used[0])
            md_table(1).update(lists + count, used[1])
        for i in range(count):
            if scratch_size and grads[i] is not None:
                limit_columns(params[i], (<UpdateRule>rules[i]).max_norm, scratch)
    finally:
        give_back(lists)
        give_back(spans)
        give_back(scratch)
    if verbose:
        report("update", f"{used[0] + used[1]} parameters", start, 0)


cdef Py_ssize_t max_norm_scratch(cnp.ndarray w):
    """What max_norm needs for w, in reals."""
    cdef Py_ssize_t cols = cnp.PyArray_DIM(w, cnp.PyArray_NDIM(w) - 1)
    return cols + kernels(w).sum_scratch(1, cnp.PyArray_SIZE(w) // max(cols, 1), cols)


cdef void limit_columns(cnp.ndarray w, double max_norm, void *scratch):
    """max_norm over the last axis of w, where it has more than one."""
    if cnp.PyArray_NDIM(w) < 2 or max_norm == INFINITY:
        return
    cdef Py_ssize_t cols = cnp.PyArray_DIM(w, cnp.PyArray_NDIM(w) - 1)
    cdef Py_ssize_t rows = cnp.PyArray_SIZE(w) // max(cols, 1)
    cdef const md_kernels *t = kernels(w)
    with nogil:
        t.max_norm(data(w), rows, cols, max_norm, scratch)


def scale_list(list arrays, double factor):
    """Multiply every array, contiguous and writable, by factor, in place."""
    cdef Py_ssize_t count = len(arrays), i, spans_used = 0
    cdef Py_ssize_t used[2]
    cdef cnp.ndarray a
    cdef int is_double
    cdef md_param *lists = <md_param *>take(2 * count, sizeof(md_param))
    cdef md_span *spans = NULL
    used[0] = used[1] = 0
    try:
        spans = <md_span *>take(count, sizeof(md_span))
        for i in range(count):
            a = writable(arrays, i, "arrays[{}]")
            is_double = cnp.PyArray_TYPE(a) == cnp.NPY_FLOAT64
            append(lists + is_double * count, used[is_double], cnp.PyArray_SIZE(a))
            lists[is_double * count + used[is_double]].value = data(a)
            used[is_double] += 1
            spans_used = add_span(spans, spans_used, a, i)
        expect_disjoint(spans, spans_used, "arrays")
        with nogil:
            md_table(0).scale_list(lists, used[0], factor)
            md_table(1).scale_list(lists + count, used[1], factor)
    finally:
        give_back(lists)
        give_back(spans)
