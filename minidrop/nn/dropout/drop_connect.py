"""DropConnect: a layer whose weights are dropped."""

from math import prod

from ... import functional as F
from ... import random
from ..conv import Conv2d
from ..linear import Linear
from .base import DropoutLayer

INFERENCES = ("scale", "gaussian")


class DropConnect(DropoutLayer):
    """A Linear or Conv2d, each of whose weights is dropped with probability p in training, and
    divided by 1 - p where it is kept; biases stay.

    Wan et al. 2013, "Regularization of neural networks using DropConnect". Shapes are those of
    `layer`, whose parameters are learned: see `F.drop_connect`, `F.drop_connect_conv2d`.

    layer: the Linear or Conv2d. p, seed: see DropoutLayer. per_sample: a mask for every sample, as
    in the paper, instead of one for the batch; for a Linear on (batch, in_features). mask: "bits"
    keeps one bit a weight (and sample) for the gradient, "recompute" none.

    activation: a module or function that is applied to what the layer gives, or None. inference:
    what eval mode does. "scale": the layer as it is, which the division in training has made right
    on average. "gaussian", for a Linear: the mean of the activation over `samples` draws from the
    normal distributions that a unit's inputs have by their moments, see `F.drop_connect_gaussian`;
    its noise is the same in every eval forward between two training forwards.

    TypeError for a layer of another type, ValueError for per_sample or Gaussian inference with a
    Conv2d, an unknown inference, and samples below 1.
    """

    def __init__(self, layer, p=0.5, per_sample=False, *, activation=None, inference="scale",
                 samples=100, mask="bits", seed=None):
        if not isinstance(layer, (Linear, Conv2d)):
            raise TypeError(f"DropConnect: layer must be a Linear or a Conv2d, "
                            f"got {type(layer).__name__}")
        if not isinstance(per_sample, bool):
            raise TypeError(f"DropConnect: per_sample must be True or False, got {per_sample!r}")
        if inference not in INFERENCES:
            raise ValueError(f"DropConnect: inference must be one of {INFERENCES}, "
                             f"got {inference!r}")
        if isinstance(layer, Conv2d) and (per_sample or inference == "gaussian"):
            raise ValueError("DropConnect: per_sample and inference='gaussian' are for a Linear, "
                             "got a Conv2d")
        if activation is not None and not callable(activation):
            raise TypeError(f"DropConnect: activation must be callable or None, "
                            f"got {activation!r}")
        self.samples = F.check_size(samples, "DropConnect: samples")
        self.mask = F.check_mask(mask)
        super().__init__(p, seed)
        self.layer, self.activation = layer, activation
        self.per_sample, self.inference = per_sample, inference

    def mask_shape(self, x):
        shape = self.layer.weight.shape
        return (len(x), *shape) if self.per_sample else (1, *shape)

    def drop(self, x):
        if not self.training and self.inference == "gaussian":
            return F.drop_connect_gaussian(
                x, self.layer.weight, self.layer.bias, self.p, activation=self.activation,
                samples=self.samples, offset=self._units_before(x), **self.address(),
            )  # fmt: skip
        y = self._masked(x) if self.training else self.layer(x)
        return y if self.activation is None else self.activation(y)

    def _units_before(self, x):
        k = random.first_sample()
        return k * prod(x.shape[1:-1]) * self.layer.out_features if k else 0

    def _masked(self, x):
        layer = self.layer
        options = {"training": True, "mask": self.mask, **self.address()}
        if isinstance(layer, Conv2d):
            return F.drop_connect_conv2d(x, layer.weight, layer.bias, self.p, layer.stride,
                                         layer.padding, layer.dilation, layer.groups,
                                         algo=layer.algo, **options)
        return F.drop_connect(x, layer.weight, layer.bias, self.p, per_sample=self.per_sample,
                              offset=self.offset(x), **options)

    def extra_repr(self):
        text = f"p={self.p:g}" + ", per_sample=True" * self.per_sample
        if self.inference == "gaussian":
            text += f", inference='gaussian', samples={self.samples}"
        return text
