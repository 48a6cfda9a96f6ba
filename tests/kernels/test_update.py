import numpy as np
import pytest
from helpers import assert_close, check_kernel, check_same_on_isas, check_same_on_threads, normals

from minidrop import _kernels

CHUNK = 16384
SIZES = {
    "empty_list": [],
    "empty": [0],
    "one": [1],
    "odd_tail": [37],
    "whole_chunk": [CHUNK],
    "past_a_chunk": [CHUNK + 3],
    "mixed": [5, 0, 2 * CHUNK + 17, 1, CHUNK, 0],
}
# how many states each law gets here, and its numbers
LAWS = {
    "sgd": ("sgd", 0, {"lr": 0.1}),
    "sgd_momentum": ("sgd", 1, {"lr": 0.1, "momentum": 0.9}),
    "sgd_nesterov": ("sgd", 1, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "adam": ("adam", 2, {"lr": 0.01, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}),
    "adamw": (
        "adam",
        2,
        {"lr": 0.01, "beta1": 0.5, "beta2": 0.9, "eps": 1e-4, "decoupled_decay": 0.1},
    ),
    "rmsprop": ("rmsprop", 1, {"lr": 0.01, "beta2": 0.9, "eps": 1e-8}),
    "rmsprop_centered": ("rmsprop", 2, {"lr": 0.01, "beta2": 0.9, "eps": 1e-2}),
    "rmsprop_momentum": ("rmsprop", 3, {"lr": 0.01, "beta2": 0.9, "eps": 1e-2, "momentum": 0.5}),
    "adagrad": ("adagrad", 1, {"lr": 0.1, "lr_decay": 0.5, "eps": 1e-10}),
    "adadelta": ("adadelta", 2, {"lr": 1.0, "beta2": 0.9, "eps": 1e-6}),
}
PENALTIES = {"decay": 0.05, "l1": 0.01}


def updated(law, sizes, steps=3, dtype=np.float32, **more):
    """Parameters and states after some steps from the same start; every array is new."""
    name, states, numbers = LAWS[law]
    params = [normals(n, seed=i, dtype=dtype) for i, n in enumerate(sizes)]
    kept = [tuple(np.zeros_like(p) for _ in range(states)) for p in params]
    rule = _kernels.UpdateRule(name, **numbers, **more)
    for step in range(1, steps + 1):
        grads = [normals(n, seed=100 * step + i, dtype=dtype) for i, n in enumerate(sizes)]
        _kernels.update(params, grads, kept, [rule] * len(sizes), [step] * len(sizes))
    return *params, *(s for states in kept for s in states)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("sizes", SIZES)
def test_against_reference(isa, law, sizes):
    check_kernel(isa, updated, law, SIZES[sizes], scale=3)


@pytest.mark.parametrize("law", LAWS)
def test_penalties(isa, law):
    check_kernel(isa, updated, law, SIZES["odd_tail"], scale=3, **PENALTIES)


@pytest.mark.parametrize("law", LAWS)
def test_same_bits_on_isas(law):
    check_same_on_isas(updated, law, SIZES["mixed"], **PENALTIES)


@pytest.mark.parametrize("law", LAWS)
def test_same_bits_on_threads(law):
    check_same_on_threads(updated, law, [5 * CHUNK + 3, 7, 20 * CHUNK])


@pytest.mark.parametrize("law", LAWS)
def test_float64_beside_float32(law):
    """One list may hold both, each with its own arithmetic."""
    name, states, numbers = LAWS[law]
    params = [normals(9, i, (np.float32, np.float64)[i % 2]) for i in range(4)]
    expected = updated(law, [9] * 4, steps=1, dtype=np.float64)[:4]
    kept = [tuple(np.zeros_like(p) for _ in range(states)) for p in params]
    grads = [normals(9, 100 + i, p.dtype) for i, p in enumerate(params)]
    rule = _kernels.UpdateRule(name, **numbers)
    _kernels.update(params, grads, kept, [rule] * 4, [1] * 4)
    for i in (0, 2):
        np.testing.assert_allclose(params[i], expected[i], rtol=1e-4, atol=1e-5)
    for i in (1, 3):
        assert_close(params[i], expected[i])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("law", [law for law in LAWS if LAWS[law][1] and law != "adagrad"])
def test_fading_states_end(isa, law, dtype):
    """Without a gradient they reach 0, not the denormal number that is rounded to itself."""
    name, states, numbers = LAWS[law]
    smallest = np.finfo(dtype).smallest_normal
    kept = [(smallest * np.array([1.0005, 1e6, 0, np.nan], dtype)) for _ in range(states)]
    p, rule = np.ones(4, dtype), _kernels.UpdateRule(name, **numbers)
    _kernels.update([p], [np.zeros(4, dtype)], [tuple(kept)], [rule], [1])
    for state in kept:
        assert state[0] == 0 and state[1] > smallest and state[2] == 0 and np.isnan(state[3])
    np.testing.assert_array_equal(
        p[:3], np.full(3, 1 - numbers.get("decoupled_decay", 0) * 0.01, dtype)
    )


def test_late_step(isa):
    """The corrections of Adam tend to 1, by squarings."""
    rule = _kernels.UpdateRule("adam", lr=0.1, beta1=0.9, beta2=0.999)
    for step in (1, 2, 3, 1000, 10**6, 10**15):
        p, m, v = (np.zeros(1, np.float32) for _ in range(3))
        _kernels.update([p], [np.ones(1, np.float32)], [(m, v)], [rule], [step])
        first, second = 0.1 / (1 - 0.9**step), 0.001 / (1 - 0.999**step)
        assert_close(p, np.float32([-0.1 * first / second**0.5]), scale=3)


def test_rounding_below_zero(isa):
    """The variance of a constant gradient is not taken below 0."""
    grads = [np.linspace(0.1, 1, 64, dtype=np.float32)]
    params = [np.zeros(64, np.float32)]
    kept = [tuple(np.zeros(64, np.float32) for _ in range(2))]
    rule = _kernels.UpdateRule("rmsprop", lr=1e-6, beta2=0.5, eps=1e-3)
    for step in range(1, 40):
        _kernels.update(params, grads, kept, [rule], [step])
    assert np.isfinite(params[0]).all()


def test_not_finite(isa):
    """What is not finite stays in its own element."""
    p = np.float32([1, np.inf, np.nan, 1, 1])
    g = np.float32([1, 1, 1, np.nan, np.inf])
    _kernels.update([p], [g], [()], [_kernels.UpdateRule("sgd", lr=0.5)], [1])
    np.testing.assert_array_equal(p, np.float32([0.5, np.inf, np.nan, np.nan, -np.inf]))


# ---- max_norm ----

SHAPES = {
    "one_column": (40, 1),
    "odd_tail": (37, 21),
    "conv": (3, 3, 5, 33),
    "long": (3000, 17),
    "wide": (2, 5000),
    "no_rows": (0, 4),
    "no_columns": (4, 0),
}


def limited(shape, limit, dtype=np.float32):
    w = normals(shape, dtype=dtype) * np.linspace(0.1, 2, shape[-1], dtype=dtype)
    rule = _kernels.UpdateRule("sgd", lr=0, max_norm=limit)
    _kernels.update([w], [np.zeros_like(w)], [()], [rule], [1])
    return w


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_max_norm(isa, shape):
    limit = 0.8 * np.sqrt(np.prod(shape[:-1]))
    (w,) = check_kernel(isa, limited, shape, limit)
    norms = np.sqrt((w.astype(np.float64) ** 2).sum(axis=tuple(range(w.ndim - 1))))
    assert (norms <= limit * (1 + 1e-5)).all()


def test_max_norm_same_bits():
    check_same_on_isas(limited, (300, 77), 10.0)
    check_same_on_threads(limited, (3000, 77), 30.0)


def test_max_norm_float64():
    w = limited((30, 7), 2.0, np.float64)
    expected = normals((30, 7), dtype=np.float64) * np.linspace(0.1, 2, 7)
    norms = np.linalg.norm(expected, axis=0)
    assert_close(w, expected * np.minimum(1, 2 / norms))


def test_max_norm_leaves(isa):
    """Columns within the limit, columns that are not finite, and vectors keep their bits."""
    w = np.float32([[3, 0.3, np.inf, np.nan, 1e30], [4, 0.4, 1, 1, 1]])
    v = np.float32([3, 4])
    rule = _kernels.UpdateRule("sgd", lr=0, max_norm=1)
    _kernels.update([w, v], [np.zeros_like(w), v * 0], [(), ()], [rule] * 2, [1, 1])
    np.testing.assert_array_equal(w[:, 1:4], np.float32([[0.3, np.inf, np.nan], [0.4, 1, 1]]))
    np.testing.assert_allclose(w[:, 0], [0.6, 0.8], rtol=1e-6)
    np.testing.assert_array_equal(v, [3, 4])


# ---- scale_list ----


def scaled(sizes, factor):
    arrays = [normals(n, seed=i) for i, n in enumerate(sizes)]
    _kernels.scale_list(arrays, factor)
    return arrays


@pytest.mark.parametrize("sizes", SIZES)
def test_scale(isa, sizes):
    check_kernel(isa, scaled, SIZES[sizes], 0.3, exact=True)


def test_scale_same_bits_on_threads():
    check_same_on_threads(scaled, [20 * CHUNK + 3, 7, CHUNK], 0.7)


# ---- what does not fit changes nothing ----


def frozen(array):
    array.flags.writeable = False
    return array


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


BAD = {
    "list": ({"param": [1.0]}, TypeError, r"params\[1\].data must be an ndarray, got list"),
    "integers": ({"param": zeros(4, dtype=np.int32)}, TypeError, r"params\[1\].*float64, got"),
    "swapped": ({"param": zeros(4, dtype=">f4")}, TypeError, r"params\[1\].*float64, got >f4"),
    "read_only": ({"param": frozen(zeros(4))}, ValueError, r"params\[1\].data must be writable"),
    "strided": ({"param": zeros(8)[::2]}, ValueError, r"params\[1\].data must be contiguous"),
    "grad_shape": ({"grad": zeros(2, 2)}, ValueError, r"params\[1\].grad .* \(4,\), got \(2, 2\)"),
    "grad_list": ({"grad": [0.0] * 4}, TypeError, r"params\[1\].grad must be an ndarray or None"),
    "grad_complex": ({"grad": zeros(4, dtype=complex)}, TypeError, "grad must hold real numbers"),
    "state_shape": ({"state": (zeros(3),)}, ValueError, r"of params\[1\].*float32 \(3,\)"),
    "state_type": ({"state": (zeros(4, dtype=np.float64),)}, ValueError, "got float64"),
    "state_none": ({"state": (None,), "law": "adagrad"}, ValueError, "got NoneType"),
    "no_state": ({"state": (), "law": "adagrad"}, ValueError, "takes 1 to 3 states"),
    "step": ({"step": 0}, ValueError, "a step from 1"),
    "no_rule": ({"rule": None}, TypeError, "needs a rule"),
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_argument(bad):
    change, error, message = BAD[bad]
    rule = _kernels.UpdateRule(change.get("law", "sgd"), lr=0.1)
    good = np.ones(4, np.float32)
    state = np.ones(4, np.float32)
    with pytest.raises(error, match=message):
        _kernels.update(
            [good, change.get("param", zeros(4))],
            [np.ones(4, np.float32), change.get("grad", zeros(4))],
            [(state,), change.get("state", (zeros(4),))],
            [rule, change.get("rule", rule)],
            [1, change.get("step", 1)],
        )
    assert (good == 1).all() and (state == 1).all()


def test_lengths_differ():
    with pytest.raises(ValueError, match="one length, got 1, 0, 1, 1, 1"):
        _kernels.update([zeros(1)], [], [()], [_kernels.UpdateRule("sgd", lr=1)], [1])


def test_unknown_law():
    with pytest.raises(ValueError, match="law must be one of .*, got 'newton'"):
        _kernels.UpdateRule("newton", lr=1)


def test_shared_memory():
    """Two parameters on the same memory are refused; a gradient on a parameter is copied."""
    base = np.ones(10, np.float32)
    rule = _kernels.UpdateRule("sgd", lr=0.5)
    params = [base[:6], np.ones(3, np.float32), base[5:]]
    grads = [np.ones(p.shape, np.float32) for p in params]
    with pytest.raises(ValueError, match=r"params\[0\] and params\[2\] share memory"):
        _kernels.update(params, grads, [()] * 3, [rule] * 3, [1] * 3)
    assert (base == 1).all()
    with pytest.raises(ValueError, match=r"arrays\[0\] and arrays\[2\] share memory"):
        _kernels.scale_list(params, 2)

    first, second = base[:5], base[5:]
    _kernels.update([first, second], [second, first], [()] * 2, [rule] * 2, [1] * 2)
    np.testing.assert_array_equal(base, np.full(10, 0.5, np.float32))


@pytest.mark.parametrize("grad", ["strided", "float64", "integers", "swapped", "read_only"])
def test_any_gradient(grad):
    g = {
        "strided": np.arange(8, dtype=np.float32)[::2],
        "float64": np.arange(0, 8, 2, dtype=np.float64),
        "integers": np.arange(0, 8, 2),
        "swapped": np.arange(0, 8, 2).astype(">f4"),
        "read_only": frozen(np.arange(0, 8, 2, dtype=np.float32)),
    }[grad]
    p = np.zeros(4, np.float32)
    _kernels.update([p], [g], [()], [_kernels.UpdateRule("sgd", lr=0.5)], [1])
    np.testing.assert_array_equal(p, np.float32([0, -1, -2, -3]))
