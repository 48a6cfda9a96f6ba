"""Tensor and backward(): the graph, and nothing else. It knows no op.

An op computes its value as an ndarray and calls `node(value, parents, closure, name)`. The closure
takes `dout`, the gradient of the value, and returns one gradient for each parent (None for a parent
that wants none). Ops never add gradients up, and never check their shapes: that is done here, once.

A closure must not capture the Tensor that it belongs to (that would be a reference cycle, and the
memory of a step would wait for the garbage collector). The gradients it returns are new arrays,
`dout` itself, or views of it.
"""

import functools
import threading
from itertools import count
from operator import attrgetter

import numpy as np

from . import _kernels


class _Mode(threading.local):
    """A class, for its attributes: asking a bare local for what is not there yet takes longer."""

    recording = True  # whether ops of this thread build a graph


_mode = _Mode()
_numbers = count()


class no_grad:
    """Build no graph inside: `with md.no_grad(): ...`, or as a decorator."""

    def __init__(self):
        self.before = []  # one for each level, where one guard is entered several times

    def __enter__(self):
        self.before.append(grad_enabled())
        _mode.recording = False

    def __exit__(self, *error):
        _mode.recording = self.before.pop()

    def __call__(self, function):
        @functools.wraps(function)
        def without_graph(*args, **kwargs):
            with no_grad():
                return function(*args, **kwargs)

        return without_graph


def grad_enabled():
    """Whether ops build a graph now, in this thread."""
    return _mode.recording


class Tensor:
    """An ndarray that remembers how it was computed.

    array: anything that numpy takes. float32 and float64 stay as they are; other floats become
    float32; integers and bools are kept for labels and indices, and cannot require a gradient.
    requires_grad: whether `backward` fills `.grad`.

    .data is the ndarray itself, writable; .grad an ndarray of the same shape, or None.
    """

    __slots__ = ("data", "grad", "requires_grad", "_parents", "_backward", "_op", "_gate",
                 "_number", "__weakref__")  # fmt: skip
    __array_priority__ = 1000  # ndarray + Tensor is left to Tensor

    def __init__(self, array, requires_grad=False):
        self.data = as_array(array)
        self.requires_grad = bool(requires_grad)
        if self.requires_grad and self.data.dtype.kind != "f":
            raise TypeError(f"only float tensors can require a gradient, got {self.data.dtype}")
        self.grad = None
        self._parents = ()
        self._backward = None
        self._op = ""
        self._gate = None

    shape = property(lambda self: self.data.shape)
    dtype = property(lambda self: self.data.dtype)
    ndim = property(lambda self: self.data.ndim)
    size = property(lambda self: self.data.size)

    def __len__(self):
        return len(self.data)

    def __bool__(self):
        return bool(self.data)

    __hash__ = object.__hash__

    def numpy(self):
        """The ndarray itself, not a copy; it need not be detached first."""
        return self.data

    def item(self):
        """The one element as a Python number. ValueError for any other size."""
        if self.data.size != 1:
            raise ValueError(f"item() needs a tensor of one element, got shape {self.shape}")
        return self.data.item()

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __format__(self, spec):  # f"{loss:.4f}"
        return format(self.item(), spec) if spec else str(self)

    def tolist(self):
        """Nested lists of Python numbers."""
        return self.data.tolist()

    def detach(self):
        """The same data, outside the graph."""
        return Tensor(self.data)

    def __array__(self, dtype=None, copy=None):
        if dtype is None or dtype == self.data.dtype:
            return self.data.copy() if copy else self.data
        if copy is False:
            raise ValueError(f"{self.data.dtype} cannot be seen as {dtype} without a copy")
        return self.data.astype(dtype)

    def __dlpack__(self, **options):
        return self.data.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.data.__dlpack_device__()

    def __repr__(self):
        values = np.array2string(self.data, separator=", ", precision=4, prefix="Tensor(")
        op = f", op={self._op}" if self._op else ""
        grad = ", requires_grad=True" if self.requires_grad and not self._op else ""
        return f"Tensor({values}, shape={self.shape}, dtype={self.dtype}{op}{grad})"

    def backward(self, gradient=None):
        """Add the gradient of this tensor to `.grad` of every leaf that it was computed from.

        gradient: the gradient of this tensor, of its shape; may be left out for one element (1).
        The graph is freed on the way: a second call through it raises RuntimeError.
        """
        backward(self, gradient)

    def zero_grad(self):
        """Forget the gradient."""
        self.grad = None


def as_array(array):
    """array as an ndarray that a Tensor may hold, without a copy where it is one already."""
    if isinstance(array, Tensor):
        return array.data
    given = isinstance(array, (np.ndarray, np.generic)) or hasattr(array, "__array__")
    try:
        a = np.asarray(array)
    except ValueError as error:
        raise ValueError(f"array must be rectangular: {error}") from None
    if a.dtype.kind == "f":
        # numbers that Python wrote are float32, arrays keep what they were made
        keep = given and a.dtype.itemsize in (4, 8)
        return a.astype(a.dtype.newbyteorder("=") if keep else np.float32, copy=False)
    if a.dtype.kind in "biu":
        return a
    raise TypeError(f"array must hold real numbers, got {a.dtype} ({type(array).__name__})")


