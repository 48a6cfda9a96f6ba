"""Zoneout: dropout for the state of a recurrent unit."""

from ... import functional as F
from .base import DropoutLayer


class Zoneout(DropoutLayer):
    """zoneout(new_state, old_state): in training, each element keeps its old value with probability
    p; in eval, the expectation, (1 - p) new_state + p old_state. Both states have one shape, which
    is the result's.

    Krueger et al. 2017, "Zoneout: regularizing RNNs by randomly preserving hidden activations". p,
    seed: see DropoutLayer; mask: see Dropout. Every call, so every time step, has a mask of its
    own. A recurrent unit with two states, such as an LSTM's, takes a Zoneout for each. ValueError
    for states of different shapes.
    """

    def __init__(self, p=0.5, *, mask="bits", seed=None):
        self.mask = F.check_mask(mask)
        super().__init__(p, seed)

    def drop(self, new_state, old_state):
        return F.zoneout(new_state, old_state, self.p, training=self.training, mask=self.mask,
                         offset=self.offset(new_state), **self.address())
