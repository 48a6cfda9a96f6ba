"""Module: a function with parameters, made of other modules.

A module's parameters and children are its plain attributes; nothing is registered. Whoever asks for
them gets what `vars(module)` holds at that moment, in the order in which it was set.
"""

from collections import namedtuple
from itertools import count
from types import MappingProxyType

import numpy as np

from ..tensor import Tensor
from .parameter import Parameter, writable
from .summary import summarize

_NOTHING = MappingProxyType({})
_Kept = namedtuple("_Kept", "missing_keys unexpected_keys")


class Module:
    """The base of every layer and model. A subclass sets parameters and children as attributes, and
    defines `forward`. Lists hide what they hold: see ModuleList.

    training: whether the module learns (dropout drops, batch norm uses the batch); True at first,
    changed by `train()` and `eval()`.
    """

    training = True
    _buffers = _NOTHING  # name -> whether it belongs to the state
    _forward_hooks = _NOTHING  # key -> function

    def forward(self, *args, **kwargs):
        """The output for these inputs; a subclass defines it, a caller calls the module itself."""
        raise NotImplementedError(f"{type(self).__name__} defines no forward()")

    def __call__(self, *args, **kwargs):
        output = self.forward(*args, **kwargs)
        if self._forward_hooks:
            for hook in list(self._forward_hooks.values()):
                replaced = hook(self, args, output)
                output = output if replaced is None else replaced
        return output

    def __setattr__(self, name, value):
        """Refuse what would silently take a parameter, a child or a buffer out of the module."""
        before = self.__dict__.get(name)
        if isinstance(before, (Parameter, Module)):
            self._expect_kind(name, value, Parameter if isinstance(before, Parameter) else Module)
        elif name in self._buffers:
            self._expect_kind(name, value, Tensor)
        object.__setattr__(self, name, value)

    def _expect_kind(self, name, value, kind):
        if value is not None and not isinstance(value, kind):
            raise TypeError(
                f"{type(self).__name__}.{name} is a {kind.__name__} and cannot become "
                f"{type(value).__name__}: give a {kind.__name__} or None"
                + ("" if kind is Module else f", or write {name}.data[...]")
            )

    # ---- what it is made of; what is shared is listed once, under its first name ----

    def named_modules(self, prefix=""):
        """(path, module) of this module (path "") and of all below it, each before its children."""
        seen, stack = set(), [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) not in seen:
                seen.add(id(module))
                yield path, module
                for name, child in reversed(vars(module).items()):
                    if isinstance(child, Module):
                        stack.append((f"{path}.{name}" if path else name, child))

    def modules(self):
        """This module and all below it."""
        return (module for _, module in self.named_modules())

    def named_children(self):
        """(name, module) of the modules that are attributes of this one."""
        return self._attributes(Module, recurse=False)

    def children(self):
        """The modules that are attributes of this one."""
        return (module for _, module in self.named_children())

    def named_parameters(self, prefix="", recurse=True):
        """(path, Parameter) of this module and, with recurse, of all below it."""
        return self._attributes(Parameter, prefix, recurse)

    def parameters(self, recurse=True):
        """The parameters of this module and, with recurse, of all below it."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(self, prefix="", recurse=True):
        """(path, Tensor) of the buffers of this module and, with recurse, of all below it."""
        return self._attributes(Tensor, prefix, recurse,
                                lambda module, name: name in module._buffers)

    def buffers(self, recurse=True):
        """The buffers of this module and, with recurse, of all below it."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def _attributes(self, kind, prefix="", recurse=True, wanted=None):
        """(path, value) of the attributes of a kind, each value once."""
        seen = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, value in vars(module).items():
                if isinstance(value, kind) and id(value) not in seen:
                    if wanted is None or wanted(module, name):
                        seen.add(id(value))
                        yield f"{path}.{name}" if path else name, value

    def register_buffer(self, name, tensor, persistent=True):
        """Set attribute `name` to a Tensor that is part of the state but is not learned, such as a
        running mean. tensor: what a Tensor takes, or None for no buffer. persistent=False keeps it
        out of `state_dict`. ValueError for a name that is taken or has a dot."""
        taken = hasattr(self, str(name)) and name not in self._buffers
        if not isinstance(name, str) or not name.isidentifier() or taken:
            raise ValueError(f"name must be an attribute's name that is not taken, got {name!r}")
        value = None if tensor is None else Tensor(writable(tensor))
        if "_buffers" not in vars(self):
            self._buffers = {}
        object.__setattr__(self, name, value)
        self._buffers[name] = bool(persistent)

    # ---- what it does to all of it ----

    def apply(self, fn):
        """Call fn on every module below and then on this one; returns this module."""
        for module in list(self._children_first(set())):
            fn(module)
        return self

    def _children_first(self, seen):
        if id(self) not in seen:
            seen.add(id(self))
            for child in self.children():
                yield from child._children_first(seen)
            yield self

    def train(self, mode=True):
        """Set `training` of this module and of all below it; returns this module."""
        if not isinstance(mode, (bool, np.bool_)):
            raise TypeError(f"mode must be True or False, got {mode!r}")
        for module in self.modules():
            module.training = bool(mode)
        return self

    def eval(self):
        """`train(False)`: nothing is dropped, and running statistics are used as they are."""
        return self.train(False)

    def zero_grad(self):
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def register_forward_hook(self, hook):
        """Call hook(module, args, output) after every forward. What it returns, unless None,
        replaces the output. Returns a handle whose `remove()` takes the hook away."""
        if not callable(hook):
            raise TypeError(f"hook must be callable, got {type(hook).__name__}")
        if "_forward_hooks" not in vars(self):
            self._forward_hooks = {}
        return HookHandle(self._forward_hooks, hook)

    # ---- its state ----

    def state_dict(self):
        """Copies of all parameters and persistent buffers: a dict of path -> ndarray."""
        return {path: np.array(tensor.data) for path, tensor in self._state().items()}

    def load_state_dict(self, state_dict, strict=True):
        """Copy values into the parameters and buffers, whose arrays stay the same objects.

        state_dict: path -> array or tensor, of equal shape and dtype. With strict=False, paths that
        only one side has are passed over. Returns (missing_keys, unexpected_keys). ValueError names
        every path that does not fit; nothing is changed then.
        """
        if not hasattr(state_dict, "items"):
            raise TypeError(f"state_dict must be a dict, got {type(state_dict).__name__}")
        own = self._state()
        given = {path: np.array(value) for path, value in state_dict.items()}  # may alias our own
        kept = _Kept([p for p in own if p not in given], [p for p in given if p not in own])
        wrong = []
        if strict:
            wrong += [f"{path}: missing" for path in kept.missing_keys]
            wrong += [f"{path}: unexpected" for path in kept.unexpected_keys]
        both = [path for path in own if path in given]
        for path in both:
            value, data = given[path], own[path].data
            if (value.shape, value.dtype) != (data.shape, data.dtype):
                wrong.append(f"{path}: must be {data.dtype} {data.shape}, "
                             f"got {value.dtype} {value.shape}")
            elif not data.flags.writeable:
                wrong.append(f"{path}: its array in this module is read-only")
        if wrong:
            raise ValueError(f"state_dict does not fit {type(self).__name__}:\n  "
                             + "\n  ".join(wrong))
        for path in both:
            own[path].data[...] = given[path]
        return kept

    def _state(self):
        return dict(self._attributes(Tensor, wanted=_is_state))

    def get_extra(self):
        """State that is not arrays: a dict of str -> int, or None. Random layers override it."""
        return None

    def set_extra(self, extra):
        """Take over what `get_extra` of such a module returned."""

    def extra_state(self):
        """path -> `get_extra()` of every module that has some."""
        found = ((path, module.get_extra()) for path, module in self.named_modules())
        return {path: dict(extra) for path, extra in found if extra is not None}

    def load_extra_state(self, extra):
        """Take over what `extra_state()` of such a model returned. ValueError where paths, names or
        values do not fit; nothing is changed then."""
        if not hasattr(extra, "items"):
            raise TypeError(f"extra must be a dict, got {type(extra).__name__}")
        before = self.extra_state()
        if set(extra) != set(before):
            raise ValueError(f"extra must be for the modules {sorted(before)}, got {sorted(extra)}")
        for path, values in extra.items():
            if not hasattr(values, "items") or set(values) != set(before[path]):
                raise ValueError(f"extra[{path!r}] must hold {sorted(before[path])}, "
                                 f"got {values!r}")
            for name, value in values.items():
                if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
                    raise ValueError(f"extra[{path!r}][{name!r}] must be an int, got {value!r}")
        modules = dict(self.named_modules())
        try:
            for path, values in extra.items():
                modules[path].set_extra({name: int(value) for name, value in values.items()})
        except Exception:
            for path, values in before.items():
                modules[path].set_extra(values)
            raise

    # ---- how it looks ----

    def summary(self, input_shape, dtype=None, batch_size=64):
        """A table, as text: each layer, its output shape and its number of parameters.

        input_shape: the shape of one sample. The model is run on one sample of zeros, of `dtype`
        (that of its first parameter), in eval mode and without hooks; it is left as it was.

        Where there is dropout, the lines below the table also tell
        - how many parameters are expected to be active in a training step of one sample: those
          that are not dropped themselves, and in a Linear or Conv2d those whose input and output
          units are both kept, in order of the calls;
        - the bytes of the masks that wait for the backward pass of `batch_size` samples;
        - warnings: dropout before batch norm, AlphaDropout that does not follow SELU, a rate of 0.9
          or more, dropout after the last layer, two in a row.
        """
        return summarize(self, input_shape, dtype, batch_size)

    def extra_repr(self):
        """The arguments, as text, that `repr` shows in the brackets."""
        return ""

    def __repr__(self):
        lines = [f"({name}): {value!r}".replace("\n", "\n  ")
                 for name, value in vars(self).items() if isinstance(value, Module)]
        if not lines:
            return f"{type(self).__name__}({self.extra_repr()})"
        lines = [self.extra_repr()] * bool(self.extra_repr()) + lines
        return f"{type(self).__name__}(\n  " + "\n  ".join(lines) + "\n)"


class HookHandle:
    """A registered hook; `remove()` takes it away, and so does the end of a `with` block."""

    _keys = count()

    def __init__(self, hooks, hook):
        self.hooks, self.key = hooks, next(self._keys)
        hooks[self.key] = hook

    def remove(self):
        """Take the hook away; nothing happens the second time."""
        self.hooks.pop(self.key, None)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.remove()


def _is_state(module, name):
    return isinstance(vars(module)[name], Parameter) or module._buffers.get(name, False)


def checked_layer(what, layer):
    """layer, or a TypeError that says what came instead."""
    if isinstance(layer, Module):
        return layer
    came = f"the class {layer.__name__}" if isinstance(layer, type) else type(layer).__name__
    raise TypeError(f"{what} must be a Module, got {came}")
