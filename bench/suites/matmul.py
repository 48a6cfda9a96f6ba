"""Float32 matrix products c (m, n) = op(a) op(b), named by form and m x k x n: NN plain, NT with b
stored (n, k), TN with a stored (k, m). Squares, and the shapes of fully connected layers: forward
(NN), gradient of the input (NT), gradient of the weight (TN)."""

import numpy as np

from bench.suites.case import Case, Task, assert_close, normal

CONTESTANTS = ("minidrop", "numpy", "torch", "jax")

FORMS = ("NN", "NT", "TN")
SQUARES = [(form, n, n, n) for n in (64, 128, 256, 512, 1024, 2048) for form in FORMS]
# (batch, in, out) of the layers of an MNIST CNN and of an MLP
LAYERS = [
    shape
    for batch, fan_in, fan_out in (
        (128, 9216, 128), (128, 128, 10), (128, 784, 512), (128, 512, 512), (128, 512, 10),
    )
    for shape in (
        ("NN", batch, fan_in, fan_out),
        ("NT", batch, fan_out, fan_in),
        ("TN", fan_in, batch, fan_out),
    )
]  # fmt: skip
# A convolution written as a product: few rows, very many columns, and the other way about.
SKINNY = [
    ("TN", 128, 128, 9216),
    ("NN", 128, 128, 9216),
    ("NN", 32, 9, 86528),
    ("NN", 64, 288, 73728),
    ("NT", 64, 73728, 288),
    ("TN", 288, 64, 73728),
    ("NN", 1, 9216, 128),
]


def cases():
    return [
        Case(
            f"{form} {m}x{k}x{n}",
            "FLOP",
            2 * m * k * n,
            (form, m, k, n),
            traffic=4 * (m * k + k * n + m * n),
        )  # fmt: skip
        for form, m, k, n in SQUARES + LAYERS + SKINNY
    ]


def operands(case):
    """a and b as they are stored."""
    form, m, k, n = case.spec
    a = normal(*((k, m) if form == "TN" else (m, k)), seed=1)
    b = normal(*((n, k) if form == "NT" else (k, n)), seed=2)
    return a, b


def plain(case, a, b):
    """Views of a and b as the (m, k) and (k, n) matrices, or stacks of such, they stand for."""
    form = case.spec[0]
    return (a.swapaxes(-1, -2) if form == "TN" else a), (b.swapaxes(-1, -2) if form == "NT" else b)


def verify(case, outputs):
    a, b = plain(case, *operands(case))
    assert_close(outputs[0], a @ b, what=case.name)


def make(contestant, case):
    return MAKERS[contestant.library](case, *operands(case))


def make_minidrop(case, a, b):
    from minidrop import _kernels

    return Task(lambda: _kernels.matmul(a, b, trans=case.spec[0]))


def make_numpy(case, a, b):
    a, b = plain(case, a, b)
    out = np.empty((*a.shape[:-1], b.shape[-1]), np.float32)
    return Task(lambda: np.matmul(a, b, out=out))


def make_torch(case, a, b):
    import torch

    a, b = plain(case, torch.from_numpy(a), torch.from_numpy(b))
    out = torch.empty(a.shape[0], b.shape[1])
    return Task(lambda: torch.mm(a, b, out=out))


def make_jax(case, a, b):
    import jax

    form = case.spec[0]
    contracted = ((0 if form == "TN" else 1,), (1 if form == "NT" else 0,))
    a, b = jax.device_put(a), jax.device_put(b)
    product = jax.jit(lambda a, b: jax.lax.dot_general(a, b, (contracted, ((), ()))))
    return Task(lambda: product(a, b).block_until_ready())


MAKERS = {
    "minidrop": make_minidrop,
    "numpy": make_numpy,
    "torch": make_torch,
    "jax": make_jax,
}
