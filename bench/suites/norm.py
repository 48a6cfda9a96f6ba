"""Batch norm of a CNN's map, without and with the relu behind it, and layer norm of a sequence, in
training, forward and backward. Bytes: forward reads x twice (its statistics come first) and writes
y; backward reads x and dy twice and writes dx."""

import numpy as np

from bench import reference
from bench.suites.case import Case, Task, assert_close, compiled, normal

CONTESTANTS = (
    "minidrop", "torch", "torch_tuned", "torch_cl", "torch_cl_tuned", "torch_compile", "jax",
    "jax_cl",
)  # fmt: skip

SHAPES = {"batch": (128, 24, 24, 64), "batch_relu": (128, 24, 24, 64), "layer": (4096, 512)}
NEAR_ZERO = 1e-3  # a relu lets its argument through or not, as it was rounded: no dy there


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
    x, dy = normal(*shape, seed=1), normal(*shape, seed=2)
    scale, shift = 1 + 0.1 * normal(shape[-1], seed=3), 0.1 * normal(shape[-1], seed=4)
    if kind == "batch_relu":
        x_hat, _ = reference.normalize(x, (0, 1, 2))
        dy *= abs(x_hat * scale + shift) > NEAR_ZERO
    return x, dy, scale, shift


def verify(case, outputs):
    kind, shape, direction = case.spec
    x, dy, scale, shift = operands(case)
    axis = -1 if kind == "layer" else (0, 1, 2)
    x_hat, inverse = reference.normalize(x, axis)
    y = x_hat * scale + shift
    if kind == "batch_relu":
        y, dy = np.maximum(y, 0), dy * (y > 0)
    if direction == "forward":
        assert_close(outputs[0], y, what=case.name)
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
    relu = kind == "batch_relu"
    if direction == "forward":
        tensors = [md.Tensor(a) for a in (x, scale, shift)]
        running = np.zeros_like(shift), np.ones_like(scale)

        def forward():
            x, scale, shift = tensors
            if kind == "layer":
                return F.layer_norm(x, shape[-1:], scale, shift)
            return F.batch_norm(x, *running, scale, shift, training=True, relu=relu)

        return Task(forward, lambda: [forward().numpy()])
    if kind != "layer":
        mean, variance = _kernels.batch_statistics(x)
        tail = {"bias": shift, "relu": True} if relu else {}

        def backward():
            return _kernels.batch_norm_backward(dy, x, mean, variance, scale, **tail)
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
    if kind != "layer":
        layout = torch.channels_last if contestant.channels_last else torch.contiguous_format
        x, dy = (a.permute(0, 3, 1, 2).contiguous(memory_format=layout) for a in (x, dy))
    leaves = (x, scale, shift)
    mean, variance = torch.zeros_like(shift), torch.ones_like(scale)

    def normed(x, scale, shift):
        if kind == "layer":
            return F.layer_norm(x, shape[-1:], scale, shift)
        y = F.batch_norm(x, mean, variance, scale, shift, True)
        return F.relu(y, inplace=True) if kind == "batch_relu" else y

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
        y = x_hat * scale.reshape(along) + shift.reshape(along)
        return jax.nn.relu(y) if kind == "batch_relu" else y

    if direction == "forward":
        compiled = jax.jit(lambda dy, *leaves: (normed(*leaves),))
    else:
        compiled = jax.jit(lambda dy, *leaves: jax.vjp(normed, *leaves)[1](dy))

    def run():
        return jax.block_until_ready(compiled(dy, x, scale, shift))

    return Task(run, lambda: [
        np.asarray(a).transpose(back) if back and a.ndim == 4 else np.asarray(a) for a in run()
    ])  # fmt: skip
