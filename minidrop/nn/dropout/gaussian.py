"""Normal noise in the place of bits."""

from ... import functional as F
from .base import DropoutLayer


class GaussianDropout(DropoutLayer):
    """In training, multiply each element by normal noise of mean 1 and variance p / (1 - p), that
    of inverted dropout; in eval, return the input itself. Any shape.

    Srivastava et al. 2014, section 10; Wang and Manning 2013, "Fast dropout training". No mask is
    stored: the noise is drawn again for the gradient. inf and NaN are not dropped.

    p: in [0, 1): at 1 the variance is infinite. ValueError or TypeError for others. seed: see
    DropoutLayer.
    """

    def __init__(self, p=0.5, *, seed=None):
        super().__init__(p, seed)

    mask = "recompute"

    @property
    def p(self):
        """The probability to drop of the dropout with the same variance, in [0, 1)."""
        return self._p

    @p.setter
    def p(self, p):
        self._p = F.check_noisy_p(p, f"{type(self).__name__}: p")

    def drop(self, x):
        return F.gaussian_dropout(x, self.p, training=self.training, offset=self.offset(x),
                                  **self.address())


class GaussianNoise(DropoutLayer):
    """In training, add normal noise of mean 0 and standard deviation std; in eval, return the input
    itself. Any shape. Bishop 1995, "Training with noise is equivalent to Tikhonov regularization".

    std: in the unit of the input, a finite number of 0 or more; it may be set at any time.
    TypeError or ValueError for others. seed: see DropoutLayer. No noise is stored.
    """

    mask = "recompute"

    def __init__(self, std=1.0, *, seed=None):
        self.std = std
        self.start(seed)

    @property
    def p(self):
        """0: nothing is dropped. It cannot be set."""
        return 0.0

    @property
    def std(self):
        """The standard deviation of the noise."""
        return self._std

    @std.setter
    def std(self, std):
        self._std = F.check_std(std, f"{type(self).__name__}: std")

    def drop(self, x):
        return F.gaussian_noise(x, self.std, training=self.training, offset=self.offset(x),
                                **self.address())

    def extra_repr(self):
        return f"std={self.std:g}"