def empty_array(shape):
    """A float32 array for a Tensor to hold, not yet filled. It begins on a cache line: of one that
    NumPy makes, each vector may lie on two lines, and cost twice."""
    return _kernels.empty(shape)


def tensor(x, requires_grad=False):
    """A Tensor from lists, arrays, numbers, or anything with __array__."""
    return Tensor(x, requires_grad)


def as_tensors(*given):
    """Each argument as a Tensor; None stays None."""
    return [t if t is None or isinstance(t, Tensor) else Tensor(t) for t in given]


def wants_graph(parents):
    """Whether an op of these parents will be asked for gradients."""
    if _mode.recording:
        for parent in parents:  # a loop: any() makes a generator, and this runs for every op
            if parent.requires_grad:
                return True
    return False


class Gate:
    """Between a relu and the op that takes its value in. An op whose gradient of that value is 0
    wherever the relu is shut leaves it here: `passed`. If that is all that comes back to the relu,
    it need not look at its value again. What several ops send back is a sum, another array."""

    __slots__ = ("passed",)

    def __init__(self):
        self.passed = None

    def take(self, dout):
        """Whether dout has passed already; it is held no longer."""
        passed, self.passed = self.passed, None
        return passed is dout


def node(value, parents, closure, op, gate=None):
    """The Tensor of an op's value. It joins the graph where a parent asks for a gradient. gate:
    that of a relu at the end of the op."""
    out = Tensor.__new__(Tensor)
    out.data = value
    out.grad = None
    out.requires_grad = wanted = wants_graph(parents)
    out._parents = parents if wanted else ()
    out._backward = closure if wanted else None
    out._op = op
    out._gate = gate if wanted else None
    out._number = next(_numbers)  # greater than that of any parent
    return out


def _freed(dout):
    raise RuntimeError("backward() through a graph that an earlier backward() has freed: "
                       "compute the loss again, or add the losses up first")


def backward(root, gradient=None):
    """See Tensor.backward."""
    if not root.requires_grad:
        raise RuntimeError("backward() needs a tensor that was computed from one with "
                           "requires_grad=True, outside no_grad()")
    if gradient is None:
        if root.data.size != 1:
            raise ValueError(f"backward() of a tensor of shape {root.shape} needs gradient=")
        gradient = np.ones(root.shape, root.dtype)
    else:
        gradient = np.array(as_array(gradient), dtype=root.dtype)
        if gradient.shape != root.shape:
            raise ValueError(f"gradient must have shape {root.shape}, got {gradient.shape}")
    if root._backward is None:
        _accumulate(root, gradient, True)
        return
    ops = _ops_latest_first(root)
    found = {id(root): gradient}  # of ops: the sum of the gradients so far
    for i, t in enumerate(ops):
        ops[i] = None  # so that what t saved for its gradient is freed when it is done
        dout = found.pop(id(t), None)
        if dout is None:
            continue
        closure, parents = t._backward, t._parents
        t._backward, t._parents = _freed, ()
        gradients = closure(dout)
        for parent, g in zip(parents, gradients, strict=True):
            if g is None or not parent.requires_grad:
                continue
            if g.shape != parent.data.shape:
                raise AssertionError(f"{t._op}: a gradient of shape {g.shape} for a parent of "
                                     f"shape {parent.data.shape}")
            if parent._backward is None:
                _accumulate(parent, g, g is not dout and _is_alone(g, gradients))
            else:
                before = found.get(id(parent))
                found[id(parent)] = g if before is None else _kernels.add(before, g)


def _is_alone(g, gradients):
    """Whether nobody but one parent will hold g: it is no view, and was returned once."""
    return not isinstance(g.base, np.ndarray) and list(map(id, gradients)).count(id(g)) == 1


def _accumulate(leaf, g, owned):
    """Add g to the gradient of a leaf. owned: whether it may become that gradient itself."""
    if leaf.grad is not None:
        leaf.grad = _kernels.add(leaf.grad, g)
    else:
        leaf.grad = g if owned else _kernels.copy(g)


def _ops_latest_first(root):
    """The results of ops that root was computed from, each before its parents: an op is younger
    than they are."""
    ops, seen = [root], {id(root)}
    for t in ops:  # which grows meanwhile
        if t._backward is _freed:
            _freed(None)
        for parent in t._parents:
            if parent._backward is not None and id(parent) not in seen:
                seen.add(id(parent))
                ops.append(parent)
    ops.sort(key=attrgetter("_number"), reverse=True)
    return ops


def graph(tensor):
    """The graph above a tensor as text: an op a line, its parents indented under it, and what was
    shown before by its number."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"graph() shows the graph of a Tensor, got {type(tensor).__name__}")
    lines, numbers = [], {}
    stack = [(tensor, 0)]
    while stack:
        t, depth = stack.pop()
        indent = "  " * depth
        if id(t) in numbers:
            lines.append(f"{indent}#{numbers[id(t)]} (above)")
            continue
        numbers[id(t)] = len(numbers)
        what = t._op or ("parameter" if t.requires_grad else "constant")
        freed = " (freed)" if t._backward is _freed else ""
        lines.append(f"{indent}#{numbers[id(t)]} {what} {tuple(t.shape)} {t.dtype}{freed}")
        stack.extend((parent, depth + 1) for parent in reversed(t._parents))
    return "\n".join(lines)
