import math

import numpy as np
import pytest

from minidrop.train.metrics import Totals, accuracy, as_metrics


@pytest.mark.parametrize(
    "outputs, targets, expected",
    [
        ([[1, 2, 0], [5, 2, 3]], [1, 2], [1, 0]),
        ([[1, 2, 0], [5, 2, 3]], [[0.1, 0.8, 0.1], [0, 0, 1]], [1, 0]),
        ([[1, 2], [5, 2]], [[0, 1], [0, 1]], [1, 0]),
        ([0.5, -0.5, 0.0], [1, 1, 0], [1, 0, 1]),
        ([[0.5], [-0.5]], [1.0, 0.0], [1, 1]),
        ([[0.5], [-0.5]], [[0], [0]], [0, 1]),
        ([[[1, 0], [1, 0]], [[0, 1], [0, 1]]], [[0, 1], [1, 1]], [0.5, 1]),
        ([[1, 1]], [0], [1]),
    ],
    ids=["labels", "soft", "one_hot", "logits", "column", "columns", "sequence", "tie"],
)
def test_accuracy(outputs, targets, expected):
    assert accuracy(np.array(outputs, np.float32), np.array(targets)).tolist() == expected


@pytest.mark.parametrize("shape", [(0,), (0, 3)])
def test_accuracy_of_nothing(shape):
    assert accuracy(np.zeros((0, 3), np.float32), np.zeros(shape, int)).shape == (0,)


@pytest.mark.parametrize(
    "outputs, targets",
    [((4, 3), (5,)), ((4, 3), (4, 2)), ((4, 1), (4, 3)), ((4,), (4, 3)), ((4, 2, 3), (4, 3))],
)
def test_accuracy_of_shapes_that_do_not_fit(outputs, targets):
    with pytest.raises(ValueError, match="accuracy needs .* got outputs of shape"):
        accuracy(np.zeros(outputs), np.zeros(targets, int))


def test_accuracy_of_a_regression():
    with pytest.raises(ValueError, match="needs class labels"):
        accuracy(np.zeros((2, 1)), np.array([0.3, 1.0]))


def error_rate(outputs, targets):
    return 1 - accuracy(outputs, targets).mean()


def test_names_and_functions():
    assert as_metrics(("accuracy", error_rate)) == {"accuracy": accuracy, "error_rate": error_rate}
    assert as_metrics("accuracy") == as_metrics(accuracy) == {"accuracy": accuracy}
    assert as_metrics(()) == {}


@pytest.mark.parametrize(
    "error, metrics",
    [
        (ValueError, ["acuracy"]),
        (TypeError, [3]),
        (TypeError, 3),
        (TypeError, None),
        (ValueError, ["accuracy", accuracy]),
        (ValueError, [type("loss", (), {"__call__": lambda self, a, b: 0})()]),
    ],
)
def test_bad_metrics(error, metrics):
    with pytest.raises(error, match="metrics"):
        as_metrics(metrics)


def test_means_are_weighted_by_samples():
    totals = Totals(as_metrics((accuracy, error_rate)))
    for loss, labels in ((1.0, [0, 0, 0]), (5.0, [1])):
        outputs = np.array([[1.0, 0.0]] * len(labels))
        totals.add(*totals.measure(loss, outputs, np.array(labels)))
    assert totals.means() == {"loss": 2.0, "accuracy": 0.75, "error_rate": 0.25}


def test_means_of_nothing():
    assert all(math.isnan(value) for value in Totals(as_metrics("accuracy")).means().values())


def test_metric_with_a_wrong_shape():
    totals = Totals({"odd": lambda outputs, targets: np.zeros(3)})
    with pytest.raises(ValueError, match=r"odd must return .* for a batch of 4, got shape \(3,\)"):
        totals.measure(0.0, np.zeros((4, 2)), np.zeros(4, int))
