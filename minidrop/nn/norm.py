"""Normalization layers: channels are the last dim."""

from .. import functional as F
from . import init
from .arguments import array, flag, integer, parameter, real
from .module import Module


class _BatchNorm(Module):
    """Ioffe and Szegedy 2015, "Batch normalization". Per channel: (x - mean) / sqrt(var + eps),
    times weight plus bias. In training, mean and variance are those of the batch, and the running
    ones move towards them by `momentum`: running = (1 - momentum) running + momentum new (with the
    unbiased variance). In eval, the running ones are used.

    num_features: the number of channels. momentum=None keeps the plain average over all batches.
    affine=False: no weight and bias. track_running_stats=False: always those of the batch.
    """

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        self.num_features = integer("num_features", num_features)
        self.eps = real("eps", eps, low=0)
        self.momentum = None if momentum is None else real("momentum", momentum, 0, 1)
        self.affine = flag("affine", affine)
        self.track_running_stats = flag("track_running_stats", track_running_stats)
        shape = (self.num_features,)
        self.weight = parameter("weight", shape) if affine else None
        self.bias = parameter("bias", shape) if affine else None
        tracked = self.track_running_stats
        self.register_buffer("running_mean", array("running_mean", shape) if tracked else None)
        self.register_buffer("running_var", array("running_var", shape) if tracked else None)
        self.register_buffer("num_batches_tracked", 0 if tracked else None)
        self.reset_parameters()

    def reset_parameters(self):
        """Begin anew: weight 1, bias 0, running mean 0 and variance 1 of no batches."""
        if self.affine:
            init.ones_(self.weight)
            init.zeros_(self.bias)
        if self.track_running_stats:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def forward(self, x):
        return self.normalized(x)

    def normalized(self, x, relu=False):
        """What forward gives; with relu, then max(., 0) in the same pass."""
        x = F.as_tensor(x)
        shape = x.shape
        if len(shape) not in self.dims:
            expected = " or ".join(self.dims.values())
            raise ValueError(f"{type(self).__name__}: x must be {expected}, got shape {shape}")
        if shape[-1] != self.num_features:
            raise ValueError(f"{type(self).__name__}: x must have {self.num_features} channels, "
                             f"its last dim, got shape {shape}")
        learns = self.training and self.track_running_stats and 0 not in shape
        momentum = self.momentum
        if momentum is None:
            momentum = 1 / (self.num_batches_tracked.item() + 1) if learns else 0.0
        y = F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias,
                         self.training or not self.track_running_stats, momentum, self.eps,
                         relu=relu)
        if learns:
            count = self.num_batches_tracked.data
            count[()] = count.item() + 1  # += takes NumPy a microsecond
        return y

    def extra_repr(self):
        return (f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, "
                f"affine={self.affine}, track_running_stats={self.track_running_stats}")


class BatchNorm1d(_BatchNorm):
    __doc__ = f"x: (n, channels) or (n, time, channels). {_BatchNorm.__doc__}"
    dims = {2: "(n, channels)", 3: "(n, time, channels)"}


class BatchNorm2d(_BatchNorm):
    __doc__ = f"x: (n, height, width, channels). {_BatchNorm.__doc__}"
    dims = {4: "(n, height, width, channels)"}


class LayerNorm(Module):
    """Every sample by itself, over its last dims: (x - mean) / sqrt(var + eps), times weight plus
    bias. Ba et al. 2016, "Layer normalization".

    normalized_shape: the sizes of these dims, an int for one; also the shape of weight and bias.
    elementwise_affine=False: no weight and bias. bias=False: no bias.
    """

    def __init__(self, normalized_shape, eps=1e-5, elementwise_affine=True, bias=True):
        sizes = normalized_shape
        sizes = tuple(sizes) if isinstance(sizes, (tuple, list)) else (sizes,)
        if not sizes:
            raise ValueError("normalized_shape must have at least one size, got ()")
        self.normalized_shape = tuple(integer("normalized_shape", size) for size in sizes)
        self.eps = real("eps", eps, low=0)
        self.elementwise_affine = flag("elementwise_affine", elementwise_affine)
        has_bias = flag("bias", bias) and self.elementwise_affine
        self.weight = parameter("weight", self.normalized_shape) if elementwise_affine else None
        self.bias = parameter("bias", self.normalized_shape) if has_bias else None
        self.reset_parameters()

    def reset_parameters(self):
        """Begin anew: weight 1, bias 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)

    def forward(self, x):
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self):
        return (f"{self.normalized_shape}, eps={self.eps}, "
                f"elementwise_affine={self.elementwise_affine}")
