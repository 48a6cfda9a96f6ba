"""Dropout of whole channels."""

from ... import functional as F
from .base import DropoutLayer

_RANKS = {3: "Dropout1d", 4: "Dropout2d", 5: "Dropout3d"}


class _ChannelDropout(DropoutLayer):
    """A class for each rank, which says the rank and the function."""

    thins = True

    def __init__(self, p=0.5, *, mask="bits", seed=None):
        self.mask = F.check_mask(mask)
        super().__init__(p, seed)

    def mask_shape(self, x):
        return F.without_axes(x.shape, range(1, len(x.shape) - 1))

    def drop(self, x):
        F.check_rank(x, self.rank, _RANKS[self.rank], _RANKS)
        return self.function(x, self.p, training=self.training, mask=self.mask,
                             offset=self.offset(x), **self.address())


class Dropout1d(_ChannelDropout):
    """In training, drop whole channels of x (n, length, channels): one decision for each sample and
    channel; what is kept is divided by 1 - p. In eval, return the input itself. Tompson et al.
    2015; Keras' name is SpatialDropout1d. ValueError for an input of another rank. See
    Dropout2d."""

    rank, function = 3, staticmethod(F.dropout1d)


class Dropout2d(_ChannelDropout):
    """In training, drop whole channels of x (n, height, width, channels): one decision for each
    sample and channel; what is kept is divided by 1 - p. In eval, return the input itself.

    Tompson et al. 2015, "Efficient object localization using convolutional networks", where
    neighbouring pixels are so much alike that dropping single ones drops nothing. Keras' name is
    SpatialDropout2d.

    p, seed: see DropoutLayer; mask: see Dropout, at one bit a channel of a sample. ValueError for
    an input of another rank; it names the class that takes it.
    """

    rank, function = 4, staticmethod(F.dropout2d)


class Dropout3d(_ChannelDropout):
    """In training, drop whole channels of x (n, depth, height, width, channels): one decision for
    each sample and channel; what is kept is divided by 1 - p. In eval, return the input itself.
    Tompson et al. 2015; Keras' name is SpatialDropout3d. ValueError for an input of another rank.
    See Dropout2d."""

    rank, function = 5, staticmethod(F.dropout3d)


SpatialDropout1d, SpatialDropout2d, SpatialDropout3d = Dropout1d, Dropout2d, Dropout3d
