"""Normal noise: the value, and the closure that returns its gradient."""

from math import isfinite, sqrt

from .. import _kernels
from ..tensor import node
from .address import checked_address
from .dropout import check_p, keep_of
from .operands import as_tensor


def check_std(std, name="std"):
    """std as a float. TypeError unless it is a number, ValueError unless it is finite and not
    negative."""
    if isinstance(std, (bool, str)):
        raise TypeError(f"{name} must be a number, got {std!r}")
    try:
        number = float(std)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {std!r}") from None
    if not (isfinite(number) and number >= 0):
        raise ValueError(f"{name} must be a finite number of 0 or more, got {std!r}")
    return number


def check_noisy_p(p, name="p"):
    """p as check_p has it, and below 1, where the noise has no variance any more."""
    p = check_p(p, name)
    if keep_of(p) == 0:
        raise ValueError(f"{name} must be below 1, where the variance p / (1 - p) is infinite, "
                         f"got {p!r}")
    return p


def gaussian_dropout(x, p, *, training, seed=None, stream=0, call=0, offset=0):
    """x times normal noise of mean 1 and variance p / (1 - p), which is what dropout's has.
    Srivastava et al. 2014, section 10, "Multiplicative Gaussian noise"; Wang and Manning 2013,
    "Fast dropout training".

    x: float, any shape. p: in [0, 1). training=False and p = 0 return x itself. seed, stream, call
    and offset are the address, as in `dropout`. The noise is drawn again in backward, and never
    stored. Nothing is quite dropped, so inf and NaN stay. ValueError or TypeError for other p.
    """
    p, x = check_noisy_p(p), as_tensor(x)
    if not training or p == 0:
        return x
    keep = keep_of(p)
    law = (sqrt((1 - keep) / keep), True, *checked_address(seed, stream, call), offset)

    def backward(dout):
        return (_kernels.gaussian(dout, *law),)

    return node(_kernels.gaussian(x.data, *law), (x,), backward, "gaussian_dropout")


def gaussian_noise(x, std, *, training, seed=None, stream=0, call=0, offset=0):
    """x plus normal noise of mean 0 and standard deviation std. Bishop 1995, "Training with noise
    is equivalent to Tikhonov regularization".

    x: float, any shape. std: 0 or more, in the unit of x. training=False and std = 0 return x
    itself. seed, stream, call and offset are the address, as in `dropout`. ValueError or TypeError
    for a std that is not a finite number of 0 or more.
    """
    std, x = check_std(std), as_tensor(x)
    if not training or std == 0:
        return x
    y = _kernels.gaussian(x.data, std, False, *checked_address(seed, stream, call), offset)
    return node(y, (x,), lambda dout: (dout,), "gaussian_noise")
