"""RMSprop: steps in units of the gradient's recent size."""

from .optimizer import Optimizer
from .options import decay_rate, flag, not_negative


class RMSprop(Optimizer):
    """v = lerp(v, g^2, 1 - alpha), p = p - lr g / (sqrt(v) + eps)
    (Hinton, 2012, lecture 6 of "Neural networks for machine learning").

    params, weight_decay, l1, l2, max_norm: see Optimizer. lr, eps: at least 0. alpha: in [0, 1).
    momentum: b = momentum b + g / (sqrt(v) + eps), p = p - lr b. centered: the variance v - mean^2
    under the root, where mean = lerp(mean, g, 1 - alpha) (Graves, 2013).
    """

    law = "rmsprop"
    slots = ("square_avg", "grad_avg", "momentum_buffer")
    options = {
        "lr": not_negative,
        "alpha": decay_rate,
        "eps": not_negative,
        "momentum": not_negative,
        "centered": flag,
    }

    def __init__(
        self,
        params,
        lr=1e-2,
        alpha=0.99,
        eps=1e-8,
        weight_decay=0.0,
        momentum=0.0,
        centered=False,
        *,
        l1=0.0,
        l2=0.0,
        max_norm=None,
    ):
        super().__init__(
            params,
            dict(lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum,
                 centered=centered, l1=l1, l2=l2, max_norm=max_norm),
        )  # fmt: skip

    def _rule(self, options):
        return super()._rule(
            options, beta2=options["alpha"], eps=options["eps"], momentum=options["momentum"]
        )

    def _slots(self, options):
        mean = "grad_avg" if options["centered"] else None
        return "square_avg", mean, "momentum_buffer" if options["momentum"] else None
