"""ConcreteDropout: the rate is learned."""

import math

import numpy as np

from ... import functional as F
from ..arguments import real
from ..module import checked_layer
from ..parameter import Parameter
from .base import DropoutLayer

LEAST = 1e-26  # the rate of a logit of -60, beyond which the function does not go


class ConcreteDropout(DropoutLayer):
    """Dropout whose rate is a parameter, learned with the others: in training, x (1 - z) / (1 - p),
    where the shares z are between 0 and 1, nearly all of them near one of both, and have a
    gradient. In eval the input is returned itself. Any shape. Gal, Hron and Kendall 2017, "Concrete
    dropout".

    p: the rate to begin with, above 0 and below 1; afterwards the present one. It is sigmoid of the
    Parameter `logit`, of shape (1,), and may be set. layer: a Linear or another module behind the
    dropout, called with what it gives, or None. temperature: of the relaxation, the paper's is 0.1.
    seed: see DropoutLayer.

    A rate that only the loss decides falls to 0; what holds it up is `regularization()`, which is
    to be added to the loss:

        def loss(output, target):
            return cross_entropy(output, target) + dropout.regularization()

    weight_regularizer, dropout_regularizer: its two factors. With prior length scale l, model
    precision tau and N training samples, the paper has l^2 / (tau N) and 2 / (tau N) for a
    regression; for cross entropy tau is 1, and the second is 1 / N.

    TypeError or ValueError for other p, a layer that is no module, negative factors, and a
    temperature outside [0.001, 1000].
    """

    def __init__(self, p=0.1, *, layer=None, weight_regularizer=1e-6, dropout_regularizer=1e-5,
                 temperature=0.1, seed=None):
        self.layer = None if layer is None else checked_layer("ConcreteDropout: layer", layer)
        self.weight_regularizer = real("weight_regularizer", weight_regularizer, 0)
        self.dropout_regularizer = real("dropout_regularizer", dropout_regularizer, 0)
        self.temperature = real("temperature", temperature, 1e-3, 1e3)
        self.features = None  # values of a sample that are dropped together: known when one came
        self.logit = Parameter(np.array([_logit(p)], np.float32))
        super().__init__(p, seed)

    @property
    def p(self):
        """The present rate. Setting it takes a number above 0 and below 1, else TypeError or
        ValueError."""
        logit = float(self.logit.data[0])
        small = math.exp(-abs(logit))  # which cannot overflow
        return (1 if logit > 0 else small) / (1 + small)

    @p.setter
    def p(self, p):
        self.logit.data[0] = _logit(p)

    def drop(self, x):
        y = F.concrete_dropout(x, self.logit, training=self.training, offset=self.offset(x),
                               temperature=self.temperature, **self.address())
        self.features = y.shape[-1] if y.ndim else 1
        return y if self.layer is None else self.layer(y)

    def regularization(self):
        """What to add to the loss, a tensor of shape (): see `F.concrete_regularization`. Its
        weight is that of `layer`, if it has one; its number of features the last axis of what came
        last. RuntimeError before the first forward."""
        if self.features is None:
            raise RuntimeError("ConcreteDropout: regularization() needs a forward before it, which "
                               "tells how many features there are")
        return F.concrete_regularization(
            self.logit, getattr(self.layer, "weight", None), self.features,
            weight_regularizer=self.weight_regularizer,
            dropout_regularizer=self.dropout_regularizer,
        )  # fmt: skip

    def extra_repr(self):
        return f"p={self.p:.3g}, temperature={self.temperature:g}"


def _logit(p):
    p = F.check_p(p, "ConcreteDropout: p")
    if not LEAST <= p < 1:
        raise ValueError(f"ConcreteDropout: p must be above 0 ({LEAST} at least) and below 1, "
                         f"got {p!r}")
    return math.log(p / (1 - p))
