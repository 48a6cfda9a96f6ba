"""Max pooling 2 x 2 of a CNN's largest map, forward (with the argmax a backward needs) and
backward. Bytes: floats read and written, and one byte of argmax an output."""

import numpy as np

from bench import reference
from bench.suites.case import Case, Task, assert_close, compiled, normal

CONTESTANTS = (
    "minidrop", "numpy", "torch", "torch_tuned", "torch_cl", "torch_cl_tuned", "torch_compile",
    "jax", "jax_cl",
)  # fmt: skip

SHAPES = ((128, 24, 24, 64), (128, 26, 26, 32), (1, 24, 24, 64))


def cases():
    return [
        Case(
            f"max {'x'.join(map(str, shape))} {direction}",
            "byte",
            np.prod(shape) * (4 + 4 / 4 + 1 / 4),
            (direction, shape),
        )
        for shape in SHAPES
        for direction in ("forward", "backward")
    ]


def operands(case):
    """x and the gradient of its pooled values."""
    n, size, _, channels = case.spec[1]
    return normal(*case.spec[1], seed=1), normal(n, size // 2, size // 2, channels, seed=2)


def verify(case, outputs):
    x, dy = operands(case)
    y, argmax = reference.max_pool2d(x)
    if case.spec[0] == "backward":
        y = reference.max_pool2d_gradient(dy, argmax, x.shape[1])
    assert_close(outputs[0], y, rtol=1e-6, what=case.name)


def make(contestant, case):
    x, dy = operands(case)
    backward = case.spec[0] == "backward"
    if contestant.library == "minidrop":
        return make_minidrop(x, dy, backward)
    if contestant.library == "numpy":
        return make_numpy(x, dy, backward)
    if contestant.library == "torch":
        return make_torch(contestant, x, dy, backward)
    return make_jax(contestant, x, dy, backward)


def make_minidrop(x, dy, backward):
    from minidrop import _kernels

    if backward:
        _, argmax = _kernels.max_pool2d_forward(x, 2)
        return Task(lambda: _kernels.max_pool2d_backward(dy, argmax, x.shape, 2))
    return Task(
        lambda: _kernels.max_pool2d_forward(x, 2),
        lambda: [_kernels.max_pool2d_forward(x, 2)[0]],
    )


def make_numpy(x, dy, backward):
    if backward:
        _, argmax = reference.max_pool2d(x)
        return Task(lambda: reference.max_pool2d_gradient(dy, argmax, x.shape[1]))
    return Task(lambda: reference.max_pool2d(x), lambda: [reference.max_pool2d(x)[0]])


def make_torch(contestant, x, dy, backward):
    import torch
    import torch.nn.functional as F

    layout = torch.channels_last if contestant.channels_last else torch.contiguous_format
    x, dy = (torch.from_numpy(a).permute(0, 3, 1, 2).contiguous(memory_format=layout)
             for a in (x, dy))  # fmt: skip
    pool = compiled(contestant, lambda x: F.max_pool2d(x, 2, return_indices=True)[0])
    if backward:
        y = pool(x.requires_grad_())

        def run():
            return torch.autograd.grad(y, x, dy, retain_graph=True)[0]
    else:

        def run():
            return pool(x)

    return Task(run, lambda: [run().permute(0, 2, 3, 1).numpy()])


def make_jax(contestant, x, dy, backward):
    import jax

    window, back = (1, 2, 2, 1), (0, 1, 2, 3)
    if not contestant.channels_last:
        window, back = (1, 1, 2, 2), (0, 2, 3, 1)
        x, dy = (np.ascontiguousarray(a.transpose(0, 3, 1, 2)) for a in (x, dy))
    x, dy = jax.device_put(x), jax.device_put(dy)

    def pool(x):
        return jax.lax.reduce_window(x, -np.inf, jax.lax.max, window, window, "VALID")

    compiled = jax.jit(lambda x, dy: jax.vjp(pool, x)[1](dy)[0] if backward else pool(x))
    return Task(
        lambda: compiled(x, dy).block_until_ready(),
        lambda: [np.asarray(compiled(x, dy)).transpose(back)],
    )
