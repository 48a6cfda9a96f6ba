"""A whole training step, Python included: forward, loss, backward, optimizer, on one batch that
lies in memory. Before the clock starts the losses of three steps without dropout have to agree
with plain NumPy: that needs the forward pass, every gradient and the optimizer to be right."""

import numpy as np

from bench.expected import expected
from bench.networks import definition, in_numpy
from bench.suites.case import Case, Task, assert_close, compiled

CONTESTANTS = (
    "minidrop", "minidrop_avx2", "torch", "torch_tuned", "torch_cl", "torch_cl_tuned",
    "torch_compile", "jax", "jax_cl",
)  # fmt: skip

STEPS = (
    ("cnn", 64, "sgd"), ("cnn", 64, "adam"), ("cnn", 64, "adadelta"),
    ("cnn", 128, "sgd"), ("cnn", 128, "adam"),
    ("keras", 128, "sgd"), ("keras", 128, "adam"),
    ("mlp", 128, "sgd"), ("mlp", 128, "adam"),
)  # fmt: skip
VERIFIED_STEPS = 3
VERIFIED_LR = {"sgd": 0.01, "adam": 1e-3, "adadelta": 1.0}
TIMED_LR = 1e-6  # the weights stay where they are, so that every step does the same work


def case(network, batch, optimizer):
    flop = batch * definition.training_flop(network)
    return Case(f"{network} batch {batch} {optimizer}", "FLOP", flop, (network, batch, optimizer))


def cases():
    return [case(*step) for step in STEPS]


def plain(case):
    """The losses in plain NumPy; of a deep network in float64, since what float32 rounds off grows
    from layer to layer, and is 0.1 % of the loss behind 200 of them."""
    network, batch, optimizer = case.spec
    batches = [definition.data(batch)] * VERIFIED_STEPS
    dtype = np.float64 if definition.is_deep(network) else np.float32
    return in_numpy.losses(network, batches, optimizer, VERIFIED_LR[optimizer], dtype)


def verify(case, outputs):
    (losses,) = expected(f"train_step {case.name}", lambda: [plain(case)])
    assert np.ptp(losses) > 0.01, f"the losses hardly change: {losses}"
    rtol = 1e-3 if definition.is_deep(case.spec[0]) else 1e-4
    assert_close(outputs[0], losses, rtol=rtol, what=f"{case.name}: losses")


def make(contestant, case):
    network, _, optimizer = case.spec
    if not definition.suits(contestant, network):
        return None
    stepper = STEPPERS[contestant.library]
    timed = stepper(contestant, case, TIMED_LR, dropout=True)

    def collect():
        verified = stepper(contestant, case, VERIFIED_LR[optimizer], dropout=False)
        return [np.array([float(verified()) for _ in range(VERIFIED_STEPS)])]

    return Task(timed, collect)


def minidrop_step(contestant, case, lr, dropout):
    from bench.networks import in_minidrop
    from minidrop import nn

    network, batch, optimizer = case.spec
    x, labels = in_minidrop.batch_of(batch)
    model, loss_of = in_minidrop.build(network, dropout), nn.CrossEntropyLoss()
    rule = in_minidrop.optimizer(optimizer, model, lr)

    def step():
        rule.zero_grad()
        loss = loss_of(model(x), labels)
        loss.backward()
        rule.step()
        return loss.item()

    return step


def torch_step(contestant, case, lr, dropout):
    import torch.nn.functional as F

    from bench.networks import in_torch

    network, batch, optimizer = case.spec
    x, labels = in_torch.batch_of(batch, contestant.channels_last)
    model = in_torch.build(network, contestant.channels_last, dropout)
    rule = in_torch.optimizer(optimizer, model, lr)

    def loss_of(x, labels):
        return F.cross_entropy(model(x), labels)

    loss_of = compiled(contestant, loss_of)

    def step():
        rule.zero_grad()
        loss = loss_of(x, labels)
        loss.backward()
        rule.step()
        return loss.item()

    return step


def jax_step(contestant, case, lr, dropout):
    from functools import partial

    import jax

    from bench.networks import in_jax

    network, batch, optimizer = case.spec
    x, labels = in_jax.batch_of(batch, contestant.channels_last)
    loss_of = partial(in_jax.loss, network, contestant.channels_last)

    @partial(jax.jit, donate_argnums=(0, 1))
    def compiled(parameters, memory, key):
        key, drawn = jax.random.split(key)
        loss, gradients = jax.value_and_grad(loss_of)(
            parameters, x, labels, drawn if dropout else None
        )
        parameters, memory = in_jax.update(optimizer, lr, parameters, gradients, memory)
        return parameters, memory, key, loss

    parameters = in_jax.parameters(network, contestant.channels_last)
    state = [parameters, in_jax.fresh_memory(parameters), jax.random.PRNGKey(0)]

    def step():
        *state[:], loss = compiled(*state)
        return loss.item()

    return step


STEPPERS = {"minidrop": minidrop_step, "torch": torch_step, "jax": jax_step}
