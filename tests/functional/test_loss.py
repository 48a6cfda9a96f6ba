"""Losses: values against their formulas, gradients against differences, edges by name."""

import numpy as np
import pytest
from helpers import assert_close, assert_same_bits, normals

import minidrop.functional as F
from minidrop.gradcheck import gradcheck
from minidrop.tensor import Tensor

REDUCTIONS = ["mean", "sum", "none"]
every_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)
PAIRS = {
    "mse_loss": (F.mse_loss, lambda x, t: (x - t) ** 2),
    "l1_loss": (F.l1_loss, lambda x, t: np.abs(x - t)),
    "binary_cross_entropy_with_logits": (
        F.binary_cross_entropy_with_logits,
        lambda x, t: -t * np.log(1 / (1 + np.exp(-x))) - (1 - t) * np.log(1 / (1 + np.exp(x))),
    ),
}
each_pair = pytest.mark.parametrize("name", PAIRS)


def reduced(losses, reduction):
    return losses if reduction == "none" else getattr(np, reduction)(losses)


def numpy_cross_entropy(x, labels, smoothing=0.0):
    p = np.exp(x - x.max(-1, keepdims=True))
    log_p = np.log(p / p.sum(-1, keepdims=True))
    target = np.eye(x.shape[-1])[labels] * (1 - smoothing) + smoothing / x.shape[-1]
    return -(target * log_p).sum(-1)


