"""Checkpoints: everything that a run needs to go on as if it had never stopped, in one file.

The file is in the safetensors format, so any program that reads it can read the arrays:

    model.<name>        each parameter and buffer, named as in `model.state_dict()`
    optimizer.<path>    the arrays of `optimizer.state_dict()`
    meta.<path>         the arrays among what the caller added

All else stands, as JSON, in the one entry `minidrop` of the header's metadata: the version of this
layout and of the library, the random state (seed, streams, and each layer's count of calls), the
optimizer's numbers, what the caller added, and a SHA-256 over all of that and over the arrays.
It finds damage, not forgery: who can write the file can write a digest. But nothing in a file is
ever executed, and none is believed before it has been checked as a whole.
"""

import copy
import hashlib
import json
import os
from dataclasses import dataclass

import numpy as np
import safetensors
import safetensors.numpy

from .. import random
from ..nn.module import checked_layer
from ..optim.optimizer import checked_optimizer
from .atomic import write_atomically
from .tree import as_plain, pack, unpack

_FORMAT = 1
_MAX_HEADER = 100 << 20  # the format's own limit


class CheckpointError(ValueError):
    """A checkpoint is damaged, is not one, or does not fit the model or the optimizer."""


def save(path, model, optimizer=None, **meta):
    """Write `model`, and `optimizer` if given, to the file `path`, so that `load` restores both.

    Parameters, buffers, the optimizer's state and the random state are in it: a run that goes on
    from the file gives the same bits as one that was never interrupted. `meta` is any further
    information: None, bool, int, float, str, NumPy arrays, and lists, tuples and dictionaries of
    these. `path` always names a whole file, the old one or the new one (see write_atomically).

    Raises TypeError where `meta` holds anything else, OSError where the file cannot be written.
    """
    _check_kinds(model, optimizer)
    arrays = {}
    for name, value in model.state_dict().items():
        arrays[f"model.{name}"] = as_plain(value, f"model.{name}")
    try:
        body = {
            "format": _FORMAT,
            "version": _version(),
            "random": random.get_rng_state(),
            "layers": model.extra_state(),
            "optimizer": _pack_optimizer(optimizer, arrays),
            "meta": pack(meta, "meta", arrays),
        }
        text = _canonical(body)
    except RecursionError:
        raise ValueError("meta must not be nested so deeply, or within itself") from None
    body["sha256"] = _digest(text, arrays)
    # one entry only: the library writes several in an order that differs from run to run
    data = safetensors.numpy.save(arrays, {"minidrop": json.dumps(body)})
    write_atomically(path, data)


