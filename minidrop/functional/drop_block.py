"""DropBlock: the value, and the closure that returns its gradient."""

from .. import _kernels
from ..tensor import node, wants_graph
from .address import checked_address, samples_before
from .dropout import check_mask, check_p, dropout
from .operands import as_tensor

check_size = _kernels.check_size


def drop_block2d(x, p, block_size, *, training, shared=False, seed=None, stream=0, call=0, offset=0,
                 mask="bits"):
    """Drop squares of block_size x block_size pixels, about a share p of all, and scale what is
    kept of each sample so that it stands for all of it. Ghiasi, Lin and Le 2018, "DropBlock: a
    regularization method for convolutional networks".

    x: (n, height, width, channels). p: in [0, 1], what the paper calls 1 - keep_prob. block_size: a
    positive int; like the authors' code, it is taken down to the height or width of a smaller
    image. shared=False: each channel has its own blocks (the paper's choice); True: all channels of
    a sample have the same. training=False, p = 0 and an empty x return x itself; p = 1 gives zeros.

    A block's upper left corner is at each place where one fits with probability
    gamma = p / block_size^2 * height width / ((height - block_size + 1) (width - block_size + 1)).
    Blocks overlap, so that less than p is dropped where p is large. The scale is the number of the
    mask's elements over those that are kept (the paper's), counted in each sample, so that samples
    do not depend on each other. block_size 1 with its own blocks is `dropout`, scale and all.

    seed, stream, call: the mask's address, as in `dropout`; offset: how many elements of the mask
    of the whole batch stand before those of x: height width channels for a sample, or height width
    with shared=True. The corners are drawn over the places where blocks fit, in memory order.
    mask: "bits" keeps one bit an element (or pixel) for the gradient, "recompute" grows the blocks
    again. Dropped means zero, also for inf and NaN.

    ValueError or TypeError for a p that is no number in [0, 1], a block_size that is no positive
    int, and an x of another rank.
    """
    p, mask = check_p(p), check_mask(mask)
    x = as_tensor(x)
    if x.ndim != 4:
        raise ValueError("drop_block2d: x must be (n, height, width, channels), got shape "
                         f"{x.shape}")
    block = check_size(block_size, "block_size")
    masked = x.shape[1] * x.shape[2] * (1 if shared else x.shape[3])
    where = (*checked_address(seed, stream, call), samples_before(offset, masked))
    if not training or p == 0 or x.size == 0:
        return x
    height, width = x.shape[1:3]
    block = min(block, height, width)
    if block == 1 and not shared:
        return dropout(x, p, training=True, seed=where[0], stream=stream, call=call, offset=offset,
                       mask=mask)
    places = (height - block + 1) * (width - block + 1)
    corners = 1.0 if p == 1 else min(1.0, p / block**2 * (height * width / places))
    law = (corners, block, *where)
    y, bits, scales = _kernels.drop_block_forward(x.data, *law, shared=shared)
    if mask == "recompute" or not wants_graph((x,)):
        bits = scales = None

    def backward(dout):
        if bits is None:
            return (_kernels.drop_block_forward(dout, *law, shared=shared)[0],)
        return (_kernels.drop_block_backward(dout, bits, scales, shared=shared),)

    return node(y, (x,), backward, "drop_block2d")
