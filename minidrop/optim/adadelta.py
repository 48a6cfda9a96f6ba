"""Adadelta: steps in the units of the weights, without a learning rate to choose."""

from .optimizer import Optimizer
from .options import decay_rate, not_negative


class Adadelta(Optimizer):
    """v = lerp(v, g^2, 1 - rho), u = sqrt((a + eps) / (v + eps)) g, a = lerp(a, u^2, 1 - rho),
    p = p - lr u (Zeiler, 2012, "ADADELTA: an adaptive learning rate method").

    params, weight_decay, l1, l2, max_norm: see Optimizer. lr, eps: at least 0. rho: in [0, 1).
    """

    law = "adadelta"
    slots = ("square_avg", "acc_delta")
    options = {"lr": not_negative, "rho": decay_rate, "eps": not_negative}

    def __init__(
        self,
        params,
        lr=1.0,
        rho=0.9,
        eps=1e-6,
        weight_decay=0.0,
        *,
        l1=0.0,
        l2=0.0,
        max_norm=None,
    ):
        super().__init__(
            params,
            dict(lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, l1=l1, l2=l2,
                 max_norm=max_norm),
        )  # fmt: skip

    def _rule(self, options):
        return super()._rule(options, beta2=options["rho"], eps=options["eps"])
