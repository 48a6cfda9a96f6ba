"""Dropout: forward as a user calls it (draw the mask, scale what is kept), and backward with the
mask of a forward; forward of whole channels, alpha dropout and Gaussian dropout. Bytes: one float
read, one written, one bit of mask.

Without a layer of its own a library does what its users write by hand: NumPy all of them, after
Keras' formulas, and PyTorch Gaussian dropout. PyTorch's channels are first, ours are last."""

from math import prod, sqrt

import numpy as np

from bench.suites.case import Case, Task, assert_close, compiled, normal
from bench.suites.mask import unpack

CONTESTANTS = ("minidrop", "numpy", "torch", "torch_tuned", "torch_compile", "jax")

LAWS = {"channels": (32, 56, 56, 64), "alpha": (1_000_000,), "gaussian": (1_000_000,)}
LIMIT = -1.7580993408473766  # of SELU, where alpha dropout puts what it drops
SHAPES = {"1M": (1_000_000,), "16M": (16_000_000,), "128x9216": (128, 9216)}


def cases():
    return [
        Case(f"{direction} p{p} {name}", "byte", 8.125 * np.prod(shape), (direction, shape, p))
        for name, shape in SHAPES.items()
        for p in (0.5, 0.2)
        for direction in ("forward", "backward")
    ] + [
        Case(f"{law} p{p} {'x'.join(map(str, shape))}", "byte", 8 * prod(shape), (law, shape, p))
        for law, shape in LAWS.items()
        for p in (0.5, 0.1)
    ]


def verify(case, outputs):
    """outputs: the result, and the mask (1 kept, 0 dropped) for a backward; a forward's mask is
    read off its result. Kept elements are scaled by 1 / (1 - p), the others are zero, and their
    number is right within six standard deviations."""
    direction, shape, p = case.spec
    values = operand(case)
    if direction in LAWS:
        return verify_law(direction, values, p, outputs[0])
    mask = outputs[1] if direction == "backward" else outputs[0] != 0
    assert_close(outputs[0], values * mask / np.float32(1 - p), rtol=1e-6, what=case.name)
    deviation = abs(mask.mean(dtype=np.float64) - (1 - p)) / np.sqrt(p * (1 - p) / mask.size)
    assert deviation < 6, f"kept share is {deviation:.1f} standard deviations from {1 - p}"


def verify_law(law, values, p, y):
    """That of one of LAWS."""
    if law == "gaussian":
        noise = (y / values).astype(np.float64)
        deviation = sqrt(p / (1 - p))
        assert abs(noise.mean() - 1) < 6 * deviation / sqrt(noise.size)
        assert abs(noise.std() / deviation - 1) < 6 / sqrt(noise.size)
        return
    if law == "channels":
        mask = np.abs(y).sum(axis=(1, 2)) != 0
        expected = values * mask[:, None, None] / np.float32(1 - p)
    else:
        scale, shift = alpha_law(p)
        mask = np.abs(y - (scale * LIMIT + shift)) > 1e-5  # some kept ones may come out the same
        expected = np.where(mask, values, LIMIT) * np.float32(scale) + np.float32(shift)
    assert_close(y, expected, rtol=2e-5, what=law)
    deviation = abs(mask.mean(dtype=np.float64) - (1 - p)) / sqrt(p * (1 - p) / mask.size)
    assert deviation < 6, f"kept share is {deviation:.1f} standard deviations from {1 - p}"


def alpha_law(p):
    """(a, b) of Klambauer et al. 2017."""
    a = ((1 - p) * (1 + p * LIMIT**2)) ** -0.5
    return a, -a * LIMIT * p


def operand(case):
    """x of a forward, dout of a backward; no element is zero."""
    direction, shape, _ = case.spec
    values = normal(*shape)
    values[values == 0] = 1
    return values


def make(contestant, case):
    direction, _, p = case.spec
    if direction in LAWS:
        maker = LAW_MAKERS.get(contestant.library)
        return maker(direction, operand(case), p) if maker else None
    backward = direction == "backward"
    if contestant.library == "torch":
        return make_torch(contestant, operand(case), p, backward)
    return MAKERS[contestant.library](operand(case), p, backward)


