"""The table of a model: what each layer gives, and what it weighs."""

from math import prod

import numpy as np

from ..arguments import integer
from ..tensor import Tensor, no_grad

COLUMNS = ("layer", "output shape", "parameters")


def summarize(model, input_shape, dtype=None, batch_size=64):
    """See Module.summary."""
    from .advice import dropout_lines  # it knows layers, and these are made of Module

    batch_size = integer("batch_size", batch_size)
    shape = tuple(input_shape) if np.iterable(input_shape) else (input_shape,)
    if not all(isinstance(size, (int, np.integer)) and size >= 0 for size in shape):
        raise ValueError(f"input_shape must be the sizes of one sample, got {input_shape!r}")
    if dtype is None:
        dtype = next((p.dtype for p in model.parameters()), np.float32)
    calls = _calls(model, Tensor(np.zeros((1, *shape), dtype)))

    paths = {module: path for path, module in model.named_modules()}
    rows, counted, shown = [], set(), [(module, _shape(y)) for module, _, y in calls]
    called = {module for module, _, _ in calls}
    shown += [(m, "not called") for m in paths if m not in called and _is_row(m)]
    for module, output in shown:
        own = {id(p): prod(p.shape) for p in module.parameters(recurse=False)}
        new = sum(size for key, size in own.items() if key not in counted)
        counted.update(own)
        name = type(module).__name__
        rows.append((f"{paths[module]} ({name})" if paths[module] else name, output, f"{new:,}"))
    parameters = list(model.parameters())
    total = sum(p.size for p in parameters)
    lines = _totals(parameters) + dropout_lines(calls, paths, total, batch_size)
    return "\n".join([_table(rows), *lines])


def _calls(model, x):
    """(module, its input, its output) of every call of a layer while model(x) runs, in order."""
    calls = []

    def record(module, args, output):
        calls.append((module, args[0] if args else None, output))

    before = [(module, dict(vars(module))) for module in model.modules()]
    try:
        for module, _ in before:
            module.training = False
            module._forward_hooks = {0: record} if _is_row(module) else {}
        with no_grad():
            model(x)
    finally:
        for module, attributes in before:
            for name in ("training", "_forward_hooks"):
                vars(module).pop(name)
                if name in attributes:
                    vars(module)[name] = attributes[name]
    return calls


def _is_row(module):
    """Containers get no row unless they own a parameter, or drop."""
    own = any(True for _ in module.parameters(recurse=False)) or hasattr(module, "mask_shape")
    return own or not any(module.children())


def _shape(output):
    if isinstance(output, (tuple, list)):
        return ", ".join(_shape(part) for part in output)
    return str(tuple(getattr(output, "shape", ())))


def _totals(parameters):
    total = sum(p.size for p in parameters)
    trainable = sum(p.size for p in parameters if p.requires_grad)
    size = sum(p.data.nbytes for p in parameters) / 1e6
    return [
        f"Total parameters: {total:,}",
        f"Trainable parameters: {trainable:,}",
        f"Size of the parameters: {size:.2f} MB",
    ]


def _table(rows):
    """Columns as wide as their widest cell, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(COLUMNS, *rows, strict=True)]
    rule = "  ".join("-" * width for width in widths)
    lines = [
        f"{layer:<{widths[0]}}  {output:<{widths[1]}}  {number:>{widths[2]}}"
        for layer, output, number in (COLUMNS, *rows)
    ]
    return "\n".join([lines[0], rule, *lines[1:], rule])
