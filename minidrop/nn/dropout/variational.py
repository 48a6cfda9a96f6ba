"""Dropout of features, the same ones at every time step."""

from ... import functional as F
from .base import DropoutLayer


class VariationalDropout(DropoutLayer):
    """In training, drop features of x (batch, time, features) for all time steps alike: one mask of
    (batch, features) a call; what is kept is divided by 1 - p. In eval, return the input itself.

    Gal and Ghahramani 2016, "A theoretically grounded application of dropout in recurrent neural
    networks"; also called locked dropout. p, seed: see DropoutLayer; mask: see Dropout. ValueError
    for an input of another rank.
    """

    thins = True

    def __init__(self, p=0.5, *, mask="bits", seed=None):
        self.mask = F.check_mask(mask)
        super().__init__(p, seed)

    def mask_shape(self, x):
        return F.without_axes(x.shape, (1,))

    def drop(self, x):
        return F.variational_dropout(x, self.p, training=self.training, mask=self.mask,
                                     offset=self.offset(x), **self.address())
