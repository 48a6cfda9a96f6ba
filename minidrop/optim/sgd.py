"""Stochastic gradient descent, with momentum."""

from .optimizer import Optimizer
from .options import flag, not_negative


class SGD(Optimizer):
    """v = momentum v + g, p = p - lr v; with nesterov, p = p - lr (g + momentum v).

    params, weight_decay, l1, l2, max_norm: see Optimizer. lr: the learning rate, at least 0.
    momentum: at least 0. nesterov: look ahead along v (Sutskever et al., 2013); needs a momentum.
    """

    law = "sgd"
    slots = ("momentum_buffer",)
    options = {"lr": not_negative, "momentum": not_negative, "nesterov": flag}

    def __init__(
        self,
        params,
        lr,
        momentum=0.0,
        nesterov=False,
        weight_decay=0.0,
        *,
        l1=0.0,
        l2=0.0,
        max_norm=None,
    ):
        super().__init__(
            params,
            dict(lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay, l1=l1,
                 l2=l2, max_norm=max_norm),
        )  # fmt: skip

    def _checked(self, group):
        options = super()._checked(group)
        if options["nesterov"] and not options["momentum"]:
            raise ValueError("nesterov=True needs a momentum above 0, got momentum=0")
        return options

    def _rule(self, options):
        return super()._rule(options, momentum=options["momentum"], nesterov=options["nesterov"])

    def _slots(self, options):
        return self.slots if options["momentum"] else ()
