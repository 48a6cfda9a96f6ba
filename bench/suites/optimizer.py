"""One optimizer step over the 1,199,882 parameters of the MNIST CNN, with fixed gradients.
Bytes: each parameter, gradient and state read once, parameters and states written once."""

import numpy as np

from bench import reference
from bench.suites.case import Case, Task, assert_close, compiled, normal

CONTESTANTS = (
    "minidrop", "numpy", "torch", "torch_fused", "torch_tuned", "torch_compile", "jax",
)  # fmt: skip

SHAPES = (
    (3, 3, 1, 32), (32,), (3, 3, 32, 64), (64,), (9216, 128), (128,), (128, 10), (10,),
)  # fmt: skip
COUNT = sum(int(np.prod(shape)) for shape in SHAPES)
LR = {"sgd": 1e-3, "adam": 1e-3, "rmsprop": 1e-3, "adadelta": 1.0}
STATES = {"sgd": 1, "adam": 2, "rmsprop": 1, "adadelta": 2}
VERIFIED_STEPS = 3


def cases():
    return [
        Case(f"{name} step 1.2M", "byte", COUNT * 4 * (3 + 2 * states), (name,))
        for name, states in STATES.items()
    ]


def operands():
    """Parameters and gradients, as two lists of arrays."""
    params = [normal(*shape, seed=seed) for seed, shape in enumerate(SHAPES)]
    return params, [normal(*shape, seed=100 + seed) for seed, shape in enumerate(SHAPES)]


def verify(case, outputs):
    """Compares what three steps changed, not the parameters, which hide it."""
    params, gradients = operands()
    plain = reference.Optimizer(case.spec[0], params, LR[case.spec[0]])
    before = [p.copy() for p in params]
    for _ in range(VERIFIED_STEPS):
        plain.step(gradients)
    for got, old, new in zip(outputs, before, params, strict=True):
        assert_close(got - old, new - old, rtol=2e-3, what=f"{case.name} {old.shape}")


def task(step, params):
    """A Task from a step and a function that returns the parameters as arrays."""

    def collect():
        for _ in range(VERIFIED_STEPS):
            step()
        return [np.array(p) for p in params()]

    return Task(step, collect)


def make(contestant, case):
    (name,) = case.spec
    if contestant.library == "minidrop":
        return make_minidrop(name)
    if contestant.library == "numpy":
        params, gradients = operands()
        plain = reference.Optimizer(name, params, LR[name])
        return task(lambda: plain.step(gradients), lambda: params)
    if contestant.library == "torch":
        return make_torch(contestant, name)
    return make_jax(name)


def make_minidrop(name):
    from minidrop import nn, optim

    params, gradients = operands()
    params = [nn.Parameter(p) for p in params]
    for p, g in zip(params, gradients, strict=True):
        p.grad = g
    step = {
        "sgd": lambda: optim.SGD(params, LR[name], momentum=0.9),
        "adam": lambda: optim.Adam(params, LR[name]),
        "rmsprop": lambda: optim.RMSprop(params, LR[name]),
        "adadelta": lambda: optim.Adadelta(params, LR[name]),
    }[name]().step
    return task(step, lambda: [p.data for p in params])


def make_torch(contestant, name):
    import torch

    if contestant.fused and name not in ("sgd", "adam"):
        return None
    choice = {"fused": True} if contestant.fused else {}
    params, gradients = operands()
    params = [torch.nn.Parameter(torch.from_numpy(p)) for p in params]
    for p, g in zip(params, gradients, strict=True):
        p.grad = torch.from_numpy(g)
    step = {
        "sgd": lambda: torch.optim.SGD(params, LR[name], momentum=0.9, **choice),
        "adam": lambda: torch.optim.Adam(params, LR[name], **choice),
        "rmsprop": lambda: torch.optim.RMSprop(params, LR[name]),
        "adadelta": lambda: torch.optim.Adadelta(params, LR[name]),
    }[name]().step
    step = compiled(contestant, step)
    return task(step, lambda: [p.detach().numpy() for p in params])


def make_jax(name):
    from functools import partial

    import jax

    from bench.networks import in_jax

    params, gradients = jax.device_put(operands())
    update = jax.jit(partial(in_jax.update, name, LR[name]), donate_argnums=(0, 2))
    state = [params, in_jax.fresh_memory(params)]

    def step():
        state[:] = jax.block_until_ready(update(state[0], gradients, state[1]))

    return task(step, lambda: state[0])
