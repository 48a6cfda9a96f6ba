"""Float32 stacks of matrix products, named by form, number, and m x k x n of each: what the heads
of attention take (scores, values, the gradient of the keys), small ones, and a few large ones."""

from bench.suites.case import Case, Task, assert_close, normal
from bench.suites.matmul import make_numpy, plain

CONTESTANTS = ("minidrop", "numpy", "torch", "jax")

STACKS = (
    ("NT", 48, 128, 64, 128), ("NN", 48, 128, 128, 64), ("TN", 48, 128, 128, 64),
    ("NN", 1024, 32, 32, 32), ("NN", 4096, 8, 8, 8),
    ("NN", 4, 512, 512, 512),
)  # fmt: skip


def cases():
    return [
        Case(
            f"{form} {count} of {m}x{k}x{n}",
            "FLOP",
            2 * count * m * k * n,
            (form, count, m, k, n),
            traffic=4 * count * (m * k + k * n + m * n),
        )  # fmt: skip
        for form, count, m, k, n in STACKS
    ]


def operands(case):
    """a and b as they are stored."""
    form, count, m, k, n = case.spec
    a = normal(count, *((k, m) if form == "TN" else (m, k)), seed=1)
    b = normal(count, *((n, k) if form == "NT" else (k, n)), seed=2)
    return a, b


def verify(case, outputs):
    a, b = plain(case, *operands(case))
    assert_close(outputs[0], a @ b, what=case.name)


def make(contestant, case):
    return MAKERS[contestant.library](case, *operands(case))


def make_minidrop(case, a, b):
    from minidrop import _kernels

    return Task(lambda: _kernels.matmul_stack(a, b, trans=case.spec[0]))


def make_torch(case, a, b):
    import torch

    a, b = plain(case, torch.from_numpy(a), torch.from_numpy(b))
    out = torch.empty(*a.shape[:2], b.shape[2])
    return Task(lambda: torch.bmm(a, b, out=out))


def make_jax(case, a, b):
    import jax

    form = case.spec[0]
    contracted = ((1 if form == "TN" else 2,), (2 if form == "NT" else 1,))
    a, b = jax.device_put(a), jax.device_put(b)
    product = jax.jit(lambda a, b: jax.lax.dot_general(a, b, (contracted, ((0,), (0,)))))
    return Task(lambda: product(a, b).block_until_ready())


MAKERS = {
    "minidrop": make_minidrop,
    "numpy": make_numpy,
    "torch": make_torch,
    "jax": make_jax,
}
