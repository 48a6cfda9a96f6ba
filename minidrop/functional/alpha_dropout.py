"""Dropout for self-normalizing networks: the value, and the closure that returns its gradient.

A dropped unit becomes SELU's lower limit l = -scale alpha, not 0, and then all is mapped by
a x + b. With q = 1 - p and an input of mean 0 and variance 1, the units have mean p l and variance
q + p q l^2 before the map, so that a = (q + p q l^2)^(-1/2) and b = -a p l give 0 and 1 again.
"""

from .address import checked_address
from .channel_dropout import between
from .dropout import check_mask, check_p, keep_of, masked
from .operands import as_tensor

LIMIT = -1.0507009873554805 * 1.6732632423543772  # of SELU for x -> -inf


def alpha_law(p):
    """(scale, shift, dropped): a, b, and a l + b. All 0 for p = 1, the limit."""
    keep = keep_of(p)
    if keep == 0:
        return 0.0, 0.0, 0.0
    a = (keep + keep * (1 - keep) * LIMIT**2) ** -0.5
    return a, -a * (1 - keep) * LIMIT, a * keep * LIMIT


def alpha_dropout(x, p, *, training, seed=None, stream=0, call=0, offset=0, mask="bits"):
    """Dropout that keeps mean 0 and variance 1: a dropped element becomes the lower limit of SELU,
    -1.7581, and the whole is mapped back to that mean and variance. For networks of SELU with
    LeCun-normal weights. Klambauer et al. 2017, "Self-normalizing neural networks".

    x: float, any shape. training=False and p = 0 return x itself; p = 1 gives zeros. The other
    arguments, and the mask, are `dropout`'s. An inf or NaN that is dropped leaves nothing.
    TypeError or ValueError for a p that is no number in [0, 1] and an unknown mask.
    """
    p, mask, x = check_p(p), check_mask(mask), as_tensor(x)
    if not training or p == 0:
        return x
    where = (*checked_address(seed, stream, call), offset)
    return masked("alpha_dropout", x, p, alpha_law(p), where, mask)


def feature_alpha_dropout(x, p, *, training, seed=None, stream=0, call=0, offset=0, mask="bits"):
    """alpha_dropout (Klambauer et al. 2017) of whole channels: one decision for each sample and
    channel. x: (n, ..., channels), float, at least one axis in between. offset is in elements of
    the mask (n, channels). ValueError for other ranks."""
    p, mask, x = check_p(p), check_mask(mask), as_tensor(x)
    if x.ndim < 3:
        raise ValueError(f"feature_alpha_dropout: x must be (n, ..., channels), got shape {x.shape}"
                         "; alpha_dropout takes any shape")
    if not training or p == 0:
        return x
    where = (*checked_address(seed, stream, call), offset)
    return masked("feature_alpha_dropout", x, p, alpha_law(p), where, mask, between(x))
