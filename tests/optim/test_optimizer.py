"""What an optimizer takes: options, parameters, groups."""

import numpy as np
import pytest
from helpers import assert_same_bits, normals

from minidrop import optim
from minidrop.tensor import Tensor


def parameter(*shape, seed=0):
    return Tensor(normals(shape, seed), requires_grad=True)


def parameters():
    return [parameter(4, 3), parameter(3, seed=1), parameter(2, 5, seed=2)]


@pytest.mark.parametrize(
    "optimizer", [optim.Adam, optim.AdamW, optim.RMSprop, optim.Adagrad, optim.Adadelta]
)
@pytest.mark.parametrize(
    "option, value, error",
    [
        ("weight_decay", -1, ValueError),
        ("weight_decay", float("inf"), ValueError),
        ("l1", -0.1, ValueError),
        ("l2", float("nan"), ValueError),
        ("max_norm", 0, ValueError),
        ("max_norm", "3", TypeError),
    ],
)
def test_bad_option(optimizer, option, value, error):
    with pytest.raises(error, match=f"{option} must be .*, got"):
        optimizer(parameters(), **{option: value})


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda p: optim.SGD(p, -0.1), "lr must be a finite number at least 0, got -0.1"),
        (lambda p: optim.SGD(p, float("nan")), "lr must .*, got nan"),
        (lambda p: optim.SGD(p, 10**400), "lr must fit a float"),
        (lambda p: optim.SGD(p, 0.1, momentum=-1), "momentum must .*, got -1"),
        (lambda p: optim.SGD(p, 0.1, nesterov=True), "nesterov=True needs a momentum"),
        (lambda p: optim.Adam(p, betas=(0.9, 1.0)), r"betas\[1\] must .* below 1, got 1"),
        (lambda p: optim.Adam(p, betas=(-0.1, 0.9)), r"betas\[0\] must .*, got -0.1"),
        (lambda p: optim.Adam(p, betas=0.9), "betas must be two numbers, got 0.9"),
        (lambda p: optim.Adam(p, eps=-1e-8), "eps must"),
        (lambda p: optim.RMSprop(p, alpha=1), "alpha must .* below 1, got 1"),
        (lambda p: optim.Adagrad(p, lr_decay=-1), "lr_decay must"),
        (lambda p: optim.Adagrad(p, initial_accumulator_value=-1), "accumulator_value must"),
        (lambda p: optim.Adadelta(p, rho=float("nan")), "rho must"),
    ],
)
def test_bad_number(make, message):
    with pytest.raises(ValueError, match=message):
        make(parameters())


@pytest.mark.parametrize("value", ["0.1", None, True, [0.1], 1j])
def test_no_number(value):
    with pytest.raises(TypeError, match="lr must be a number, got"):
        optim.SGD(parameters(), lr=value)


@pytest.mark.parametrize("value", [1, np.float32(0.5), np.int64(1), np.float64(0.25)])
def test_any_number(value):
    assert optim.SGD(parameters(), lr=value).param_groups[0]["lr"] == float(value)


@pytest.mark.parametrize(
    "params, error, message",
    [
        ([], ValueError, "at least one Tensor, got none"),
        (iter(()), ValueError, "at least one Tensor, got none"),
        ([{"params": []}], ValueError, "at least one Tensor, got none"),
        (5, TypeError, "params must be iterable, got int"),
        (parameter(2), TypeError, "params must be an iterable .* got Tensor"),
        ({parameter(2)}, TypeError, "got set, which has no order"),
        ({"params": []}, TypeError, "params must be an iterable .* got dict"),
        ("weights", TypeError, "got str"),
        ([np.ones(2)], TypeError, r"params\[0\] must be a Tensor, got ndarray"),
        ([("weight", parameter(2))], TypeError, r"params\[0\] must be a Tensor, got tuple"),
        ([Tensor([1.0])], ValueError, r"params\[0\] must be a leaf .* requires_grad=False"),
        ([{"params": [parameter(2)]}, parameter(2)], TypeError, "all Tensors or all dicts"),
        ([{"lr": 0.1}], ValueError, "needs 'params'"),
        ([{"params": parameter(2), "rate": 1}], ValueError, "SGD has no option rate; it has lr"),
        ([{"params": parameter(2), "lr": -1}], ValueError, "lr must"),
    ],
)
def test_bad_params(params, error, message):
    with pytest.raises(error, match=message):
        optim.SGD(params, lr=0.1)


def test_given_twice():
    p = parameter(2)
    with pytest.raises(ValueError, match=r"params\[1\], of shape \(2,\), is given twice"):
        optim.SGD([p, p], lr=0.1)
    optimizer = optim.SGD([p], lr=0.1)
    with pytest.raises(ValueError, match="twice"):
        optimizer.add_param_group({"params": p})
    assert len(optimizer.param_groups) == 1


# ---- groups ----


def test_groups():
    """Each group has its own options, and those that it does not name from the defaults."""
    a, b, c = parameters()
    given = {"params": (p for p in [b]), "lr": 0.01}
    optimizer = optim.SGD([{"params": [a]}, given], lr=1.0)
    optimizer.add_param_group({"params": c, "weight_decay": 1.0})
    assert set(given) == {"params", "lr"}, "the caller's dict is left alone"
    before = [p.data.copy() for p in (a, b, c)]
    for p in (a, b, c):
        p.grad = np.ones(p.shape, np.float32)
    optimizer.step()
    np.testing.assert_allclose(a.data, before[0] - 1)
    np.testing.assert_allclose(b.data, before[1] - np.float32(0.01), rtol=1e-6)
    np.testing.assert_allclose(c.data, np.full(c.shape, -1), atol=1e-6)


def test_changed_options_count():
    p = parameter(3)
    optimizer = optim.SGD([p], lr=1.0)
    p.grad = np.ones(3, np.float32)
    optimizer.param_groups[0]["lr"] = 0.25
    before = p.data.copy()
    optimizer.step()
    np.testing.assert_array_equal(p.data, before - np.float32(0.25))
    optimizer.param_groups[0]["momentum"] = 0.5  # begins to keep a buffer
    optimizer.step()
    assert optimizer.state[p].keys() == {"step", "momentum_buffer"}


def test_options_changed_within_a_list_count():
    p, q = parameter(3), parameter(3)
    betas = [0.9, 0.999]
    changed, expected = optim.Adam([p], lr=0.1), optim.Adam([q], lr=0.1)
    changed.param_groups[0]["betas"] = betas
    for value in (0.9, 0.5):
        betas[0], expected.param_groups[0]["betas"] = value, (value, 0.999)
        p.grad = q.grad = np.float32([1, 2, value])
        changed.step()
        expected.step()
    assert_same_bits(p.data, q.data)
    betas[0] = 1.0
    with pytest.raises(ValueError, match=r"betas\[0\] must .* below 1, got 1"):
        changed.step()


def test_repr():
    text = repr(optim.SGD([parameter(2)], lr=0.5, momentum=0.9))
    assert text.startswith("SGD(1 params, lr=0.5, momentum=0.9, nesterov=False")
