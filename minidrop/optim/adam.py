"""Adam, and AdamW, which decays the weights beside it."""

from .optimizer import Optimizer
from .options import betas as two_rates
from .options import not_negative


class Adam(Optimizer):
    """m = lerp(m, g, 1 - betas[0]), v = lerp(v, g^2, 1 - betas[1]),
    p = p - lr (m / (1 - betas[0]^t)) / (sqrt(v / (1 - betas[1]^t)) + eps) at step t
    (Kingma and Ba, 2015, "Adam: a method for stochastic optimization").

    params, weight_decay, l1, l2, max_norm: see Optimizer. lr, eps: at least 0. betas: two numbers
    in [0, 1).
    """

    law = "adam"
    slots = ("exp_avg", "exp_avg_sq")
    options = {"lr": not_negative, "betas": two_rates, "eps": not_negative}

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.0,
        *,
        l1=0.0,
        l2=0.0,
        max_norm=None,
    ):
        super().__init__(
            params,
            dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, l1=l1, l2=l2,
                 max_norm=max_norm),
        )  # fmt: skip

    def _rule(self, options, **numbers):
        beta1, beta2 = options["betas"]
        return super()._rule(options, beta1=beta1, beta2=beta2, eps=options["eps"], **numbers)


class AdamW(Adam):
    """Adam, with a weight_decay that stays out of the gradient and its averages: p is first
    multiplied by 1 - lr weight_decay (Loshchilov and Hutter, 2019, "Decoupled weight decay
    regularization"). Arguments are those of Adam; l1 and l2 are still parts of the gradient.
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=1e-2,
        *,
        l1=0.0,
        l2=0.0,
        max_norm=None,
    ):
        super().__init__(params, lr, betas, eps, weight_decay, l1=l1, l2=l2, max_norm=max_norm)

    def _rule(self, options):
        coupled = options | {"weight_decay": 0.0}
        return super()._rule(coupled, decoupled_decay=options["weight_decay"])
