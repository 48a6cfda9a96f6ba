"""Who says where a layer's next mask is: the layer, which counts its calls, or a director.

A director is a function of (layer, inputs) that gives the layer's output. While one is set, in its
thread, every dropout layer in train mode asks it, and counts nothing itself. Recording, replaying
and holding masks, Monte-Carlo prediction and thinned networks are directors.
"""

import threading


class _Local(threading.local):
    director = None  # what `directing` has set in this thread


_local = _Local()


def director():
    """The director of this thread, or None."""
    return _local.director


class directing:
    """Meanwhile `decide` is the director: `with directing(decide): ...`. Inner ones win."""

    def __init__(self, decide):
        self.decide, self.before = decide, []

    def __enter__(self):
        self.before.append(director())
        _local.director = self.decide
        return self

    def __exit__(self, *error):
        _local.director = self.before.pop()


def drop_at(layer, inputs, seed, stream, call):
    """The output of a dropout layer for the tuple `inputs` with the masks of this address; the
    layer keeps the one that it has."""
    attributes = vars(layer)  # past Module.__setattr__, which would take longer than a small mask
    before = {"seed": layer.seed, "stream": layer.stream, "call": layer.call}
    attributes.update(seed=seed, stream=stream, call=call)
    try:
        return layer.drop(*inputs)
    finally:
        attributes.update(before)
