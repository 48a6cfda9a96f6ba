"""From feature maps to vectors."""

from .. import functional as F
from .arguments import integer
from .module import Module


class Flatten(Module):
    """Dims start_dim to end_dim, both included, as one: (n, h, w, c) -> (n, h w c).

    The order is that of channels last: PyTorch's weights of a Linear after a Flatten have their
    inputs in another order, (c, h, w)."""

    def __init__(self, start_dim=1, end_dim=-1):
        self.start_dim = integer("start_dim", start_dim, low=None)
        self.end_dim = integer("end_dim", end_dim, low=None)

    def forward(self, x):
        return F.flatten(x, self.start_dim, self.end_dim)

    def extra_repr(self):
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
