"""The number of threads: who sets it, who is followed, and what happens after a fork."""

import os
import threading

import numpy as np
import pytest
from helpers import assert_same_bits, normals, run_python

from minidrop import _kernels

needs_openmp = pytest.mark.skipif(not _kernels.has_openmp(), reason="built without threads")


def work():
    """Enough for several threads."""
    a, b = normals((300, 300)), normals((300, 300), 1)
    return _kernels.matmul(a, b)


@needs_openmp
def test_set_and_get():
    for n in (1, 2, 4, 7, np.int64(3), 4096):
        _kernels.set_num_threads(n)
        assert _kernels.get_num_threads() == n


@pytest.mark.parametrize("n", [0, -1, 4097, 2**40])
def test_a_number_out_of_range_raises_and_changes_nothing(n):
    before = _kernels.get_num_threads()
    with pytest.raises(ValueError, match=f"n must be from 1 to 4096, got {n}"):
        _kernels.set_num_threads(n)
    assert _kernels.get_num_threads() == before


@pytest.mark.parametrize("n", [1.0, "2", True, [1]])
def test_what_is_no_number_raises_and_changes_nothing(n):
    before = _kernels.get_num_threads()
    with pytest.raises(TypeError, match="n must be an int or None"):
        _kernels.set_num_threads(n)
    assert _kernels.get_num_threads() == before


SHOW = "from minidrop import _kernels as k; print(k.get_num_threads())"


@needs_openmp
def test_environment_is_followed():
    for n in (1, 3, 5):
        assert run_python(SHOW, OMP_NUM_THREADS=str(n)).stdout.strip() == str(n)


@needs_openmp
def test_an_own_number_beats_the_environment():
    code = "from minidrop import _kernels as k; k.set_num_threads(2); print(k.get_num_threads())"
    assert run_python(code, OMP_NUM_THREADS="5").stdout.split() == ["2"]
    code += "; k.set_num_threads(None); print(k.get_num_threads())"
    assert run_python(code, OMP_NUM_THREADS="5").stdout.split() == ["2", "5"]


@needs_openmp
def test_threadpoolctl_is_followed():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    _kernels.set_num_threads(None)
    before = _kernels.get_num_threads()
    with threadpoolctl.threadpool_limits(3, user_api="openmp"):
        assert _kernels.get_num_threads() == 3
        with threadpoolctl.threadpool_limits(1, user_api="openmp"):
            assert _kernels.get_num_threads() == 1
    assert _kernels.get_num_threads() == before


def test_more_threads_than_cores_have_the_same_bits():
    expected = work()
    for n in (1, 2, 3, 16):
        _kernels.set_num_threads(n)
        assert_same_bits(work(), expected)


def test_a_forked_child_runs_and_agrees():
    _kernels.set_num_threads(4)
    expected = work()  # the parent's threads are awake, the child will have none of them
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            same = work().tobytes() == expected.tobytes() and _kernels.get_num_threads() == 1
            os.write(write, b"same" if same else b"other")
        finally:
            os._exit(0)
    os.close(write)
    said = os.read(read, 10)
    os.close(read)
    assert os.waitpid(child, 0)[1] == 0
    assert said == b"same"
    assert_same_bits(work(), expected)
    if _kernels.has_openmp():
        assert _kernels.get_num_threads() == 4


ON_ONE_PROCESSOR = """
import os
import numpy as np
from minidrop import _kernels

allowed = os.sched_getaffinity(0)
_kernels.set_num_threads(2)
a = np.ones((300, 300), np.float32)
_kernels.matmul(a, a)
threads = [int(name) for name in os.listdir("/proc/self/task")]
for where in ({min(allowed)}, allowed):  # they begin on one processor, but need not stay there
    for thread in threads:
        os.sched_setaffinity(thread, where)
right = all((_kernels.matmul(a, a) == 300).all() for _ in range(100))
print(right, all(os.sched_getaffinity(thread) == allowed for thread in threads))
"""


@needs_openmp
@pytest.mark.skipif(
    not os.path.isdir("/proc/self/task"), reason="the processors of a thread are Linux's"
)
def test_threads_that_go_apart_may_still_run_anywhere():
    assert run_python(ON_ONE_PROCESSOR).stdout.split() == ["True", "True"]


def test_kernels_run_on_several_python_threads_at_once():
    expected = work()
    got = []
    threads = [
        threading.Thread(target=lambda: got.extend(work() for _ in range(5))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 20
    for c in got:
        assert_same_bits(c, expected)


CHOSEN_MEANWHILE = """
import threading
import numpy as np
from minidrop import _kernels

x, w = np.ones((8, 20, 20, 32), np.float32), np.ones((3, 3, 32, 32), np.float32)
dy = np.ones((8, 18, 18, 32), np.float32)
done = threading.Event()

def choose():
    while not done.is_set():
        for n in (1, 12):
            _kernels.set_num_threads(n)

_kernels.set_num_threads(1)
expected = [g.tobytes() for g in _kernels.conv2d_backward(dy, x, w)]
chooser = threading.Thread(target=choose)
chooser.start()
try:
    found = [_kernels.conv2d_backward(dy, x, w) for _ in range(40)]
finally:
    done.set()
    chooser.join()
print(all([g.tobytes() for g in gradients] == expected for gradients in found))
"""


@needs_openmp
def test_a_number_chosen_while_a_kernel_runs_is_for_the_next():
    """Its scratch has room for the threads that it began with."""
    assert run_python(CHOSEN_MEANWHILE).stdout.strip() == "True"
