"""Dropout: the value, and the closure that returns its gradient.

All dropout by a mask of bits is `masked`: which axes share a bit, and what becomes of an element.
"""

from functools import lru_cache
from math import prod

from .. import _kernels
from ..arguments import integer
from ..random import check_word
from ..tensor import Tensor, node, wants_graph
from .address import checked_address
from .arithmetic import mul
from .operands import as_tensor

check_p = _kernels.check_p
check_mask = _kernels.check_mask
check_mode = _kernels.check_mode
keep_of = _kernels.keep_of


def check_axes(axes, ndim=None, name="shared_axes"):
    """axes, an int or several, as a tuple of ints; given ndim, as a sorted tuple of ints from 0 on.
    TypeError or ValueError for what are no axes, or some of them twice."""
    if isinstance(axes, tuple) and not axes:
        return axes  # by far the most common, where each microsecond counts
    try:
        axes = tuple(axes)
    except TypeError:
        axes = (axes,)
    axes = tuple(integer(name, axis, None) for axis in axes)
    if ndim is not None:
        if any(not -ndim <= axis < ndim for axis in axes):
            raise ValueError(f"{name} must be axes of an input of {ndim} dimensions, got {axes}")
        axes = tuple(sorted(axis % ndim for axis in axes))
    if len(set(axes)) < len(axes):
        raise ValueError(f"{name} must name each axis once, got {axes}")
    return axes


@lru_cache(maxsize=256)
def inverted(p):
    """The law that keeps the mean: (scale, shift, dropped) for `masked`."""
    keep = keep_of(p)
    return (1 / keep if keep else 0.0), 0.0, 0.0


def law_of(p, mode):
    """The law of training in a mode that check_mode has passed."""
    return inverted(p) if mode == "inverted" else (1.0, 0.0, 0.0)


def without_axes(shape, shared):
    """The shape of a mask whose elements are shared along these axes: 1 there."""
    return tuple(1 if axis in shared else size for axis, size in enumerate(shape))


def masked(op, x, p, law, where, mask, shared=()):
    """x scale + shift where a bit of the mask is 1, as it is with probability 1 - p, and `dropped`
    elsewhere; law is these three numbers. x: a tensor of floats. where: (seed, stream, call,
    offset). shared: the axes, from 0 on, along which one bit is shared. mask: see `dropout`."""
    slope = (law[0], 0.0, 0.0)
    store = mask == "bits" and wants_graph((x,))
    if shared:
        count = prod(without_axes(x.shape, shared))
        check_word(where[3], "offset")
        bits = _kernels.mask_bits(count, p, *where)
        y = _kernels.shared_mask(x.data, bits, shared, law)
        if not store:
            bits = None

        def backward(dout):
            kept = _kernels.mask_bits(count, p, *where) if bits is None else bits
            return (_kernels.shared_mask(dout, kept, shared, slope),)

    else:
        y, bits = _kernels.dropout_forward(x.data, p, *where, keep_bits=store, law=law)

        def backward(dout):
            if bits is None:
                return (_kernels.dropout_forward(dout, p, *where, keep_bits=False, law=slope)[0],)
            return (_kernels.dropout_backward(dout, bits, p, scale=law[0]),)

    return node(y, (x,), backward, op)


def dropout(x, p, *, training, mode="inverted", shared_axes=(), seed=None, stream=0, call=0,
            offset=0, mask="bits"):
    """x / (1 - p) where a random mask keeps, 0 where it drops, each element with probability p.
    Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting", in
    the inverted form: the mean stays, and nothing is to be done at test time. mode="standard" is
    the form of the paper: by the same mask, x itself where it keeps; training=False gives
    x (1 - p).

    x: float, any shape. p: in [0, 1]; 1 - p is rounded to a multiple of 2**-32. training=False (in
    the inverted mode), and p = 0, return x itself.

    shared_axes: the axes of x, negative ones from the end, along which one decision is shared; the
    mask has size 1 there. Those where Keras' noise_shape has 1, and what Flax calls broadcast_dims.

    The mask is a function of (seed, stream, call, element) and of p, and of nothing else: the same
    arguments drop the same elements, so that a training loop passes a new `call` each step (a layer
    counts its own). seed=None is the seed of `md.manual_seed`. offset: how many elements of the
    mask stand before those of x, for a batch that is worked on in slices.

    mask: "bits" keeps a bit an element of the mask for the gradient, "recompute" draws them again;
    the results are the same. Dropped means zero, also for inf and NaN; p = 1 gives zeros.

    TypeError or ValueError, with the value, for a p that is not a number in [0, 1], for shared_axes
    that x has not, and for an unknown mode or mask.
    """
    p, mask, mode = check_p(p), check_mask(mask), check_mode(mode)
    x = as_tensor(x)
    shared = check_axes(shared_axes, x.ndim)
    if p == 0 or not training and mode == "inverted":
        return x
    where = (*checked_address(seed, stream, call), offset)
    if training or p == 1:
        return masked("dropout", x, p, law_of(p, mode), where, mask, shared)
    return mul(x, keep_of(p))


def dropout_samples(x, p, samples, *, expand, mode="inverted", seed=None, stream=0, call=0,
                    offset=0):
    """What `samples` calls of `dropout` give, at call, call + 1 and so on, in one tensor along the
    first axis, without a gradient: Monte-Carlo dropout. expand=True: each of the whole x; else x is
    as many equal parts, one for each call. Errors as of `dropout`, and ValueError for parts that
    are not equal."""
    p = check_p(p)
    law = law_of(p, check_mode(mode))
    where = (*checked_address(seed, stream, call), offset)
    x = as_tensor(x).data
    return Tensor(_kernels.dropout_samples(x, p, samples, *where, expand=expand, law=law))
