"""Losses as modules: each calls the function of its name.

reduction: "mean" gives the mean of all losses, "sum" their sum, "none" each of them.
"""

from .. import functional as F
from .arguments import real
from .module import Module


class _Loss(Module):
    """A loss with a reduction."""

    def __init__(self, reduction="mean"):
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
        self.reduction = reduction

    def extra_repr(self):
        return "" if self.reduction == "mean" else f"reduction={self.reduction!r}"


class CrossEntropyLoss(_Loss):
    """-log softmax(logits)[target] of each row: logits (..., classes), integer target (...).

    label_smoothing: how much of the target is spread evenly over all classes, 0 to 1 (Szegedy et
    al. 2016, "Rethinking the inception architecture").
    """

    def __init__(self, label_smoothing=0.0, reduction="mean"):
        super().__init__(reduction)
        self.label_smoothing = real("label_smoothing", label_smoothing, 0, 1)

    def forward(self, logits, target):
        return F.cross_entropy(logits, target, self.reduction, self.label_smoothing)

    def extra_repr(self):
        parts = [f"label_smoothing={self.label_smoothing}"] * (self.label_smoothing > 0)
        return ", ".join(parts + [super().extra_repr()] * (self.reduction != "mean"))


class NLLLoss(_Loss):
    """-log_probabilities[target] of each row: what CrossEntropyLoss is after a LogSoftmax."""

    def forward(self, log_probabilities, target):
        return F.nll_loss(log_probabilities, target, self.reduction)


class MSELoss(_Loss):
    """(x - target)^2."""

    def forward(self, x, target):
        return F.mse_loss(x, target, self.reduction)


class L1Loss(_Loss):
    """|x - target|."""

    def forward(self, x, target):
        return F.l1_loss(x, target, self.reduction)


class BCEWithLogitsLoss(_Loss):
    """The binary cross-entropy of sigmoid(logits) and targets from 0 to 1, computed from the
    logits, so that no logarithm overflows."""

    def forward(self, logits, target):
        return F.binary_cross_entropy_with_logits(logits, target, self.reduction)
