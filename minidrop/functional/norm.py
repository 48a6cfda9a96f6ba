"""Normalization: the value, and the closure that returns its gradients."""

from .. import _kernels
from ..arguments import integer
from ..tensor import Tensor, as_tensors, node
from .operands import as_float


def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1,
               eps=1e-5, *, relu=False):
    """(x - mean) / sqrt(var + eps) * weight + bias, channel by channel (Ioffe and Szegedy, 2015).

    x: (n, channels), (n, time, channels), (n, height, width, channels), ...; everything else is
    (channels,) or None. running_mean, running_var: ndarrays (or tensors) of the type of x.

    training=True takes the mean and the biased variance of x over all but the last dimension, and
    moves the running ones towards them, in place and only when all else has succeeded:
    running = (1 - momentum) running + momentum new, with the unbiased variance, as in PyTorch. They
    may be None then. ValueError for one value a channel; an empty x gives an empty result, and
    moves nothing. training=False uses the running ones, which must be there.

    relu=True takes max(., 0) in the same pass, with the same bits as a separate `relu`.
    """
    x, weight, bias = _with_parameters(x, weight, bias)
    running = _kernels.running_statistics(
        _data(running_mean), _data(running_var), x.data, momentum, training=training
    )
    if training:
        mean, var = _kernels.batch_statistics(x.data)
    else:  # copies: a later training step would change them under the closure
        mean, var = (statistic.copy() for statistic in running)
    y = _kernels.batch_norm(x.data, mean, var, _data(weight), _data(bias), eps, relu=relu)
    if training and running and x.size:
        _kernels.move_statistics(*running, mean, var, x.size // x.shape[-1], momentum)

    def backward(dout):
        dx, dweight, dbias = _kernels.batch_norm_backward(
            dout, x.data, mean, var, _data(weight), eps, training=training,
            want_dx=x.requires_grad, relu=relu, bias=_data(bias),
        )
        return _for_parents(dx, dweight, dbias, weight, bias)

    op = "batch_norm_relu" if relu else "batch_norm"
    return node(y, _parents(x, weight, bias), backward, op)


def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    """(x - mean) / sqrt(var + eps) * weight + bias, with mean and biased variance of each sample
    over its last dimensions (Ba et al., 2016).

    normalized_shape: an int or a tuple, the last dimensions of x, and the shape of weight and bias
    where they are given. ValueError where it is not.
    """
    x, weight, bias = _with_parameters(x, weight, bias)
    shape = normalized_shape
    shape = shape if isinstance(shape, (tuple, list)) else (shape,)
    shape = tuple(integer("normalized_shape", size, low=0) for size in shape)
    y, mean, inverse = _kernels.layer_norm(x.data, shape, _data(weight), _data(bias), eps)

    def backward(dout):
        wanted = any(p is not None and p.requires_grad for p in (weight, bias))
        dx, dweight, dbias = _kernels.layer_norm_backward(
            dout, x.data, shape, mean, inverse, _data(weight), want_parameters=wanted
        )
        return _for_parents(dx, dweight, dbias, weight, bias)

    return node(y, _parents(x, weight, bias), backward, "layer_norm")


def _with_parameters(x, weight, bias):
    """The three as tensors, None where there is none; an x of integers becomes float32."""
    return as_float(x), *as_tensors(weight, bias)


def _data(given):
    """The ndarray of a tensor; an ndarray, or None, as it is."""
    return given.data if isinstance(given, Tensor) else given


def _parents(*tensors):
    return tuple([t for t in tensors if t is not None])  # a generator would take longer


def _for_parents(dx, dweight, dbias, weight, bias):
    """The gradients of x and of the parameters that there are."""
    return dx, *((dweight,) if weight is not None else ()), *((dbias,) if bias is not None else ())
