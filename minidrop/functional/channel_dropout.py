"""Dropout of whole channels, of features through time, and of whole samples: the law is that of
dropout, the mask smaller. One file because they differ by nothing but the axes that share a bit."""

from .address import checked_address
from .dropout import check_mask, check_p, inverted, masked
from .operands import as_tensor

CHANNELS_LAST = {3: "(n, length, channels)", 4: "(n, height, width, channels)",
                 5: "(n, depth, height, width, channels)"}  # fmt: skip


def check_rank(x, rank, name, names):
    """ValueError unless x has this rank; the error tells which of names, {rank: name}, fits."""
    if x.ndim != rank:
        fits = names.get(x.ndim)
        hint = f"; {fits} takes {CHANNELS_LAST[x.ndim]}" if fits else ""
        raise ValueError(f"{name}: x must be {CHANNELS_LAST[rank]}, got shape {x.shape}{hint}")


def between(x):
    """The axes between the first and the last."""
    return tuple(range(1, x.ndim - 1))


def shared_dropout(op, x, shared, p, training, seed, stream, call, offset, mask):
    """Inverted dropout of x, a tensor, with a mask that is shared along these axes."""
    p, mask = check_p(p), check_mask(mask)
    if not training or p == 0:
        return x
    where = (*checked_address(seed, stream, call), offset)
    return masked(op, x, p, inverted(p), where, mask, shared)


_RANKS = {3: "dropout1d", 4: "dropout2d", 5: "dropout3d"}


def dropout1d(x, p, *, training, seed=None, stream=0, call=0, offset=0, mask="bits"):
    """Dropout of whole channels: one decision for each sample and channel; what is kept is divided
    by 1 - p. Tompson et al. 2015. x: (n, length, channels), float; the mask is (n, 1, channels).
    ValueError for another rank. The other arguments: see `dropout2d`."""
    x = as_tensor(x)
    check_rank(x, 3, "dropout1d", _RANKS)
    return shared_dropout("dropout1d", x, (1,), p, training, seed, stream, call, offset, mask)


def dropout2d(x, p, *, training, seed=None, stream=0, call=0, offset=0, mask="bits"):
    """Dropout of whole channels: one decision for each sample and channel, since neighbours in a
    channel tell of each other. What is kept is divided by 1 - p. Tompson et al. 2015, "Efficient
    object localization using convolutional networks" (their SpatialDropout).

    x: (n, height, width, channels), float; the mask is (n, 1, 1, channels). p, training, seed,
    stream, call, offset (in elements of the mask) and mask as in `dropout`. ValueError for another
    rank; it names the function that takes it.
    """
    x = as_tensor(x)
    check_rank(x, 4, "dropout2d", _RANKS)
    return shared_dropout("dropout2d", x, (1, 2), p, training, seed, stream, call, offset, mask)


def dropout3d(x, p, *, training, seed=None, stream=0, call=0, offset=0, mask="bits"):
    """Dropout of whole channels: one decision for each sample and channel; what is kept is divided
    by 1 - p. Tompson et al. 2015. x: (n, depth, height, width, channels), float; the mask is
    (n, 1, 1, 1, channels). ValueError for another rank. The other arguments: see `dropout2d`."""
    x = as_tensor(x)
    check_rank(x, 5, "dropout3d", _RANKS)
    return shared_dropout("dropout3d", x, (1, 2, 3), p, training, seed, stream, call, offset, mask)


def variational_dropout(x, p, *, training, seed=None, stream=0, call=0, offset=0, mask="bits"):
    """Dropout of features for all time steps alike: one mask of (batch, features). What is kept is
    divided by 1 - p. Gal and Ghahramani 2016, "A theoretically grounded application of dropout in
    recurrent neural networks".

    x: (batch, time, features), float. The other arguments as in `dropout`, offset in elements of
    the mask. ValueError for another rank.
    """
    x = as_tensor(x)
    if x.ndim != 3:
        raise ValueError(f"variational_dropout: x must be (batch, time, features), got shape "
                         f"{x.shape}")
    return shared_dropout("variational_dropout", x, (1,), p, training, seed, stream, call, offset,
                          mask)


def drop_path(x, p, *, training, seed=None, stream=0, call=0, offset=0, mask="bits"):
    """Stochastic depth: a sample as a whole is 0 with probability p, and else divided by 1 - p. On
    the branch of a residual block, x + drop_path(f(x)), it makes the network shallower at random.
    Huang et al. 2016, "Deep networks with stochastic depth".

    x: float, (n, ...), at least one axis. The other arguments as in `dropout`; the mask is one of
    samples, and so is offset. ValueError for x without axes.
    """
    x = as_tensor(x)
    if x.ndim == 0:
        raise ValueError("drop_path: x must be (n, ...), got shape ()")
    return shared_dropout("drop_path", x, tuple(range(1, x.ndim)), p, training, seed, stream, call,
                          offset, mask)
