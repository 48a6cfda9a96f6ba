"""Nested Python values as JSON plus a flat dictionary of arrays, and back, losing nothing.

None, bool, int, float, str, lists and dictionaries with string keys are JSON's own. What JSON has
no words for is written as a dictionary with one key that begins with a dollar sign:

    array               {"$array": name of the array}
    tuple               {"$tuple": [items]}
    inf, -inf, nan      {"$float": "inf"}
    other dictionary    {"$items": [[key, value], ...]}     keys that are no strings, or begin "$"
"""

import math

import numpy as np

# what the safetensors format can hold
DTYPES = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
          "float16", "float32", "float64", "complex64")  # fmt: skip


def pack(value, path, arrays):
    """`value` in JSON's words; its arrays are put into the dictionary `arrays`, named by path.

    NumPy's scalars become Python's. Raises TypeError, with the path, for a value of another kind.
    """
    if isinstance(value, np.ndarray):
        name = _free_name(path, arrays)
        arrays[name] = as_plain(value, path)
        return {"$array": name}
    if isinstance(value, np.generic) and value.dtype.kind in "biuf":
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, (list, tuple)):
        items = [pack(item, f"{path}.{i}", arrays) for i, item in enumerate(value)]
        return {"$tuple": items} if isinstance(value, tuple) else items
    if isinstance(value, dict):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: pack(item, f"{path}.{key}", arrays) for key, item in value.items()}
        return {"$items": [
            [pack(key, f"{path} (key)", arrays), pack(item, f"{path}.{key}", arrays)]
            for key, item in value.items()
        ]}  # fmt: skip
    raise TypeError(
        f"{path} must be None, a bool, int, float, str, NumPy array, or a list, tuple or dict of "
        f"these, got {type(value).__name__}"
    )


def unpack(value, arrays):
    """The value of which `pack` made `value` and `arrays`; arrays are copies, and writable.

    Raises KeyError, TypeError or ValueError where `value` was not made by `pack`.
    """
    if isinstance(value, list):
        return [unpack(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((tag, content),) = value.items()
        if tag == "$array":
            return arrays[content].copy()
        if tag == "$tuple":
            return tuple(unpack(content, arrays))
        if tag == "$float":
            return float(content)
        if tag == "$items":
            return {unpack(key, arrays): unpack(item, arrays) for key, item in content}
    return {key: unpack(item, arrays) for key, item in value.items()}


def as_plain(value, path):
    """`value` as an array as files hold it: C order, the machine's byte order, a common dtype."""
    array = np.asarray(value)
    if array.dtype.name not in DTYPES:
        raise TypeError(f"{path} must be an array of one of {DTYPES}, got {array.dtype}")
    # ascontiguousarray alone would turn a single number into an array of one dimension
    array = array.astype(array.dtype.newbyteorder("="), order="C", copy=False)
    return array


def _free_name(path, arrays):
    name, number = path, 1
    while name in arrays:  # {"a.b": x} beside {"a": {"b": x}}
        number += 1
        name = f"{path}~{number}"
    return name
