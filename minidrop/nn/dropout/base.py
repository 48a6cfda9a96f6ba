"""What all dropout layers share: the rate, the address of their masks, and the count of calls."""

from math import prod

from ... import functional as F
from ... import random
from ..module import Module
from .director import director

check_mode = F.check_mode


class DropoutLayer(Module):
    """A variant defines `drop(x)`, which draws its masks at `address()`.

    p: the rate, in [0, 1]; it may be set at any time. seed: an int in [0, 2**64), whose stream 0 is
    used, so that two layers with one seed draw the same masks; None takes the seed of
    `md.manual_seed` and a stream of the layer's own, in order of construction.

    call counts the training forwards: each draws new masks, p = 0 counts too. An eval forward, and
    one that fails, do not count. (seed, stream, call) travel in every checkpoint.
    """

    thins = False  # whether its law is to keep a unit (times a constant) or to make it zero

    def __init__(self, p, seed=None):
        self.p = p
        self.start(seed)

    def start(self, seed):
        """Take a stream, at its first call."""
        self.seed, self.stream = random.address(seed)
        self.call = 0

    @property
    def p(self):
        """The probability to drop. TypeError or ValueError for what is not a number in [0, 1]."""
        return self._p

    @p.setter
    def p(self, p):
        self._p = F.check_p(p, f"{type(self).__name__}: p")

    def address(self):
        """Where the next mask is: seed, stream and call, as the functions take them."""
        return {"seed": self.seed, "stream": self.stream, "call": self.call}

    def mask_shape(self, x):
        """The shape of the mask for the input x: that of x, with 1 where elements share a bit. Its
        first axis is the batch; a mask that all samples share, whatever their number, has 1."""
        return x.shape

    def offset(self, x):
        """How many elements of the mask stand before those of x: see md.sample_offset."""
        k = random.first_sample()
        return k * self.sample_size(x) if k else 0

    def sample_size(self, x):
        """The elements of the mask of one sample; 0 where all samples share them."""
        return prod(self.mask_shape(x)[1:])

    def forward(self, *inputs):
        inputs = tuple(map(F.as_tensor, inputs))
        if not self.training:
            return self.drop(*inputs)
        decide = director()
        if decide is not None:
            return decide(self, inputs)
        return self.draw(inputs)

    def draw(self, inputs):
        """The output for a tuple of inputs with the next mask of the layer's own, counted."""
        out = self.drop(*inputs)
        self.count_call()
        return out

    def count_call(self):
        """The next mask is another; past Module.__setattr__, which takes as long as a small one."""
        vars(self)["call"] += 1

    def drop(self, x):
        """The output for x, in training or eval mode."""
        raise NotImplementedError(f"{type(self).__name__} defines no drop()")

    def get_extra(self):
        return self.address()

    def set_extra(self, extra):
        names = ("seed", "stream", "call")
        self.seed, self.stream, self.call = [random.check_word(extra[n], n) for n in names]

    def extra_repr(self):
        return f"p={self.p:g}"
