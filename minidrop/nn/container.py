"""Modules made of a row of modules."""

from operator import index as as_index

from ..functional import as_tensor
from .fusion import plan
from .module import Module, checked_layer


class Layers(Module):
    """A row of modules with the manners of a list. Each is an attribute: its position as text
    ("0", "1", ...), or its own name. What Sequential and ModuleList share."""

    def _empty(self):
        """A container for a part of this row."""
        raise NotImplementedError

    def _named(self):
        """[(name, layer)] in order; a layer may stand in it twice."""
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Module)]

    def _layers(self):
        return [value for value in vars(self).values() if isinstance(value, Module)]

    def _fill(self, named):
        """Become this row; numbers are positions again."""
        for name, _ in self._named():
            del vars(self)[name]
        for position, (name, layer) in enumerate(named):
            vars(self)[str(position) if name.isdecimal() else name] = layer

    def __len__(self):
        return len(self._layers())

    def __iter__(self):
        return iter(self._layers())

    def __getitem__(self, index):
        """The layer at a position, or a container of the same layers for a slice."""
        if isinstance(index, slice):
            part = self._empty()
            part._fill(self._named()[index])
            return part
        return self._layers()[self._position(index)]

    def __setitem__(self, index, layer):
        """Replace the layer at a position; it keeps its name."""
        name = self._named()[self._position(index)][0]
        vars(self)[name] = checked_layer("layer", layer)

    def __delitem__(self, index):
        named = self._named()
        if not isinstance(index, slice):
            index = self._position(index)
        del named[index]
        self._fill(named)

    def insert(self, index, layer):
        """Put a layer before a position; it has no name of its own."""
        named = self._named()
        named.insert(as_index(index), ("0", checked_layer("layer", layer)))
        self._fill(named)

    def append(self, layer):
        """Put a layer at the end; returns this container."""
        return self.extend([layer])

    def extend(self, layers):
        """Put layers at the end; returns this container."""
        new = [("0", checked_layer(f"layer {i}", layer)) for i, layer in enumerate(layers)]
        self._fill(self._named() + new)
        return self

    def _position(self, index):
        if not -len(self) <= as_index(index) < len(self):
            raise IndexError(f"index must be below {len(self)}, got {index}")
        return as_index(index)


class Sequential(Layers):
    """Each layer on the output of the one before it.

    Sequential(*layers), or Sequential(OrderedDict) of name -> layer. Neighbours that `fusion.py`
    has a function for are computed by it, with the same bits (but see algo= of
    `functional.conv2d` for gradients behind a pooling); `fuse = False` computes each by itself.
    """

    fuse = True
    _planned = ([], [])  # the layers of the last call, and what was called for them

    def __init__(self, *layers):
        if len(layers) == 1 and isinstance(layers[0], dict):
            named = [(checked_name(self, name), layer) for name, layer in layers[0].items()]
        else:
            named = [("0", layer) for layer in layers]
        for position, (name, layer) in enumerate(named):
            checked_layer(f"layer {position if name.isdecimal() else name}", layer)
        self._fill(named)

    def forward(self, x):
        layers = self._layers()  # list(self) would also ask for the length
        if not self.fuse:
            steps = layers
        else:
            planned, steps = self._planned
            if planned != layers:
                steps = plan(layers)
                vars(self)["_planned"] = layers, steps
        for step in steps:
            x = step(x)
        return x

    def _empty(self):
        return Sequential()

    def __getstate__(self):
        return {name: value for name, value in vars(self).items() if name != "_planned"}


class ModuleList(Layers):
    """A list of modules whose parameters belong to the module that has it as an attribute. It has
    no forward: the owner calls its modules as it likes."""

    def __init__(self, modules=()):
        self.extend(modules)

    def _empty(self):
        return ModuleList()


class Identity(Module):
    """Its input. Arguments are taken and forgotten, so that it can stand for any layer."""

    def __init__(self, *args, **kwargs):
        pass

    def forward(self, x):
        return as_tensor(x)


def opened(model):
    """The layers that `model` calls one after the other: those of a Sequential, nested ones opened,
    as long as nothing watches or changes what they do as a whole; else the model alone."""
    if type(model) is not Sequential or model._forward_hooks or "forward" in vars(model):
        return [model]
    return [layer for child in model for layer in opened(child)]


def checked_name(owner, name):
    """name, or a ValueError where it cannot be a part of a path or hides an attribute."""
    if not isinstance(name, str) or not name or "." in name or hasattr(owner, name):
        raise ValueError(f"a layer's name must be text without dots and not taken, got {name!r}")
    return name
