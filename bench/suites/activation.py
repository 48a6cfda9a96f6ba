"""Element-by-element activations on 19 MB, forward and backward, and the loss of a classifier
(softmax with cross-entropy, value and gradient together) on small batches."""

import numpy as np

from bench import reference
from bench.suites.case import Case, Task, assert_close, compiled, normal

CONTESTANTS = ("minidrop", "numpy", "torch", "torch_tuned", "torch_compile", "jax")

N = 128 * 24 * 24 * 64
LOSSES = ((128, 10), (128, 1000))


def cases():
    elementwise = [
        Case("relu forward", "byte", 8 * N, ("relu_forward", (N,))),
        Case("relu backward", "byte", 12 * N, ("relu_backward", (N,))),
        Case("tanh forward", "byte", 8 * N, ("tanh_forward", (N,))),
        Case("gelu forward", "byte", 8 * N, ("gelu_forward", (N,))),
    ]
    losses = [
        Case(f"cross-entropy {n}x{c} value and gradient", "byte", 8 * n * c, ("loss", (n, c)))
        for n, c in LOSSES
    ]
    return elementwise + losses


def labels(shape):
    return np.random.default_rng(2).integers(0, shape[-1], shape[0])


def plain(name, x, dout):
    """NumPy's version: the reference, and the contestant. GELU is not here: NumPy lacks its error
    function, and reference.gelu calls the math module for each element."""
    if name == "relu_forward":
        return np.maximum(x, 0)
    if name == "relu_backward":
        return dout * (x > 0)
    if name == "tanh_forward":
        return np.tanh(x)
    return reference.cross_entropy(x, labels(x.shape))[1]


def verify(case, outputs):
    name, shape = case.spec
    x, dout = normal(*shape, seed=1), normal(*shape, seed=2)
    if name == "gelu_forward":
        some = slice(0, 10_000)
        assert_close(outputs[0][some], reference.gelu(x[some]), rtol=1e-5, what=case.name)
    else:
        assert_close(outputs[0], plain(name, x, dout), rtol=1e-5, what=case.name)


def make(contestant, case):
    name, shape = case.spec
    x, dout = normal(*shape, seed=1), normal(*shape, seed=2)
    if contestant.library == "torch":
        return make_torch(contestant, name, x, dout)
    return MAKERS[contestant.library](name, x, dout)


def make_minidrop(name, x, dout):
    import minidrop as md
    import minidrop.functional as F
    from minidrop import _kernels

    if name == "loss":
        targets = labels(x.shape)
        logits = md.Tensor(x, requires_grad=True)

        def run():
            logits.grad = None
            F.cross_entropy(logits, targets).backward()
            return logits.grad

        return Task(run)
    if name == "relu_backward":
        y = _kernels.relu(x)
        return Task(lambda: _kernels.relu_backward(dout, y))
    function = getattr(F, name.removesuffix("_forward"))
    x = md.Tensor(x)
    return Task(lambda: function(x), lambda: [function(x).numpy()])


def make_numpy(name, x, dout):
    if name == "gelu_forward":
        return None
    return Task(lambda: plain(name, x, dout))


def make_torch(contestant, name, x, dout):
    import torch
    import torch.nn.functional as F

    if name == "loss":
        targets = torch.from_numpy(labels(x.shape))
        x = torch.from_numpy(x).requires_grad_()
        loss_of = compiled(contestant, lambda x: F.cross_entropy(x, targets))
        return Task(lambda: torch.autograd.grad(loss_of(x), x)[0])
    x, dout = torch.from_numpy(x), torch.from_numpy(dout)
    function = {"relu": torch.relu, "tanh": torch.tanh, "gelu": F.gelu}[name.partition("_")[0]]
    function = compiled(contestant, function)
    if name == "relu_backward":
        y = function(x.requires_grad_())
        return Task(lambda: torch.autograd.grad(y, x, dout, retain_graph=True)[0])
    return Task(lambda: function(x))


def make_jax(name, x, dout):
    import jax
    import jax.numpy as jnp

    targets = jax.device_put(labels(x.shape)) if name == "loss" else None

    def loss(x):
        chosen = jnp.take_along_axis(jax.nn.log_softmax(x), targets[:, None], 1)
        return -chosen.mean()

    x, dout = jax.device_put(x), jax.device_put(dout)
    compiled = jax.jit({
        "relu_forward": lambda x, dout: jnp.maximum(x, 0),
        "relu_backward": lambda x, dout: jnp.where(x > 0, dout, 0),
        "tanh_forward": lambda x, dout: jnp.tanh(x),
        "gelu_forward": lambda x, dout: jax.nn.gelu(x, approximate=False),
        "loss": lambda x, dout: jax.grad(loss)(x),
    }[name])  # fmt: skip
    return Task(lambda: compiled(x, dout).block_until_ready())


MAKERS = {
    "minidrop": make_minidrop,
    "numpy": make_numpy,
    "jax": make_jax,
}
