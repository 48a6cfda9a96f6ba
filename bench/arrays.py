"""Arrays that begin on a cache line, as those do that minidrop, PyTorch and JAX make by themselves.
NumPy's begin anywhere: each of their vectors may lie on two lines, and cost twice."""

import numpy as np

LINE = 64  # bytes


def bytes_on_a_line(size):
    """A new array of `size` bytes, every page touched."""
    room = np.ones(size + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + size]
