"""Dropout for self-normalizing networks."""

from ... import functional as F
from .base import DropoutLayer


class AlphaDropout(DropoutLayer):
    """In training, set each element with probability p to the lower limit of SELU, -1.7581, and map
    the whole so that mean 0 and variance 1 stay; in eval, return the input itself. Any shape.

    Klambauer et al. 2017, "Self-normalizing neural networks": put it after SELU, in a network whose
    weights are initialised by `nn.init.lecun_normal_`. With q = 1 - p and l = -1.7581, what is kept
    becomes a x + b and what is dropped a l + b, a = (q + p q l^2)^(-1/2), b = -a p l; p = 1 gives
    zeros.

    p, seed: see DropoutLayer; mask: see Dropout. TypeError or ValueError for a p that is no number
    in [0, 1] and an unknown mask.
    """

    def __init__(self, p=0.5, *, mask="bits", seed=None):
        self.mask = F.check_mask(mask)
        super().__init__(p, seed)

    def drop(self, x):
        return F.alpha_dropout(x, self.p, training=self.training, mask=self.mask,
                               offset=self.offset(x), **self.address())


class FeatureAlphaDropout(AlphaDropout):
    """AlphaDropout of whole channels: in training, one decision for each sample and channel of x
    (n, ..., channels), to the same shape; the law, the paper (Klambauer et al. 2017) and the
    arguments are AlphaDropout's. ValueError for an input that has no axis between the first and
    the last."""

    def mask_shape(self, x):
        return F.without_axes(x.shape, range(1, len(x.shape) - 1))

    def drop(self, x):
        if x.ndim < 3:
            raise ValueError("FeatureAlphaDropout: x must be (n, ..., channels), got shape "
                             f"{x.shape}; AlphaDropout takes any shape")
        return F.feature_alpha_dropout(x, self.p, training=self.training, mask=self.mask,
                                       offset=self.offset(x), **self.address())