@every_reduction
@pytest.mark.parametrize("smoothing", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("shape", [(7, 10), (3, 100), (2, 3, 4), (5, 1), (6,)])
def test_cross_entropy(shape, smoothing, reduction):
    x = normals(shape, 1, np.float64)
    labels = np.random.default_rng(2).integers(0, shape[-1], shape[:-1])
    loss = F.cross_entropy(x, labels, reduction, smoothing)
    assert loss.dtype == np.float64
    expected = reduced(numpy_cross_entropy(x, labels, smoothing), reduction)
    assert_close(loss.data, np.asarray(expected))
    single = F.cross_entropy(x.astype(np.float32), labels, reduction, smoothing)
    assert_close(single.data, np.asarray(expected, np.float32))
    gradcheck(lambda t: F.cross_entropy(t, labels, reduction, smoothing), x)


def test_cross_entropy_takes_labels_of_every_kind():
    x, labels = normals((4, 3)), [0, 2, 1, 1]
    expected = F.cross_entropy(x, np.array(labels)).data
    for given in (labels, tuple(labels), Tensor(labels), np.array(labels, np.uint8)):
        assert_same_bits(F.cross_entropy(x, given).data, expected)


def test_cross_entropy_is_log_softmax_and_nll():
    x, labels = Tensor(normals((8, 10)), requires_grad=True), np.arange(8)
    F.cross_entropy(x, labels).backward()
    together, x.grad = x.grad, None
    F.nll_loss(F.log_softmax(x), labels).backward()
    assert_close(together, x.grad)


def test_cross_entropy_weighs_the_gradient_that_comes():
    x, labels = Tensor(normals((8, 10)), requires_grad=True), np.arange(8)
    (F.cross_entropy(x, labels) * 3).backward()
    three, x.grad = x.grad, None
    F.cross_entropy(x, labels).backward()
    assert_close(three, 3 * x.grad)


def test_cross_entropy_gradient_is_not_shared():
    x = Tensor(normals((8, 10)), requires_grad=True)
    loss = F.cross_entropy(x, np.arange(8))
    loss.backward()
    first = x.grad.copy()
    F.cross_entropy(x, np.arange(8)).backward()  # added, not overwritten
    assert_close(x.grad, 2 * first)


def test_cross_entropy_without_gradient_asks_for_none():
    assert not F.cross_entropy(normals((8, 10)), np.arange(8)).requires_grad


@every_reduction
@pytest.mark.parametrize("shape", [(7, 10), (2, 3, 4), (6,)])
def test_nll_loss(shape, reduction):
    x = normals(shape, 1, np.float64)
    labels = np.random.default_rng(2).integers(0, shape[-1], shape[:-1])
    expected = -np.take_along_axis(x, labels[..., None], -1)[..., 0]
    assert_close(F.nll_loss(x, labels, reduction).data, np.asarray(reduced(expected, reduction)))
    gradcheck(lambda t: F.nll_loss(t, labels, reduction), x)


@pytest.mark.parametrize("op", [F.cross_entropy, F.nll_loss])
def test_labels_that_do_not_fit(op):
    x = normals((4, 3))
    with pytest.raises(ValueError, match=r"labels\[2\] is 3, but logits have 3 classes, 0 to 2"):
        op(x, [0, 1, 3, 7])
    with pytest.raises(ValueError, match=r"labels\[0\] is -1"):
        op(x, [-1, 1, 2, 0])
    with pytest.raises(TypeError, match="labels must be integers, got float32"):
        op(x, [0.0, 1.0, 2.0, 0.0])
    with pytest.raises(ValueError, match=r"labels must have shape \(4,\).* got \(3,\)"):
        op(x, [0, 1, 2])
    with pytest.raises(ValueError, match=r"labels must have shape \(4,\).* got \(4, 1\)"):
        op(x, [[0], [1], [2], [0]])


@each_pair
@every_reduction
def test_pair(name, reduction):
    op, formula = PAIRS[name]
    x, target = normals((3, 5), 1, np.float64), np.random.default_rng(2).random((3, 5))
    expected = np.asarray(reduced(formula(x, target), reduction))
    assert_close(op(x, target, reduction).data, expected)
    single = op(x.astype(np.float32), target.astype(np.float32), reduction)
    assert_close(single.data, expected.astype(np.float32))
    gradcheck(lambda a, b: op(a, b, reduction), (x, target))


def test_pair_takes_targets_of_integers():
    assert F.mse_loss(np.float32([1, 2]), [1, 4]).item() == 2
    assert F.binary_cross_entropy_with_logits(np.float32([0, 0]), [0, 1]).item() == np.float32(
        np.log(2)
    )


def test_binary_cross_entropy_of_zero_logits_has_a_gradient():
    x = Tensor(np.zeros(2, np.float32), requires_grad=True)
    F.binary_cross_entropy_with_logits(x, np.float32([0, 1]), "sum").backward()
    np.testing.assert_array_equal(x.grad, [0.5, -0.5])


@each_pair
def test_shapes_are_not_broadcast(name):
    expected = rf"{name}: target must have the shape of the input, \(4, 1\), got \(4,\)"
    with pytest.raises(ValueError, match=expected):
        PAIRS[name][0](normals((4, 1)), normals(4))


@each_pair
def test_float32_does_not_meet_float64(name):
    with pytest.raises(TypeError, match="float32 and float64 do not mix"):
        PAIRS[name][0](normals(4), normals(4, dtype=np.float64))


@pytest.mark.parametrize("name", [*PAIRS, "cross_entropy", "nll_loss"])
def test_empty_batch_has_a_mean_of_nan_and_a_sum_of_zero(name):
    x = Tensor(np.zeros((0, 5), np.float32), requires_grad=True)
    target = x.data if name in PAIRS else np.zeros(0, np.int64)
    op = getattr(F, name)
    with np.errstate(invalid="ignore"):
        loss = op(x, target)
    loss.backward()
    assert np.isnan(loss.item()) and x.grad.shape == (0, 5)
    assert op(x, target, reduction="sum").item() == 0
    assert op(x, target, reduction="none").shape[0] == 0


@pytest.mark.parametrize("name", [*PAIRS, "cross_entropy", "nll_loss"])
@pytest.mark.parametrize("bad", ["average", None, 1])
def test_reduction_is_one_of_three(name, bad):
    labels = np.zeros(3, np.int64) if name not in PAIRS else normals((3, 5))
    with pytest.raises(ValueError, match="reduction must be 'mean', 'sum' or 'none'"):
        getattr(F, name)(normals((3, 5)), labels, reduction=bad)
