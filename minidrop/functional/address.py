"""Where the masks of a function are: what its address arguments mean."""

from .. import _kernels, random


def checked_address(seed, stream, call):
    """(seed, stream, call), seed=None being that of `md.manual_seed`. ValueError or TypeError for a
    part that is no int in [0, 2**64)."""
    if seed is None:
        seed = random.get_rng_state()["seed"]
    return _kernels.check_address(seed, stream, call)


def samples_before(offset, size):
    """How many samples of `size` mask elements stand before an offset in such elements. ValueError
    unless it is a whole number of them."""
    offset = random.check_word(offset, "offset")
    if size and offset % size:
        raise ValueError(f"offset must be a multiple of the {size} mask elements of a sample, "
                         f"got {offset}")
    return offset // size if size else 0
