"""Metrics: numbers that say how good predictions are, and their means over many batches.

A metric is a function of (outputs, targets), NumPy arrays with one entry a sample on the first
axis. It returns either one value for each sample, an array (n,), or their mean, a single number;
values for each sample make the mean over batches of different sizes exact.
"""

from collections.abc import Iterable

import numpy as np


def accuracy(outputs, targets):
    """Whether each sample is classified correctly: float64 (n,) of 0 and 1.

    outputs (n, ..., classes) with integer targets (n, ...): right where the largest output is the
        target's; a sample with more than one target counts with its share of right ones.
    outputs (n, classes) with targets of that shape (one-hot or smoothed labels): right where the
        largest output is at the largest target.
    outputs (n,) or (n, 1) with as many targets, all 0 or 1: logits of the class 1, right where
        positive and 1, or not positive and 0.

    Raises ValueError where the shapes are none of these.
    """
    n = len(outputs)
    if outputs.ndim == targets.ndim + 1 and outputs.ndim >= 2 and outputs.shape[-1] > 1:
        if outputs.shape[:-1] == targets.shape:
            right = outputs.argmax(axis=-1) == targets
            return right.reshape(n, -1).mean(axis=1) if n else np.zeros(0)
    elif outputs.shape == targets.shape and outputs.ndim == 2 and outputs.shape[1] > 1:
        return (outputs.argmax(axis=1) == targets.argmax(axis=1)).astype(np.float64)
    elif outputs.size == targets.size == n and np.isin(targets, (0, 1)).all():
        right = (outputs.reshape(n) > 0) == (targets.reshape(n) > 0)
        return right.astype(np.float64)
    raise ValueError(
        f"accuracy needs class labels, got outputs of shape {outputs.shape} and targets of shape "
        f"{targets.shape} and dtype {targets.dtype}; for anything else pass other metrics="
    )


_METRICS = {"accuracy": accuracy}


def as_metrics(metrics):
    """{name: function} for a sequence of names and functions; a function has its own name.

    Raises ValueError for an unknown name or one used twice, TypeError for anything else.
    """
    if isinstance(metrics, str) or callable(metrics):
        metrics = (metrics,)
    if not isinstance(metrics, Iterable):
        raise TypeError(f"metrics must be names and functions, got {metrics!r}")
    chosen = {}
    for metric in metrics:
        if isinstance(metric, str):
            if metric not in _METRICS:
                raise ValueError(
                    f"metrics must be names in {sorted(_METRICS)} or functions, got {metric!r}"
                )
            name, function = metric, _METRICS[metric]
        elif callable(metric):
            name, function = getattr(metric, "__name__", type(metric).__name__), metric
        else:
            raise TypeError(f"metrics must be names and functions, got {metric!r}")
        if name in chosen or name in ("loss", "seconds"):
            raise ValueError(f"metrics must have names of their own, got {name!r} twice")
        chosen[name] = function
    return chosen


class Totals:
    """The mean of the loss and of each metric over the samples seen so far."""

    def __init__(self, metrics):
        self.metrics = metrics
        self.count = 0
        self.sums = dict.fromkeys(("loss", *metrics), 0.0)

    def measure(self, loss, outputs, targets):
        """What to add for a batch, of which `loss` is the mean: {name: sum over the samples}."""
        n = len(outputs)
        sums = {"loss": loss * n}
        for name, metric in self.metrics.items():
            value = np.asarray(metric(outputs, targets), dtype=np.float64)
            if value.shape not in ((), (n,)):
                raise ValueError(
                    f"metrics: {name} must return one number or shape ({n},) for a batch of {n}, "
                    f"got shape {value.shape}"
                )
            sums[name] = float(value.sum()) if value.shape else float(value) * n
        return n, sums

    def add(self, n, sums):
        self.count += n
        for name, value in sums.items():
            self.sums[name] += value

    def means(self):
        """{name: mean}; nan for all of them before the first sample."""
        return {
            name: value / self.count if self.count else float("nan")
            for name, value in self.sums.items()
        }