def load(path, model, optimizer=None):
    """Restore `model`, and `optimizer` if given, from the file `path`; the `meta` given to `save`.

    The random state is restored too. Everything is checked first: the file as a whole, and that
    its names, shapes and dtypes are exactly those of `model` and `optimizer`. If anything does not
    fit, or fails, nothing has changed. A file without an optimizer cannot restore one; an
    optimizer in the file that is not asked for is passed over. Memory: about three times the size
    of the file, and nothing before the size of its header has been checked.

    Raises OSError where the file cannot be read, CheckpointError (a ValueError) where it is
    damaged or does not fit.
    """
    checkpoint = read(path)
    checkpoint.restore(model, optimizer)
    return checkpoint.meta


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read from a file that was found whole."""

    path: str
    version: str  # of the library that wrote it
    state: dict  # name -> array, as model.state_dict()
    layers: dict  # the layers' random state, as model.extra_state()
    random: dict  # md.get_rng_state()
    optimizer: dict | None  # {"class": name, "state": as optimizer.state_dict()}
    meta: dict

    def restore(self, model, optimizer=None):
        """Put everything in its place, or, where something does not fit or fails, nothing."""
        _check_kinds(model, optimizer)
        if optimizer is not None:
            self._check_optimizer(optimizer)
        state = None if optimizer is None else self.optimizer["state"]
        before = _snapshot(model, optimizer)
        try:
            _put(model, optimizer, self.state, self.layers, state, self.random)
        except BaseException as error:
            _put(model, optimizer, *before)
            if isinstance(error, (AttributeError, LookupError, TypeError, ValueError)):
                raise CheckpointError(f"{self.path}: does not fit: {error}") from error
            raise

    def _check_optimizer(self, optimizer):
        """Raise CheckpointError unless the file has one of its class."""
        if self.optimizer is None:
            raise CheckpointError(f"{self.path}: holds no optimizer, but one is to be restored")
        kind = type(optimizer).__name__
        if self.optimizer["class"] != kind:
            raise CheckpointError(f"{self.path}: holds a {self.optimizer['class']}, not a {kind}")


def read(path):
    """The Checkpoint in the file `path`, checked as a whole; raises what `load` does."""
    data = _read_bytes(path)
    try:
        arrays = safetensors.numpy.load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        entry = header.get("__metadata__", {}).get("minidrop")
        if entry is None:
            raise CheckpointError(f"{path}: a safetensors file, but not one written by md.save")
        body = json.loads(entry)
        if body["format"] != _FORMAT:
            raise CheckpointError(
                f"{path}: layout {body['format']!r}, written by minidrop {body['version']}; this "
                f"is minidrop {_version()}, which reads layout {_FORMAT}"
            )
        if body.pop("sha256") != _digest(_canonical(body), arrays):
            raise CheckpointError(f"{path}: damaged: the content does not match its sha256")
        return Checkpoint(
            path=os.fspath(path),
            version=body["version"],
            state={name[6:]: a for name, a in arrays.items() if name.startswith("model.")},
            layers=body["layers"],
            random=body["random"],
            optimizer=_unpack_optimizer(body["optimizer"], arrays),
            meta=unpack(body["meta"], arrays),
        )
    except CheckpointError:
        raise
    except (safetensors.SafetensorError, ValueError, LookupError, TypeError, AttributeError,
            RecursionError) as error:  # fmt: skip
        raise CheckpointError(f"{path}: damaged, or no checkpoint: {error!r}") from error


def _read_bytes(path):
    """The content of the file, once its length can be that of a safetensors file."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise CheckpointError(f"{path}: not a regular file")
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        header_size = int.from_bytes(file.read(8), "little")
        if size < 8 or header_size > min(size - 8, _MAX_HEADER):
            raise CheckpointError(
                f"{path}: truncated, or not a safetensors file: {size} bytes, of which the header "
                f"claims {header_size}"
            )
        file.seek(0)
        return file.read(size)


def _digest(text, arrays):
    """SHA-256 over the JSON text and, in the order of their names, the arrays."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"\n{json.dumps(name)} {array.dtype.name} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
    return digest.hexdigest()


def _canonical(body):
    """JSON text that is the same for equal values, whatever became of them on the way."""
    return json.dumps(body, sort_keys=True, allow_nan=False)


def _pack_optimizer(optimizer, arrays):
    if optimizer is None:
        return None
    state = pack(optimizer.state_dict(), "optimizer", arrays)
    return {"class": type(optimizer).__name__, "state": state}


def _unpack_optimizer(packed, arrays):
    if packed is None:
        return None
    return {"class": packed["class"], "state": unpack(packed["state"], arrays)}


def _check_kinds(model, optimizer):
    checked_layer("model", model)
    if optimizer is not None:
        checked_optimizer(optimizer)


def _snapshot(model, optimizer):
    """Copies of what `_put` takes, by which it undoes itself."""
    optimizer_state = None if optimizer is None else copy.deepcopy(optimizer.state_dict())
    return model.state_dict(), model.extra_state(), optimizer_state, random.get_rng_state()


def _put(model, optimizer, state, layers, optimizer_state, random_state):
    model.load_state_dict(state)
    model.load_extra_state(layers)
    if optimizer is not None:
        optimizer.load_state_dict(optimizer_state)
    random.set_rng_state(random_state)


def _version():
    from .. import __version__

    return __version__
