"""What a whole number given as an argument may be, for layers, data and training alike."""

from operator import index

import numpy as np


def integer(name, value, low=1):
    """value as an int of at least `low` (None: any). Bools and floats are no ints."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        value = index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int, got {value!r}") from None
    if low is not None and value < low:
        raise ValueError(f"{name} must be at least {low}, got {value}")
    return value
