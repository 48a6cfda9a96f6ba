"""DropBlock: dropout of neighbouring pixels."""

from ... import functional as F
from .base import DropoutLayer


class DropBlock2d(DropoutLayer):
    """In training, drop squares of block_size x block_size pixels, so that about a share p of x is
    0, and scale what is kept of each sample by (elements of its mask) / (kept ones); in eval,
    return the input itself. x: (n, height, width, channels), to the same shape.

    Ghiasi, Lin and Le 2018, "DropBlock: a regularization method for convolutional networks"; p is
    their 1 - keep_prob. Each channel has its own blocks, as in their experiments; shared=True gives
    one mask to all channels of a sample. A block larger than the image becomes as large as it, as
    in their code; block_size 1 is Dropout. See `F.drop_block2d` for the law.

    p, seed: see DropoutLayer. mask: "bits" keeps one bit an element (shared: a pixel) for the
    gradient, "recompute" none. ValueError for an input of another rank, TypeError or ValueError
    for a block_size that is no positive int.
    """

    def __init__(self, p=0.1, block_size=7, *, shared=False, mask="bits", seed=None):
        self.block_size = F.check_size(block_size, "DropBlock2d: block_size")
        if not isinstance(shared, bool):
            raise TypeError(f"DropBlock2d: shared must be True or False, got {shared!r}")
        self.mask = F.check_mask(mask)
        super().__init__(p, seed)
        self.shared = shared

    def mask_shape(self, x):
        return (*x.shape[:-1], 1) if self.shared else x.shape

    def drop(self, x):
        return F.drop_block2d(x, self.p, self.block_size, training=self.training,
                              shared=self.shared, mask=self.mask, offset=self.offset(x),
                              **self.address())

    def extra_repr(self):
        return f"p={self.p:g}, block_size={self.block_size}" + ", shared=True" * self.shared
