"""Stochastic depth."""

from ... import functional as F
from ..arguments import integer
from .base import DropoutLayer


class DropPath(DropoutLayer):
    """In training, make each sample of x (n, ...) as a whole 0 with probability p, and divide it by
    1 - p otherwise; in eval, return the input itself. It stands at the end of the branch of a
    residual block, `x + drop_path(block(x))`, which so is skipped by some samples.

    Huang et al. 2016, "Deep networks with stochastic depth"; a decision for each sample instead of
    each batch. p, seed: see DropoutLayer; mask: see Dropout, at one bit a sample. ValueError for an
    input without axes. `DropPath.rates` gives their linear schedule over depth.
    """

    thins = True

    def __init__(self, p=0.5, *, mask="bits", seed=None):
        self.mask = F.check_mask(mask)
        super().__init__(p, seed)

    @staticmethod
    def rates(p, depth):
        """The rates of blocks 1 .. depth, a list: they grow linearly, block i has p i / depth, as
        in the paper, where the last has p = 0.5. ValueError or TypeError for a p that is no number
        in [0, 1] and a depth that is no int of 0 or more."""
        p, depth = F.check_p(p, "DropPath.rates: p"), integer("DropPath.rates: depth", depth, 0)
        return [p * i / depth for i in range(1, depth + 1)]

    def mask_shape(self, x):
        return F.without_axes(x.shape, range(1, len(x.shape)))

    def drop(self, x):
        return F.drop_path(x, self.p, training=self.training, mask=self.mask,
                           offset=self.offset(x), **self.address())
