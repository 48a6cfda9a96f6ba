"""The buffer pool: reuse, sizes that overflow, arrays that outlive their makers."""

import threading

import numpy as np
import pytest
from helpers import normals

import minidrop.functional as F
from minidrop import _kernels
from minidrop.tensor import Tensor


def stats(name):
    return _kernels.pool_stats()[name]


def test_a_block_is_reused():
    first = _kernels.empty((1000, 77))
    address = first.ctypes.data
    mappings = stats("mappings")
    del first
    again = _kernels.empty((1000, 77))
    assert again.ctypes.data == address and stats("mappings") == mappings


def test_used_bytes_come_and_go():
    used, requests = stats("used_bytes"), stats("requests")
    x = _kernels.empty((1000,))
    assert stats("used_bytes") >= used + 4000 and stats("requests") == requests + 1
    view = x[10:20]
    del x
    assert stats("used_bytes") > used  # the view holds the block
    del view
    assert stats("used_bytes") == used


def test_arrays_are_ordinary_aligned_and_writable():
    for shape in [(), (0,), (1,), (3, 5), (1000, 1000)]:
        for dtype in (np.float32, np.float64, np.int64, np.uint32, np.uint8):
            x = _kernels.empty(shape, dtype)
            assert type(x) is np.ndarray and x.shape == shape and x.dtype == dtype
            assert x.flags.writeable and x.flags.c_contiguous and x.ctypes.data % 64 == 0
            x.fill(1)
            assert x.sum() == x.size


def test_arrays_do_not_overlap():
    arrays = [_kernels.empty((n,), np.uint8) for n in range(200, 1200, 7)]
    for i, x in enumerate(arrays):
        x.fill(i % 251)
    for i, x in enumerate(arrays):
        assert (x == i % 251).all()


def test_trim_gives_waiting_blocks_back_and_leaves_the_others():
    kept = _kernels.empty((5000,))
    kept.fill(3)
    del_me = _kernels.empty((123_457,))
    before = stats("mapped_bytes")
    del del_me
    assert stats("mapped_bytes") == before
    _kernels.pool_trim()
    assert stats("mapped_bytes") <= before - 4 * 123_457
    assert stats("mapped_bytes") >= stats("used_bytes") >= kept.nbytes
    assert (kept == 3).all()


@pytest.mark.parametrize(
    "shape", [(2**62,), (2**31, 2**31), (2**21, 2**21, 2**21), (2**50,), (2**62, 0, 2**62)]
)
def test_sizes_that_overflow_raise(shape):
    used = stats("used_bytes")
    if 0 in shape:
        with pytest.raises((MemoryError, ValueError)):
            _kernels.empty(shape)
    else:
        with pytest.raises(MemoryError):
            _kernels.empty(shape)
    assert stats("used_bytes") == used


@pytest.mark.parametrize(
    "shape, error",
    [
        ((-1,), ValueError),
        ((2, -3), ValueError),
        ((2.5,), TypeError),
        (("2",), TypeError),
        ((1,) * 65, ValueError),
        ((10**30,), MemoryError),
    ],
)
def test_shapes_that_are_none_raise(shape, error):
    with pytest.raises(error):
        _kernels.empty(shape)


@pytest.mark.parametrize("dtype", [np.int32, np.float16, np.complex64, object, "no such type"])
def test_only_the_kernels_types_are_served(dtype):
    with pytest.raises(TypeError):
        _kernels.empty((3,), dtype)


def test_an_op_that_fails_keeps_nothing():
    used = stats("used_bytes")
    x = normals((3, 4))
    for bad in (
        lambda: _kernels.add(x, normals(5)),
        lambda: _kernels.matmul(x, x),
        lambda: _kernels.extreme(normals((0, 3)), 0),
        lambda: _kernels.conv2d_forward(normals((1, 4, 4, 2)), normals((3, 3, 3, 4))),
    ):
        with pytest.raises(ValueError):
            bad()
    assert stats("used_bytes") == used


def test_a_training_step_maps_nothing_new():
    w = Tensor(normals((64, 32)), requires_grad=True)
    k = Tensor(normals((3, 3, 2, 4)), requires_grad=True)
    x = normals((16, 64), 1)
    images = normals((4, 12, 12, 2), 2)

    def step():
        y = F.linear(x, w, relu=False)
        loss = (y * y).mean() + F.conv2d(images, k, relu=True, pool=2).exp().mean()
        w.grad = k.grad = None
        loss.backward()
        for p in (w, k):
            p.data -= np.float32(0.001) * p.grad

    for _ in range(2):
        step()
    mappings = stats("mappings")
    for _ in range(10):
        step()
    assert stats("mappings") == mappings


def test_blocks_travel_between_threads():
    def work(results):
        for n in range(200):
            x = _kernels.empty((n * 10 + 1,))
            x.fill(n)
            results.append(x)
            if n % 3:
                results.pop(0)

    results = [[] for _ in range(4)]
    threads = [threading.Thread(target=work, args=(r,)) for r in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for r in results:
        for x in r:
            assert (x == x[0]).all() and x.size == x[0] * 10 + 1
