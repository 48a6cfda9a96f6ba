"""Logits of a network in evaluation mode, one image and a batch."""

from bench.expected import expected
from bench.networks import definition, in_numpy
from bench.suites.case import Case, Task, assert_close, compiled

CONTESTANTS = (
    "minidrop", "torch", "torch_tuned", "torch_cl", "torch_cl_tuned", "torch_compile", "jax",
    "jax_cl",
)  # fmt: skip


def cases():
    return [
        Case(
            f"{network} batch {batch}",
            "FLOP",
            batch * definition.forward_flop(network),
            (network, batch),
        )
        for network in definition.NETWORKS
        for batch in (1, 256)
    ]


def verify(case, outputs):
    network, batch = case.spec

    def plain():
        x, _ = definition.data(batch)
        logits, _ = in_numpy.forward(network, definition.weights(network), x)
        return [logits]

    (right,) = expected(f"inference {case.name}", plain)
    assert_close(outputs[0], right, what=case.name)


def make(contestant, case):
    network, batch = case.spec
    if not definition.suits(contestant, network):
        return None
    if contestant.library == "minidrop":
        return make_minidrop(network, batch)
    if contestant.library == "torch":
        return make_torch(contestant, network, batch)
    return make_jax(contestant, network, batch)


def make_minidrop(network, batch):
    import minidrop as md
    from bench.networks import in_minidrop

    x, _ = in_minidrop.batch_of(batch)
    model = in_minidrop.build(network).eval()

    def run():
        with md.no_grad():
            return model(x)

    return Task(run, lambda: [run().numpy()])


def make_torch(contestant, network, batch):
    import torch

    from bench.networks import in_torch

    x, _ = in_torch.batch_of(batch, contestant.channels_last)
    model = in_torch.build(network, contestant.channels_last).eval()
    model = compiled(contestant, model)

    def run():
        with torch.inference_mode():
            return model(x)

    return Task(run)


def make_jax(contestant, network, batch):
    from functools import partial

    import jax

    from bench.networks import in_jax

    x, _ = in_jax.batch_of(batch, contestant.channels_last)
    parameters = in_jax.parameters(network, contestant.channels_last)
    compiled = jax.jit(partial(in_jax.forward, network, contestant.channels_last))
    return Task(lambda: compiled(parameters, x).block_until_ready())
