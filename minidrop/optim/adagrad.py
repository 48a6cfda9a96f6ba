"""Adagrad: the more a weight has moved, the smaller its steps."""

from .optimizer import Optimizer
from .options import not_negative


class Adagrad(Optimizer):
    """s = s + g^2, p = p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps) at step t
    (Duchi, Hazan and Singer, 2011, "Adaptive subgradient methods").

    params, weight_decay, l1, l2, max_norm: see Optimizer. lr, lr_decay, eps: at least 0.
    initial_accumulator_value: s before the first step, at least 0.
    """

    law = "adagrad"
    slots = ("sum",)
    options = {
        "lr": not_negative,
        "lr_decay": not_negative,
        "eps": not_negative,
        "initial_accumulator_value": not_negative,
    }

    def __init__(
        self,
        params,
        lr=1e-2,
        lr_decay=0.0,
        weight_decay=0.0,
        initial_accumulator_value=0.0,
        eps=1e-10,
        *,
        l1=0.0,
        l2=0.0,
        max_norm=None,
    ):
        super().__init__(
            params,
            dict(lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps, l1=l1, l2=l2,
                 initial_accumulator_value=initial_accumulator_value, max_norm=max_norm),
        )  # fmt: skip

    def _rule(self, options):
        return super()._rule(options, lr_decay=options["lr_decay"], eps=options["eps"])

    def _first(self, name, options):
        return options["initial_accumulator_value"]
