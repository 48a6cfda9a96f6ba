"""Zoneout: the value, and the closure that returns its gradients."""

from .. import _kernels
from ..tensor import node, wants_graph
from .address import checked_address
from .arithmetic import add, mul
from .dropout import check_mask, check_p
from .operands import operands


def zoneout(new_state, old_state, p, *, training, seed=None, stream=0, call=0, offset=0,
            mask="bits"):
    """The next state of a recurrent unit: each element stays what it was, old_state, with
    probability p, and else becomes new_state. Krueger et al. 2017, "Zoneout: regularizing RNNs by
    randomly preserving hidden activations".

    new_state, old_state: float, of one shape. p: in [0, 1]. training=False gives the expectation,
    (1 - p) new_state + p old_state. p = 0 returns new_state itself; with p = 1 nothing of it is
    left, not even inf and NaN. seed, stream, call, offset and mask: as in `dropout`; the mask is
    `dropout`'s, which keeps what is new. ValueError or TypeError for a p that is no number in
    [0, 1], and for states of different shapes or element types.
    """
    p, mask = check_p(p), check_mask(mask)
    new, old = operands("zoneout", new_state, old_state)
    if new.shape != old.shape:
        raise ValueError(f"old_state must have the shape of new_state, {new.shape}, "
                         f"got {old.shape}")
    where = (*checked_address(seed, stream, call), offset)
    if p == 0:
        return new
    if not training:
        return old if p == 1 else add(mul(new, 1 - p), mul(old, p))
    store = mask == "bits" and wants_graph((new, old))
    y, bits = _kernels.zoneout_forward(new.data, old.data, p, *where, keep_bits=store)

    def backward(dout):
        kept = _kernels.mask_bits(dout.size, p, *where) if bits is None else bits
        return _kernels.zoneout_backward(dout, kept, want_new=new.requires_grad,
                                         want_old=old.requires_grad)

    return node(y, (new, old), backward, "zoneout")
