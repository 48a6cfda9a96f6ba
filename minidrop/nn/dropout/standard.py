"""Dropout of single elements, or of elements that share a decision."""

from ... import functional as F
from .base import DropoutLayer, check_mode


class Dropout(DropoutLayer):
    """In training, drop each element with probability p; any shape, the mask is drawn over its
    elements in memory order.

    Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting".

    mode: "inverted" divides what is kept by 1 - p, and eval returns the input itself; "standard",
    the paper's form, leaves what is kept, and eval multiplies by 1 - p. Both draw the same masks;
    see `convert_dropout`.
    shared_axes: the axes, negative ones from the end, along which one decision is shared: those
    where Keras' noise_shape has 1 (Flax: broadcast_dims). p, seed: see DropoutLayer. mask: "bits"
    keeps one bit an element of the mask for the gradient, "recompute" none: it draws the mask
    again; the results are the same.

    TypeError or ValueError for a p that is no number in [0, 1], an unknown mode or mask, and for
    shared_axes that an input has not.
    """

    thins = True

    def __init__(self, p=0.5, *, mode="inverted", shared_axes=(), mask="bits", seed=None):
        self.mode = check_mode(mode)
        self.shared_axes = F.check_axes(shared_axes)
        self.mask = F.check_mask(mask)
        super().__init__(p, seed)

    def mask_shape(self, x):
        return F.without_axes(x.shape, F.check_axes(self.shared_axes, len(x.shape)))

    def sample_size(self, x):
        shared = 0 in F.check_axes(self.shared_axes, x.ndim)
        return 0 if shared else super().sample_size(x)

    def drop(self, x):
        if not self.training and self.mode == "inverted":
            return x
        return F.dropout(x, self._p, training=self.training, mode=self.mode, mask=self.mask,
                         shared_axes=self.shared_axes, seed=self.seed, stream=self.stream,
                         call=self.call, offset=self.offset(x))

    def drop_samples(self, x, samples, expand, seed, stream, call):
        """Many drops in one, at an address that is not the layer's own: see F.dropout_samples. Not
        for shared axes."""
        return F.dropout_samples(x, self.p, samples, expand=expand, mode=self.mode, seed=seed,
                                 stream=stream, call=call, offset=self.offset(x))

    def extra_repr(self):
        text = f"p={self.p:g}"
        if self.mode != "inverted":
            text += f", mode={self.mode!r}"
        return text + (f", shared_axes={self.shared_axes}" if self.shared_axes else "")
