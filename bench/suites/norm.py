"""Batch norm of a CNN's map and layer norm of a sequence, in training, forward and backward.
Bytes: forward reads x twice (its statistics come first) and writes y; backward reads x and dy
twice and writes dx."""

import numpy as np

from bench import reference
from bench.suites.case import Case, Task, assert_close, compiled, normal

CONTESTANTS = (
    "minidrop", "torch", "torch_tuned", "torch_cl", "torch_cl_tuned", "torch_compile", "jax",
    "jax_cl",
)  # fmt: skip

SHAPES = {"batch": (128, 24, 24, 64), "layer": (4096, 512)}


def cases():
    return [
        Case(
            f"{kind} {'x'.join(map(str, shape))} {direction}",
            "byte",
            np.prod(shape) * (12 if direction == "forward" else 20),
            (kind, shape, direction),
        )
        for kind, shape in SHAPES.items()
        for direction in ("forward", "backward")
    ]


def operands(case):
    """x, dy, scale and shift."""
    kind, shape, _ = case.spec
    channels = shape[-1]
    scale = 1 + 0.1 * normal(channels, seed=3)
    return normal(*shape, seed=1), normal(*shape, seed=2), scale, 0.1 * normal(channels, seed=4)


def verify(case, outputs):
    kind, shape, direction = case.spec
    x, dy, scale, shift = operands(case)
    axis = (0, 1, 2) if kind == "batch" else -1
    x_hat, inverse = reference.normalize(x, axis)
    if direction == "forward":
        assert_close(outputs[0], x_hat * scale + shift, what=case.name)
        return
    others = tuple(range(len(shape) - 1))
    expected = (
        reference.normalize_gradient(dy * scale, x_hat, inverse, axis),
        (dy * x_hat).sum(others),
        dy.sum(others),
    )
    for got, right, name in zip(outputs, expected, ("dx", "dscale", "dshift"), strict=True):
        assert_close(got, right, rtol=1e-3, what=f"{case.name} {name}")


def make(contestant, case):
    if contestant.library == "minidrop":
        return make_minidrop(case)
    if contestant.channels_last and case.spec[0] == "layer":
        return None  # layer norm has no layout to choose
    if contestant.library == "torch":
        return make_torch(contestant, case)
    return make_jax(contestant, case)


def make_minidrop(case):
    import minidrop as md
    import minidrop.functional as F
    from minidrop import _kernels

    kind, shape, direction = case.spec
    x, dy, scale, shift = operands(case)
    if direction == "forward":
        tensors = [md.Tensor(a) for a in (x, scale, shift)]
        running = np.zeros_like(shift), np.ones_like(scale)

        def forward():
            x, scale, shift = tensors
            if kind == "layer":
                return F.layer_norm(x, shape[-1:], scale, shift)
            return F.batch_norm(x, *running, scale, shift, training=True)

        return Task(forward, lambda: [forward().numpy()])
    if kind == "batch":
        mean, variance = _kernels.batch_statistics(x)

        def backward():
            return _kernels.batch_norm_backward(dy, x, mean, variance, scale)
    else:
        _, mean, inverse = _kernels.layer_norm(x, shape[-1:], scale, shift)

        def backward():
            return _kernels.layer_norm_backward(dy, x, shape[-1:], mean, inverse, scale)

    return Task(backward, backward)


def make_torch(contestant, case):
    import torch
    import torch.nn.functional as F

    kind, shape, direction = case.spec
    x, dy, scale, shift = map(torch.from_numpy, operands(case))
    if kind == "batch":
        layout = torch.channels_last if contestant.channels_last else torch.contiguous_format
        x, dy = (a.permute(0, 3, 1, 2).contiguous(memory_format=layout) for a in (x, dy))
    leaves = (x, scale, shift)
    mean, variance = torch.zeros_like(shift), torch.ones_like(scale)

    def normed(x, scale, shift):
        if kind == "layer":
            return F.layer_norm(x, shape[-1:], scale, shift)
        return F.batch_norm(x, mean, variance, scale, shift, True)

    normed = compiled(contestant, normed)

    def forward():
        return normed(*leaves)

    def as_ours(tensor):
        return (tensor.permute(0, 2, 3, 1) if tensor.ndim == 4 else tensor).numpy()

    if direction == "forward":
        return Task(forward, lambda: [as_ours(forward())])
    for leaf in leaves:
        leaf.requires_grad_()
    y = forward()

    def backward():
        return torch.autograd.grad(y, leaves, dy, retain_graph=True)

    return Task(backward, lambda: [as_ours(gradient) for gradient in backward()])


def make_jax(contestant, case):
    import jax

    kind, _, direction = case.spec
    x, dy, scale, shift = operands(case)
    axis, along, back = (0, 1, 2), (1, 1, 1, -1), None
    if kind == "layer":
        axis, along = -1, (1, -1)
    elif not contestant.channels_last:
        axis, along, back = (0, 2, 3), (1, -1, 1, 1), (0, 2, 3, 1)
        x, dy = (np.ascontiguousarray(a.transpose(0, 3, 1, 2)) for a in (x, dy))
    x, dy, scale, shift = map(jax.device_put, (x, dy, scale, shift))

    def normed(x, scale, shift):
        mean, variance = x.mean(axis, keepdims=True), x.var(axis, keepdims=True)
        x_hat = (x - mean) * jax.lax.rsqrt(variance + 1e-5)
        return x_hat * scale.reshape(along) + shift.reshape(along)

    if direction == "forward":
        compiled = jax.jit(lambda dy, *leaves: (normed(*leaves),))
    else:
        compiled = jax.jit(lambda dy, *leaves: jax.vjp(normed, *leaves)[1](dy))

    def run():
        return jax.block_until_ready(compiled(dy, x, scale, shift))

    return Task(run, lambda: [
        np.asarray(a).transpose(back) if back and a.ndim == 4 else np.asarray(a) for a in run()
    ])  # fmt: skip
