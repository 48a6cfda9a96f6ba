"""The graph: depth, memory, what a walk frees, who owns a gradient."""

import gc
import threading
import weakref

import numpy as np
import pytest
from helpers import assert_same_bits, integers, normals

import minidrop.functional as F
from minidrop import _kernels
from minidrop.tensor import Tensor, grad_enabled, graph, no_grad, node


@pytest.fixture
def without_collector():
    """What is freed inside is freed by its last reference."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def chain(x, n):
    for _ in range(n):
        x = x + 1.0
    return x


def test_a_chain_of_100_000_ops_walks_and_frees(without_collector):
    x = Tensor(np.float32([1, 2]), requires_grad=True)
    y = chain(x, 100_000)
    first = weakref.ref(y._parents[0])
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, [1, 1])
    assert first() is None


def test_a_chain_of_100_000_ops_frees_without_a_walk(without_collector):
    x = Tensor(np.float32([1, 2]), requires_grad=True)
    used = _kernels.pool_stats()["used_bytes"]
    y = chain(x, 100_000)
    assert _kernels.pool_stats()["used_bytes"] > used
    del y
    assert _kernels.pool_stats()["used_bytes"] == used


def test_a_wide_graph_of_shared_parents():
    x = Tensor(np.float32([1, 2]), requires_grad=True)
    y = x
    for _ in range(60):  # 2**60 paths, 60 nodes
        y = y + y
    y.sum().backward()
    np.testing.assert_array_equal(x.grad, np.full(2, 2.0**60, np.float32))


def test_a_short_path_beside_a_long_one():
    x = Tensor(np.float32([1, 2]), requires_grad=True)
    for order in (lambda a, b: a + b, lambda a, b: b + a):
        x.grad = None
        y = x * 2.0
        order(y, y * 3.0 * 5.0).sum().backward()  # y waits for what comes the long way
        np.testing.assert_array_equal(x.grad, [32, 32])


OPS = {
    "arithmetic": lambda x: ((x * 2.0 - x / 3.0) ** 2 + x).exp().log().sqrt().abs(),
    "reduce": lambda x: x.sum(0) + x.mean(0) + x.max(0).values + x.var(0),
    "shape": lambda x: F.cat([x.T.reshape(4, 5), x[[0, 1, 1, 0]], F.stack([x[0]] * 4)]),
    "choose": lambda x: F.where(x > 0, x, -x).clip(0.1, 5) + F.maximum(x, 0.5),
    "matmul": lambda x: x @ x.T @ x,
    "linear": lambda x: F.linear(x, x[:4, :4], x[0, :4]),
    "conv": lambda x: F.conv2d(x.reshape(1, 4, 5, 1), x[:2, :3].reshape(2, 3, 1, 1), relu=True),
}


@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_everything_is_freed_without_the_collector(op, without_collector):
    x = Tensor(np.abs(normals((4, 5))) + np.float32(0.5), requires_grad=True)
    x = x if op is not OPS["linear"] else Tensor(normals((5, 4)), requires_grad=True)
    used = _kernels.pool_stats()["used_bytes"]
    out = op(x)
    watched = weakref.ref(out)
    del out
    assert watched() is None
    assert _kernels.pool_stats()["used_bytes"] == used
    out = op(x)
    watched = weakref.ref(out)
    out.sum().backward()
    del out
    assert watched() is None
    x.grad = None
    assert _kernels.pool_stats()["used_bytes"] == used


def test_a_walk_frees_what_was_saved_on_its_way(without_collector):
    x = Tensor(np.ones(1000, np.float32), requires_grad=True)
    alive = []

    def probe_backward(dout):  # runs when the walk has passed everything after it
        alive.append(later() is not None)
        return (dout,)

    probe = node(x.data + 1, (x,), probe_backward, "probe")
    squares = probe * probe
    later = weakref.ref(squares)
    out = squares.sum()
    del squares
    out.backward()
    assert alive == [False] and out._parents == ()


@pytest.mark.parametrize("again", ["same_root", "shared_part"])
def test_a_second_walk_says_that_the_graph_is_freed(again):
    x = Tensor(np.float32([1, 2]), requires_grad=True)
    shared = x * x
    first, second = shared.sum(), (shared * 2.0).sum()
    first.backward()
    before = x.grad.copy()
    with pytest.raises(RuntimeError, match="an earlier backward\\(\\) has freed"):
        (first if again == "same_root" else second).backward()
    np.testing.assert_array_equal(x.grad, before)


def test_gradients_add_up_over_walks():
    x = Tensor(np.float32([1, 2]), requires_grad=True)
    for times in (1, 2, 3):
        (x * 3.0).sum().backward()
        np.testing.assert_array_equal(x.grad, np.full(2, 3.0 * times, np.float32))
    x.zero_grad()
    assert x.grad is None


def test_a_grad_that_the_user_set_is_added_to_and_not_written_into():
    x = Tensor(np.float32([1, 2]), requires_grad=True)
    mine = np.float32([10, 20])
    x.grad = mine
    (x * 3.0).sum().backward()
    np.testing.assert_array_equal(x.grad, [13, 23])
    np.testing.assert_array_equal(mine, [10, 20])


VIEWS = {
    "dout_itself": lambda x: x + 0.0,
    "reshape": lambda x: x.reshape(6),
    "transpose": lambda x: x.T,
    "cat": lambda x: F.cat([x, Tensor(np.ones((2, 3), np.float32))]),
    "stack": lambda x: F.stack([x]),
    "twice_the_same": lambda x: x + x,
    "broadcast": lambda x: x.sum(0),
}


@pytest.mark.parametrize("op", VIEWS.values(), ids=VIEWS)
def test_leaf_gradients_are_never_views_of_something_else(op):
    a = Tensor(integers((2, 3)), requires_grad=True)
    b = Tensor(integers((2, 3), 1), requires_grad=True)
    out = op(a) + op(b)
    gradient = integers(out.shape, 2)
    before = gradient.copy()
    out.backward(gradient)
    assert not np.shares_memory(a.grad, b.grad)
    for leaf in (a, b):
        assert leaf.grad.shape == leaf.shape
        for other in (gradient, a.data, b.data, out.data):
            assert not np.shares_memory(leaf.grad, other)
        leaf.grad[...] = -1
    np.testing.assert_array_equal(gradient, before)


def test_two_leaves_that_get_one_array():
    a, b = (Tensor(np.float32([1, 2]), requires_grad=True) for _ in range(2))
    out = node(a.data + b.data, (a, b), lambda dout: (dout, dout), "both")
    out.backward(np.float32([5, 6]))
    assert not np.shares_memory(a.grad, b.grad)
    fresh = np.float32([7, 8])
    a.zero_grad(), b.zero_grad()
    node(a.data + b.data, (a, b), lambda dout: (fresh, fresh), "both").sum().backward()
    assert not np.shares_memory(a.grad, b.grad)


def test_a_wrong_gradient_shape_names_the_op():
    x = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    out = node(x.data.sum(0), (x,), lambda dout: (dout,), "halfdone")
    with pytest.raises(
        AssertionError, match=r"halfdone: a gradient of shape \(3,\) for .*\(2, 3\)"
    ):
        out.backward(np.ones(3, np.float32))


def test_a_wrong_number_of_gradients_raises():
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    with pytest.raises(ValueError):
        node(x.data, (x,), lambda dout: (dout, dout), "two").sum().backward()


def test_backward_needs_a_graph_and_a_gradient():
    with pytest.raises(RuntimeError, match="requires_grad=True"):
        Tensor(np.float32([1])).backward()
    x = Tensor(np.float32([1, 2]), requires_grad=True)
    with pytest.raises(ValueError, match=r"a tensor of shape \(2,\) needs gradient="):
        (x * 2.0).backward()
    with pytest.raises(ValueError, match=r"gradient must have shape \(2,\), got \(3,\)"):
        (x * 2.0).backward(np.ones(3))
    with pytest.raises(TypeError):
        (x * 2.0).backward("one")
    assert x.grad is None
    for one in (Tensor(np.float32(2), requires_grad=True), Tensor(np.float32([[2]]), True)):
        (one * 3.0).backward()
        assert one.grad.shape == one.shape and one.grad.item() == 3


def test_a_gradient_may_be_a_list_a_tensor_or_of_another_dtype():
    for gradient in ([1, 2], Tensor(np.float32([1, 2])), np.float64([1, 2]), np.array([1, 2])):
        x = Tensor(np.float32([3, 4]), requires_grad=True)
        (x * 2.0).backward(gradient)
        assert x.grad.dtype == np.float32
        np.testing.assert_array_equal(x.grad, [2, 4])


def test_a_leaf_may_be_its_own_root():
    x = Tensor(np.float32([1, 2]), requires_grad=True)
    gradient = np.float32([5, 6])
    x.backward(gradient)
    np.testing.assert_array_equal(x.grad, gradient)
    assert not np.shares_memory(x.grad, gradient)


def test_parts_that_want_no_gradient_are_left_alone():
    x = Tensor(np.float32([1, 2]), requires_grad=True)
    plain = Tensor(np.float32([3, 4]))
    detached = (x * 2.0).detach()
    out = x * plain + detached
    out.sum().backward()
    assert plain.grad is None and detached.grad is None and not detached.requires_grad
    np.testing.assert_array_equal(x.grad, [3, 4])


def test_inner_tensors_keep_no_gradient():
    x = Tensor(np.float32([1, 2]), requires_grad=True)
    y = x * 2.0
    (y * y).sum().backward()
    assert y.grad is None


def test_a_gradient_that_has_passed_a_relu_is_not_kept(without_collector):
    x, w = (Tensor(normals(shape), requires_grad=True) for shape in ((1, 5, 5, 2), (3, 3, 2, 2)))
    y = F.conv2d(x, w, relu=True)
    F.conv2d(y, w).sum().backward()
    assert y._gate.passed is None
    with no_grad():
        assert F.conv2d(x, w, relu=True)._gate is None


def test_no_grad_builds_no_graph():
    x = Tensor(np.float32([1, 2]), requires_grad=True)
    with no_grad():
        y = x * 2.0
        assert not y.requires_grad and y._parents == () and not grad_enabled()
    assert (x * 2.0).requires_grad and grad_enabled()

    @no_grad()
    def twice(t):
        """Doc."""
        return t * 2.0

    assert not twice(x).requires_grad and grad_enabled()
    assert (twice.__name__, twice.__doc__) == ("twice", "Doc.")


def test_no_grad_nests_and_survives_errors():
    guard = no_grad()
    with guard:
        with guard:
            assert not grad_enabled()
        with no_grad():
            pass
        assert not grad_enabled()
    assert grad_enabled()
    with pytest.raises(KeyError), guard:
        raise KeyError
    assert grad_enabled()


def test_no_grad_holds_in_its_own_thread_only():
    seen = []
    with no_grad():
        thread = threading.Thread(target=lambda: seen.append(grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_walks_on_two_threads():
    def work(results, seed):
        x = Tensor(normals((50, 50), seed), requires_grad=True)
        for _ in range(20):
            ((x @ x).exp().mean() + x.sum()).backward()
        results[seed] = x.grad

    expected, got = {}, {}
    for seed in (1, 2):
        work(expected, seed)
    threads = [threading.Thread(target=work, args=(got, seed)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in (1, 2):
        assert_same_bits(got[seed], expected[seed])


def test_gradients_have_the_same_bits_on_threads_of_kernels():
    def step():
        x = Tensor(normals((8, 30, 30, 4)), requires_grad=True)
        w = Tensor(normals((3, 3, 4, 16), 1), requires_grad=True)
        F.conv2d(x, w, relu=True).mean().backward()
        return x.grad, w.grad

    before = step()
    for n in (1, 2, 4):
        _kernels.set_num_threads(n)
        for a, b in zip(step(), before, strict=True):
            assert_same_bits(a, b)


def test_graph_as_text():
    x = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    y = x * 2.0
    out = (y + y).sum()
    lines = graph(out).splitlines()
    assert lines[0] == "#0 sum () float32"
    assert lines[1] == "  #1 add (2, 3) float32"
    assert lines[2] == "    #2 mul (2, 3) float32"
    assert lines[3] == "      #3 parameter (2, 3) float32"
    assert lines[4] == "      #4 constant () float32"
    assert lines[5] == "    #2 (above)"
    out.backward()
    assert graph(out) == "#0 sum () float32 (freed)"


def test_graph_of_no_tensor():
    with pytest.raises(TypeError, match="Tensor, got ndarray"):
        graph(np.zeros(2))
