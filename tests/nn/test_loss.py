"""Losses as modules: values by hand, reductions, arguments."""

import numpy as np
import pytest
from helpers import assert_close, assert_same_bits, normals

import minidrop.functional as F
from minidrop.nn import BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, MSELoss, NLLLoss

LABELS = np.array([2, 0, 1])


def logits(shape=(3, 4)):
    return normals(shape, seed=3)


def log_softmax(x):
    x = x.astype(np.float64)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1])
def test_cross_entropy(smoothing):
    x = logits()
    target = np.eye(4)[LABELS] * (1 - smoothing) + smoothing / 4
    expected = np.float32(-(log_softmax(x) * target).sum() / 3)
    assert_close(CrossEntropyLoss(label_smoothing=smoothing)(x, LABELS).data, expected)


def test_uniform_logits_give_log_of_the_classes():
    loss = CrossEntropyLoss()(np.zeros((5, 10), np.float32), np.arange(5))
    assert_close(loss.data, np.float32(np.log(10)))


def test_nll_loss_is_cross_entropy_after_log_softmax():
    x = logits()
    got = NLLLoss()(F.log_softmax(x), LABELS)
    assert_close(got.data, CrossEntropyLoss()(x, LABELS).data)


def test_elementwise_losses():
    x, target = np.float32([1, -2, 3]), np.float32([0, 1, 1])
    assert_close(MSELoss()(x, target).data, np.float32((1 + 9 + 4) / 3))
    assert_close(L1Loss()(x, target).data, np.float32((1 + 3 + 2) / 3))
    p = 1 / (1 + np.exp(-x.astype(np.float64)))
    expected = -(target * np.log(p) + (1 - target) * np.log(1 - p)).mean()
    assert_close(BCEWithLogitsLoss()(x, target).data, np.float32(expected))


@pytest.mark.parametrize("kind", [MSELoss, L1Loss, BCEWithLogitsLoss])
def test_reductions(kind):
    x, target = logits(), np.abs(logits((3, 4))[::-1])
    each = kind(reduction="none")(x, target)
    assert each.shape == (3, 4)
    assert_close(kind(reduction="sum")(x, target).data, each.data.sum(), scale=10)
    assert_close(kind()(x, target).data, each.data.mean(), scale=10)


def test_reductions_of_rows():
    each = CrossEntropyLoss(reduction="none")(logits(), LABELS)
    assert each.shape == (3,)
    assert_close(CrossEntropyLoss(reduction="sum")(logits(), LABELS).data, each.data.sum())
    assert_same_bits(NLLLoss(reduction="none")(F.log_softmax(logits()), LABELS).shape, (3,))


def test_gradient_goes_through():
    x = F.mul(logits(), 1)
    x.requires_grad = True
    CrossEntropyLoss()(x, LABELS).backward()
    probabilities = np.exp(log_softmax(x.data))
    assert_close(x.grad, ((probabilities - np.eye(4)[LABELS]) / 3).astype(np.float32))


@pytest.mark.parametrize(
    ("smoothing", "error"),
    [(-0.1, ValueError), (1.1, ValueError), (float("nan"), ValueError), ("0.1", TypeError)],
)
def test_bad_label_smoothing(smoothing, error):
    with pytest.raises(error, match="label_smoothing must be"):
        CrossEntropyLoss(label_smoothing=smoothing)


@pytest.mark.parametrize("kind", [CrossEntropyLoss, NLLLoss, MSELoss, L1Loss, BCEWithLogitsLoss])
def test_bad_reduction(kind):
    with pytest.raises(ValueError, match="reduction must be .* got 'avg'"):
        kind(reduction="avg")


@pytest.mark.parametrize("labels", [[4, 0, 0], [-1, 0, 0], [0, 0], [[0], [0], [0]]])
def test_bad_labels(labels):
    with pytest.raises(ValueError, match="labels"):
        CrossEntropyLoss()(logits(), labels)
    with pytest.raises(TypeError, match="labels"):
        CrossEntropyLoss()(logits(), np.float32([0, 1, 2]))


def test_repr():
    assert repr(CrossEntropyLoss()) == "CrossEntropyLoss()"
    assert repr(CrossEntropyLoss(0.1, "sum")) == (
        "CrossEntropyLoss(label_smoothing=0.1, reduction='sum')"
    )
    assert repr(MSELoss("none")) == "MSELoss(reduction='none')"
