"""DropConnect: weights are dropped, not inputs. The values, and the closures of the gradients."""

from math import prod

from .. import _kernels, random
from ..tensor import as_tensors, node, wants_graph
from .address import checked_address, samples_before
from .arithmetic import add, mul, sqrt, square
from .broadcast import sum_to
from .conv import conv2d
from .dropout import check_mask, check_p
from .matmul import linear
from .operands import as_tensor

_NOISE_OF_A_SAMPLE = 2**40  # random numbers that each Gaussian sample has room for


def drop_connect(x, w, b, p, *, training, per_sample=False, seed=None, stream=0, call=0, offset=0,
                 mask="bits"):
    """x w' + b, where w' is w / (1 - p) where a random mask keeps, 0 where it drops, each weight
    with probability p. Wan et al. 2013, "Regularization of neural networks using DropConnect", in
    the inverted form: at test time w is taken as it is.

    x: (..., in), w: (in, out), b: (out,) or None -> (..., out). p: in [0, 1]. training=False, and
    p = 0, are `linear(x, w, b)`.

    per_sample=False: one mask for the whole batch, that of `dropout(w, p)`; the result has the bits
    of `linear(x, dropout(w, p, ...), b)`, but w' is never in memory: the mask is applied where the
    product packs w. per_sample=True, as in the paper: every sample its own; x is (batch, in), and
    the mask has (batch, in, out) elements.

    seed, stream, call: the mask's address, as in `dropout`. offset, for per_sample only: how many
    elements of the mask of the whole batch stand before those of x, in times out for a sample.
    mask: "bits" keeps a bit a weight (and sample) for the gradient, "recompute" draws them again.
    ValueError or TypeError for a p that is no number in [0, 1], shapes that do not fit, and float32
    beside float64.
    """
    p, mask = check_p(p), check_mask(mask)
    x, w, b = _inputs(x, w, b)
    if x.ndim < 1 or w.ndim != 2 or x.shape[-1] != w.shape[0]:
        raise ValueError(f"drop_connect: x (..., in) and w (in, out) do not fit: {x.shape}, "
                         f"{w.shape}")
    if per_sample and x.ndim != 2:
        raise ValueError(f"x must be (batch, in) with per_sample=True, got shape {x.shape}")
    where = checked_address(seed, stream, call)
    if not training or p == 0:
        return linear(x, w, b)
    store = mask == "bits" and wants_graph((x, w) if b is None else (x, w, b))
    if per_sample:
        return _of_each_sample(x, w, b, p, (*where, samples_before(offset, w.size)), store)
    return _of_the_batch(x, w, b, p, where, store)


def _inputs(x, w, b):
    """As tensors; only b may be None."""
    return *map(as_tensor, (x, w)), *as_tensors(b)


def _of_the_batch(x, w, b, p, where, store):
    rows = x.data.reshape(prod(x.shape[:-1]), w.shape[0])
    drawn = _kernels.mask_bits(w.size, p, *where)
    y = _kernels.matmul_masked(rows, w.data, drawn, p, None if b is None else b.data)
    bits = drawn if store else None

    def backward(dout):
        kept = _kernels.mask_bits(w.size, p, *where) if bits is None else bits
        dout = dout.reshape(rows.shape[0], w.shape[1])
        dx = dw = None
        if x.requires_grad:
            dx = _kernels.matmul_masked(dout, w.data, kept, p, trans="NT").reshape(x.shape)
        if w.requires_grad:
            dw = _kernels.dropout_backward(_kernels.matmul(rows, dout, trans="TN"), kept, p)
        return _with_bias(dx, dw, dout, b)

    parents = (x, w) if b is None else (x, w, b)
    return node(y.reshape(*x.shape[:-1], w.shape[1]), parents, backward, "drop_connect")


def _of_each_sample(x, w, b, p, where, store):
    bias = None if b is None else b.data
    y, bits = _kernels.drop_connect_forward(x.data, w.data, bias, p, *where, keep_bits=store)

    def backward(dout):
        kept = bits
        if kept is None:
            kept = _kernels.drop_connect_forward(x.data, w.data, None, p, *where, want_y=False)[1]
        dx, dw = _kernels.drop_connect_backward(dout, x.data, w.data, kept, p,
                                                want_dx=x.requires_grad, want_dw=w.requires_grad)
        return _with_bias(dx, dw, dout, b)

    return node(y, (x, w) if b is None else (x, w, b), backward, "drop_connect")


