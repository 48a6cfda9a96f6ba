"""Random masks alone: n independent Bernoulli(1 - p) draws. Ours are packed bits, 32 to a word;
the peers store what they have: NumPy packs the comparison of uniform floats, PyTorch and JAX keep
one byte an element. The rate counts draws, not bytes."""

import numpy as np

from bench.suites.case import Case, Task

CONTESTANTS = ("minidrop", "numpy", "torch", "torch_tuned", "jax")

SIZES = {"590k": 590_000, "1M": 1_000_000, "16M": 16_000_000}


def cases():
    return [Case(f"p{p} {name}", "bit", n, (n, p)) for name, n in SIZES.items() for p in (0.5, 0.2)]


def verify(case, outputs):
    """Masks are random: their mean has to be 1 - p within six standard deviations."""
    n, p = case.spec
    mask = outputs[0]
    assert mask.shape == (n,), f"{mask.shape} draws, expected ({n},)"
    deviation = abs(mask.mean(dtype=np.float64) - (1 - p)) / np.sqrt(p * (1 - p) / n)
    assert deviation < 6, f"kept share is {deviation:.1f} standard deviations from {1 - p}"


def make(contestant, case):
    return MAKERS[contestant.library](*case.spec)


def unpack(bits, n):
    """The first n bits of packed words as 0 and 1, the lowest of each word first."""
    return np.unpackbits(bits.astype("<u4").view(np.uint8), bitorder="little", count=n)


def make_minidrop(n, p):
    from minidrop import _kernels

    def run():
        return _kernels.mask_bits(n, p, 0)

    return Task(run, lambda: [unpack(run(), n)])


def make_numpy(n, p):
    generator = np.random.default_rng(0)

    def run():
        return np.packbits(generator.random(n, np.float32) < 1 - p)

    return Task(run, lambda: [np.unpackbits(run(), count=n)])


def make_torch(n, p):
    import torch

    mask = torch.empty(n, dtype=torch.bool)
    return Task(lambda: mask.bernoulli_(1 - p))


def make_jax(n, p):
    import jax

    key = jax.random.PRNGKey(0)
    draw = jax.jit(lambda key: jax.random.bernoulli(key, 1 - p, (n,)))
    return Task(lambda: draw(key).block_until_ready())


MAKERS = {
    "minidrop": make_minidrop,
    "numpy": make_numpy,
    "torch": make_torch,
    "jax": make_jax,
}
