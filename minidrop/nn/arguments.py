"""The arguments that layers are made with: checked where the layer is made, so that an error names
the argument, what came and what was expected."""

import math
import os

import numpy as np

from ..arguments import integer
from ..tensor import empty_array
from .parameter import Parameter


def pair(name, value, low=1):
    """value, an int or two of them for height and width, as a tuple of two."""
    if not isinstance(value, (tuple, list)):
        return (integer(name, value, low),) * 2
    if len(value) != 2:
        raise ValueError(f"{name} must be an int or two, got {value!r}")
    return tuple(integer(name, v, low) for v in value)


def real(name, value, low=-math.inf, high=math.inf):
    """value as a finite float from `low` to `high`."""
    try:
        if isinstance(value, str):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None
    if not (math.isfinite(number) and low <= number <= high):
        bounds = "" if (low, high) == (-math.inf, math.inf) else f" from {low} to {high}"
        raise ValueError(f"{name} must be a finite number{bounds}, got {value!r}")
    return number


def flag(name, value):
    """value as a bool."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def array(name, shape):
    """A float32 array of this shape, not yet filled. MemoryError where this machine cannot hold it:
    asked for more, some systems say yes and fail when the memory is written."""
    size = 4 * math.prod(shape)
    if size > _physical_memory():
        raise MemoryError(f"{name} of shape {shape} needs {size / 1e9:,.0f} GB, "
                          f"this machine has {_physical_memory() / 1e9:,.0f} GB")
    return empty_array(shape)


def parameter(name, shape):
    """A Parameter on such an array."""
    return Parameter(array(name, shape))


def _physical_memory():
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        return 2**40