def make_minidrop(values, p, backward):
    import minidrop as md
    import minidrop.functional as F
    from minidrop import _kernels

    if backward:
        bits = _kernels.mask_bits(values.size, p, 0)

        def run():
            return _kernels.dropout_backward(values, bits, p)

        return Task(run, lambda: [run(), unpack(bits, values.size).reshape(values.shape)])
    x, call = md.Tensor(values), iter(range(1 << 62))
    return Task(
        lambda: F.dropout(x, p, training=True, seed=0, call=next(call)),
        lambda: [F.dropout(x, p, training=True, seed=0).numpy()],
    )


def make_numpy(values, p, backward):
    generator = np.random.default_rng(0)
    scale = np.float32(1 / (1 - p))

    def draw():
        return generator.random(values.shape, np.float32) < 1 - p

    if backward:
        mask = draw()
        return Task(lambda: values * mask * scale, lambda: [values * mask * scale, mask])
    return Task(lambda: values * draw() * scale)


def make_torch(contestant, values, p, backward):
    import torch
    import torch.nn.functional as F

    def dropout(x):
        return F.dropout(x, p, True)

    dropout = compiled(contestant, dropout)
    if backward:
        x = torch.ones(values.shape, requires_grad=True)
        dout = torch.from_numpy(values)
        y = dropout(x)

        def run():
            return torch.autograd.grad(y, x, dout, retain_graph=True)[0]

        return Task(run, lambda: [run().numpy(), y.detach().numpy() != 0])
    x = torch.from_numpy(values)
    return Task(lambda: dropout(x))


def make_jax(values, p, backward):
    import jax
    import jax.numpy as jnp

    values, key = jax.device_put(values), jax.random.PRNGKey(0)
    if backward:
        mask = jax.random.bernoulli(key, 1 - p, values.shape)
        apply = jax.jit(lambda values, mask: jnp.where(mask, values / (1 - p), 0))

        def run():
            return apply(values, mask).block_until_ready()

        return Task(run, lambda: [np.asarray(run()), np.asarray(mask)])

    @jax.jit
    def forward(key, values):
        mask = jax.random.bernoulli(key, 1 - p, values.shape)
        return jnp.where(mask, values / (1 - p), 0), mask  # the mask is for the backward

    return Task(
        lambda: jax.block_until_ready(forward(key, values)),
        lambda: [np.asarray(forward(key, values)[0])],
    )


MAKERS = {
    "minidrop": make_minidrop,
    "numpy": make_numpy,
    "jax": make_jax,
}


def law_minidrop(law, values, p):
    import minidrop as md
    import minidrop.functional as F

    function = {"channels": F.dropout2d, "alpha": F.alpha_dropout, "gaussian": F.gaussian_dropout}
    x, call, drop = md.Tensor(values), iter(range(1 << 62)), function[law]
    return Task(
        lambda: drop(x, p, training=True, seed=0, call=next(call)),
        lambda: [drop(x, p, training=True, seed=0).numpy()],
    )


def law_numpy(law, values, p):
    generator = np.random.default_rng(0)
    scale, shift = (np.float32(number) for number in alpha_law(p))

    def channels():
        n, _, _, c = values.shape
        mask = generator.random((n, 1, 1, c), np.float32) < 1 - p
        return values * (mask * np.float32(1 / (1 - p)))

    def alpha():
        kept = generator.random(values.shape, np.float32) < 1 - p
        return np.where(kept, values, np.float32(LIMIT)) * scale + shift

    def gaussian():
        noise = generator.standard_normal(values.shape, np.float32)
        return values * (1 + np.float32(sqrt(p / (1 - p))) * noise)

    return Task({"channels": channels, "alpha": alpha, "gaussian": gaussian}[law])


def law_torch(law, values, p):
    import torch
    import torch.nn.functional as F

    x = torch.from_numpy(values)
    if law == "channels":
        x = x.permute(0, 3, 1, 2).contiguous()
        return Task(lambda: F.dropout2d(x, p, True),
                    lambda: [F.dropout2d(x, p, True).permute(0, 2, 3, 1).numpy()])  # fmt: skip
    if law == "alpha":
        return Task(lambda: F.alpha_dropout(x, p, True))
    std = sqrt(p / (1 - p))
    return Task(lambda: x * (1 + std * torch.randn_like(x)))


LAW_MAKERS = {"minidrop": law_minidrop, "numpy": law_numpy, "torch": law_torch}
