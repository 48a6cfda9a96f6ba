"""Concrete dropout: the value, and the closure that returns its gradients, that of the rate too."""

from .. import _kernels
from ..tensor import node
from .activation import sigmoid, softplus
from .address import checked_address
from .arithmetic import add, exp, mul, neg
from .operands import as_tensor
from .reduce import sum


def concrete_dropout(x, logit, *, training, temperature=0.1, seed=None, stream=0, call=0,
                     offset=0):
    """x (1 - z) / (1 - p), where z is a share between 0 and 1 that is near 1 with probability p:
    dropout whose rate p = sigmoid(logit) has a gradient. Gal, Hron and Kendall 2017, "Concrete
    dropout".

    x: float, any shape. logit: a tensor of one element, log(p / (1 - p)). temperature: the smaller,
    the nearer z is to 0 and 1 (the paper: 0.1). With u uniform over (0, 1), a function of (seed,
    stream, call, element) as in `dropout`,
    z = sigmoid((logit + log(u) - log(1 - u)) / temperature). training=False returns x itself.

    offset: how many elements stand before x in the whole batch. Since nothing is quite dropped, inf
    and NaN stay. logit is a number, and may be of another element type than x. ValueError or
    TypeError for a logit that is not one number in [-60, 60], and a temperature outside
    [0.001, 1000].
    """
    x, logit = map(as_tensor, (x, logit))
    if logit.size != 1:
        raise ValueError(f"logit must have one element, got shape {logit.shape}")
    where = (*checked_address(seed, stream, call), offset)
    if not training:
        return x
    law = (logit.item(), temperature)
    y, kept = _kernels.concrete_forward(x.data, *law, *where)

    def backward(dout):
        dx, slope = _kernels.concrete_backward(dout, x.data, kept, *law)
        return dx, _kernels.sum_over(slope).reshape(logit.shape).astype(logit.dtype, copy=False)

    return node(y, (x, logit), backward, "concrete_dropout")


def concrete_regularization(logit, weight, features, *, weight_regularizer=1e-6,
                            dropout_regularizer=1e-5):
    """What a layer behind concrete dropout adds to the loss (Gal, Hron and Kendall 2017, equation 3
    and their code): weight_regularizer |weight|^2 / (1 - p)
    + dropout_regularizer features (p log p + (1 - p) log(1 - p)), a tensor of shape ().

    logit: a tensor of one element, log(p / (1 - p)). weight: the tensor that the dropped values are
    multiplied by, or None for no such term. features: how many values of a sample are dropped. With
    prior length scale l, model precision tau and N training samples, the paper's
    weight_regularizer is l^2 / (tau N), and dropout_regularizer 2 / (tau N).
    """
    p = sigmoid(logit)
    # log p = -softplus(-logit) and log(1 - p) = -softplus(logit), neither of which overflows
    entropy = add(mul(p, softplus(neg(logit))), mul(sigmoid(neg(logit)), softplus(logit)))
    total = mul(entropy, -dropout_regularizer * features)
    if weight is not None:
        odds = add(exp(logit), 1.0)  # 1 / (1 - p)
        total = add(total, mul(mul(sum(mul(weight, weight)), odds), weight_regularizer))
    return sum(total)
