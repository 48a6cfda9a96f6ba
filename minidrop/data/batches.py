"""Batches of arrays, in an order that depends on the seed and the number of the epoch alone.

So a run can be taken up again in the middle of an epoch: `iterate(epoch, first_batch)` gives
exactly the batches that the interrupted run had not yet seen.
"""

import numpy as np

from ..arguments import integer
from ..random import check_word, permutation


def batches(x, y, batch_size, shuffle=True, seed=0, drop_last=False, transform=None):
    """The samples of `x` and `y` in batches, again and again: `for xb, yb in batches(...)`.

    x: array (n, ...). y: array (n, ...), or None: then the batches are single arrays xb.
    batch_size: samples in a batch, from 1. The last one is smaller where n is no multiple of it;
        drop_last leaves that one out.
    shuffle: each epoch has an order of its own, a function of (seed, epoch, n) only. False: the
        order of the arrays.
    seed: 0 to 2^64 - 1.
    transform: a function of a batch of raw samples, called with a copy that it may change. It
        should give the same result for the same batch, or a run cannot be repeated.

    What becomes of a batch, after `transform` if there is one, is decided by `prepare_images`:
    uint8 images are scaled to float32 in [0, 1] with a channel axis, all else stays as it is.
    The batches are NumPy arrays of their own, never views of `x` and `y`. No samples, no batches.

    Returns a Batches: it has a length, each `iter()` of it is the next epoch, and `iterate` begins
    anywhere. Raises ValueError or TypeError for arguments that do not fit.
    """
    return Batches(x, y, batch_size, shuffle, seed, drop_last, transform)


class Batches:
    """What `batches` returns. `epoch` is the number, from 0, that the next `iter()` will have."""

    def __init__(self, x, y, batch_size, shuffle=True, seed=0, drop_last=False, transform=None):
        self.x = as_samples("x", x)
        self.y = None if y is None else as_samples("y", y)
        if self.y is not None and len(self.x) != len(self.y):
            raise ValueError(
                f"x and y must have as many samples, got {len(self.x)} and {len(self.y)}"
            )
        if transform is not None and not callable(transform):
            raise TypeError(f"transform must be a function or None, got {transform!r}")
        self.batch_size = integer("batch_size", batch_size, low=1)
        self.seed = check_word(seed, "seed")
        self.shuffle, self.drop_last, self.transform = bool(shuffle), bool(drop_last), transform
        self.epoch = 0

    def __len__(self):
        full, rest = divmod(len(self.x), self.batch_size)
        return full if self.drop_last or not rest else full + 1

    def __iter__(self):
        epoch = self.epoch
        self.epoch += 1
        return self.iterate(epoch)

    def iterate(self, epoch, first_batch=0):
        """An iterator over the batches of `epoch` from number `first_batch` on; both from 0."""
        epoch = check_word(epoch, "epoch")
        first_batch = integer("first_batch", first_batch, low=0)
        if first_batch > len(self):
            raise ValueError(f"first_batch must be at most {len(self)}, got {first_batch}")
        return self._generate(epoch, first_batch)

    def batch_of(self, chosen):
        """The batch of the samples with the numbers `chosen`, an array of integers."""
        xb = self.x[chosen]  # indexing by an array copies
        if self.transform is not None:
            xb = np.asarray(self.transform(xb))
        xb = prepare_images(xb)
        return xb if self.y is None else (xb, self.y[chosen])

    def _generate(self, epoch, first_batch):
        if self.shuffle:
            order = permutation(len(self.x), self.seed, epoch)
        else:
            order = np.arange(len(self.x))
        for batch in range(first_batch, len(self)):
            yield self.batch_of(order[batch * self.batch_size : (batch + 1) * self.batch_size])


def prepare_images(x):
    """uint8 images as networks take them; anything else as it is.

    uint8 (n, h, w) becomes float32 (n, h, w, 1), uint8 (n, h, w, c) float32 of that shape, each
    value divided by 255: from 0 to 1. Training, evaluation and prediction all pass through here.
    """
    if x.dtype != np.uint8 or x.ndim not in (3, 4):
        return x
    if x.ndim == 3:
        x = x[..., np.newaxis]
    return np.divide(x, 255, dtype=np.float32)


def as_samples(name, values):
    """`values` as an array whose first axis counts samples."""
    array = np.asarray(values)
    if array.ndim == 0 or array.dtype.kind not in "biuf":
        raise ValueError(
            f"{name} must be an array of numbers whose first axis counts samples, got "
            f"{type(values).__name__} of shape {array.shape} and dtype {array.dtype}"
        )
    return array
