"""What an option of an optimizer or a schedule may be: one check for each kind, which names the
option, what came and what was expected."""

import math
import numbers
from operator import is_


def number(name, value, least=-math.inf, most=math.inf, *, below=None, above=None, allow_inf=False):
    """value as a float in [least, most], smaller than `below` and greater than `above`; finite,
    unless allow_inf. TypeError for what is no number, ValueError for one that does not fit."""
    if type(value) is not float:
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError(f"{name} must be a number, got {value!r}")
        try:
            value = float(value)
        except OverflowError:
            raise ValueError(f"{name} must fit a float, got {value}") from None
    if (
        least <= value <= most
        and (below is None or value < below)
        and (above is None or value > above)
        and (allow_inf or math.isfinite(value))
    ):
        return value
    limits = [
        f"{words} {bound:g}"
        for words, bound in (
            ("at least", None if least == -math.inf else least),
            ("at most", None if most == math.inf else most),
            ("above", above),
            ("below", below),
        )
        if bound is not None
    ]
    kind = "a number" if allow_inf else "a finite number"
    raise ValueError(f"{name} must be {kind} {' and '.join(limits)}".rstrip() + f", got {value}")


def not_negative(name, value):
    """value as a float of at least 0."""
    return number(name, value, 0)


def decay_rate(name, value):
    """value as a float in [0, 1): how much of a running average stays."""
    return number(name, value, 0, below=1)


def betas(name, value):
    """value as a tuple of two decay rates; itself where it is one."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ValueError(f"{name} must be two numbers, got {value!r}")
    rates = decay_rate(f"{name}[0]", value[0]), decay_rate(f"{name}[1]", value[1])
    return value if type(value) is tuple and all(map(is_, rates, value)) else rates


def flag(name, value):
    """value, a bool."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool, got {value!r}")
    return value


def integer(name, value, least=1):
    """value as an int of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an int, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return int(value)


def limit(name, value):
    """value as a float above 0, or None for no limit."""
    return None if value is None else number(name, value, above=0)


def choice(name, value, *known):
    """value, if it is one of the known ones."""
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")
    return value


def for_groups(name, value, optimizer, below=None):
    """value, a number of at least 0 or a list of one for each parameter group, as such a list."""
    groups = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [number(name, value, 0, below=below)] * groups
    if len(value) != groups:
        raise ValueError(f"{name} must be a number or {groups}, one a group, got {len(value)}")
    return [number(f"{name}[{i}]", v, 0, below=below) for i, v in enumerate(value)]