def _with_bias(dx, dw, dout, b):
    if b is None:
        return dx, dw
    return dx, dw, sum_to(dout, b.shape) if b.requires_grad else None


def drop_connect_conv2d(x, w, b, p, stride=1, padding=0, dilation=1, groups=1, *, training,
                        seed=None, stream=0, call=0, mask="bits", algo="auto"):
    """`conv2d` of x and w', where w' is w / (1 - p) where a random mask keeps, 0 where it drops:
    DropConnect (see `drop_connect`) for the weights of a convolution, one mask for the batch.

    x: (n, height, width, cin), w: (kh, kw, cin/groups, cout), b: (cout,) or None; the rest as in
    `conv2d`, p and the address as in `drop_connect`. The bits are those of
    `conv2d(x, dropout(w, p, ...), b)`; w' is never in memory, but masked where w is packed.
    """
    p, mask = check_p(p), check_mask(mask)
    x, w, b = _inputs(x, w, b)
    where = checked_address(seed, stream, call)
    geometry = (stride, padding, dilation, groups)
    if not training or p == 0:
        return conv2d(x, w, b, *geometry, algo=algo)
    parents = (x, w) if b is None else (x, w, b)
    drawn = _kernels.mask_bits(w.size, p, *where)
    y = _kernels.conv2d_forward(x.data, w.data, None if b is None else b.data, *geometry,
                                w_mask=(drawn, p), algo=algo)
    bits = drawn if mask == "bits" and wants_graph(parents) else None

    def backward(dout):
        kept = _kernels.mask_bits(w.size, p, *where) if bits is None else bits
        dx, dw, db = _kernels.conv2d_backward(
            dout, x.data, w.data, *geometry, want_dx=x.requires_grad, want_dw=w.requires_grad,
            want_db=b is not None and b.requires_grad, w_mask=(kept, p), algo=algo,
        )  # fmt: skip
        if dw is not None:
            dw = _kernels.dropout_backward(dw, kept, p)
        return (dx, dw) if b is None else (dx, dw, db)

    return node(y, parents, backward, "drop_connect_conv2d")


def drop_connect_gaussian(x, w, b, p, *, activation=None, samples=100, seed=None, stream=0, call=0,
                          offset=0):
    """What `drop_connect` with a mask for each sample gives on average behind an activation, by
    matching moments: the test-time inference of Wan et al. 2013, section 3.2.

    A unit u = x w' + b is a sum of many independent parts, so it is taken as normal, with its mean
    x w + b and variance p / (1 - p) (x * x) (w * w); the result is the mean of activation(u) over
    `samples` draws of u. Without an activation that is x w + b and some noise.

    x: (..., in), w: (in, out), b: (out,) or None -> the shape that activation gives to (..., out).
    activation: a function of a tensor, or None. p: in [0, 1). The noise is a function of (seed,
    stream, call), the number of the draw, and the unit; offset: how many units (..., out) of the
    whole batch stand before those of x. ValueError or TypeError for other p, and for samples below
    1.
    """
    p = check_p(p)
    if p == 1:
        raise ValueError("p must be below 1 for Gaussian inference, got 1")
    samples = _kernels.check_size(samples, "samples")
    x, w, b = _inputs(x, w, b)
    mean = linear(x, w, b)
    std = sqrt(mul(linear(square(x), square(w)), p / (1 - p)))
    seed, stream, call = checked_address(seed, stream, call)
    first = random.check_word(offset, "offset")
    total = None
    for sample in range(samples):
        noise = random.normal(mean.shape, seed=seed, stream=stream, call=call,
                              first=sample * _NOISE_OF_A_SAMPLE + first)
        u = add(mean, mul(std, noise.astype(mean.dtype)))
        out = u if activation is None else activation(u)
        total = out if total is None else add(total, out)
    return mul(total, 1 / samples)
