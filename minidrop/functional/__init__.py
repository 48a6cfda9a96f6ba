"""Every op as a function of tensors: a family a file, the value and its gradients side by side."""

from ..tensor import Tensor
from .conv import conv2d
from .matmul import linear, matmul

from .arithmetic import (
    abs,
    add,
    clip,
    div,
    eq,
    exp,
    ge,
    gt,
    le,
    log,
    lt,
    maximum,
    minimum,
    mul,
    ne,
    neg,
    pow,
    sqrt,
    square,
    sub,
    where,
)
from .operands import as_tensor
from .operators import both, either, equal, iterate, opposite, swapped, unequal
from .reduce import argmax, argmin, max, mean, min, sum, var
from .shape import cat, flatten, getitem, reshape, stack, transpose
from .activation import (
    elu,
    gelu,
    leaky_relu,
    log_softmax,
    relu,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from .loss import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    l1_loss,
    mse_loss,
    nll_loss,
)
from .norm import batch_norm, layer_norm
from .pool import adaptive_avg_pool2d, avg_pool2d, max_pool2d
from .dropout import (
    check_axes,
    check_mask,
    check_mode,
    check_p,
    dropout,
    dropout_samples,
    without_axes,
)
from .channel_dropout import (
    check_rank,
    drop_path,
    dropout1d,
    dropout2d,
    dropout3d,
    variational_dropout,
)
from .alpha_dropout import alpha_dropout, feature_alpha_dropout
from .gaussian import check_noisy_p, check_std, gaussian_dropout, gaussian_noise
from .concrete import concrete_dropout, concrete_regularization
from .drop_block import check_size, drop_block2d
from .drop_connect import drop_connect, drop_connect_conv2d, drop_connect_gaussian
from .zoneout import zoneout

# ---- the operators and methods of Tensor: what tensor.py knows nothing of ----

Tensor.__add__, Tensor.__radd__ = add, swapped(add)
Tensor.__sub__, Tensor.__rsub__ = sub, swapped(sub)
Tensor.__mul__, Tensor.__rmul__ = mul, swapped(mul)
Tensor.__truediv__, Tensor.__rtruediv__ = div, swapped(div)
Tensor.__pow__, Tensor.__rpow__ = pow, swapped(pow)
Tensor.__matmul__, Tensor.__rmatmul__ = matmul, swapped(matmul)
Tensor.__neg__, Tensor.__abs__ = neg, abs
Tensor.__eq__, Tensor.__ne__ = equal, unequal
Tensor.__lt__, Tensor.__le__ = lt, le
Tensor.__gt__, Tensor.__ge__ = gt, ge
Tensor.__and__, Tensor.__rand__ = both, swapped(both)
Tensor.__or__, Tensor.__ror__ = either, swapped(either)
Tensor.__invert__ = opposite
Tensor.__getitem__, Tensor.__iter__ = getitem, iterate

Tensor.abs = abs
Tensor.argmax = argmax
Tensor.argmin = argmin
Tensor.clip = clip
Tensor.exp = exp
Tensor.flatten = flatten
Tensor.log = log
Tensor.max = max
Tensor.mean = mean
Tensor.min = min
Tensor.reshape = reshape
Tensor.sqrt = sqrt
Tensor.square = square
Tensor.sum = sum
Tensor.transpose = transpose
Tensor.var = var
Tensor.T = property(transpose)
