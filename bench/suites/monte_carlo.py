"""Monte-Carlo dropout: 50 predictions with dropout on, and their probabilities. A PyTorch user runs
the model 50 times; FLOP counts that, whoever finds a shorter way."""

import numpy as np

from bench import reference
from bench.networks import definition
from bench.suites.case import Case, Task

CONTESTANTS = ("minidrop", "torch", "torch_tuned", "torch_cl", "torch_cl_tuned")

SAMPLES = 50
NETWORK = "cnn"


def cases():
    flop = SAMPLES * definition.forward_flop(NETWORK)
    return [Case(f"{NETWORK} batch {n}", "FLOP", n * flop, (n,)) for n in (1, 16, 64)]


def verify(case, outputs):
    """outputs: the probabilities, (SAMPLES, batch, 10). Their means agree with those of as many
    samples in plain NumPy within six standard deviations, and no two samples are equal."""
    (drawn,) = outputs
    (batch,) = case.spec
    assert drawn.shape == (SAMPLES, batch, 10), f"shape {drawn.shape}"
    assert np.allclose(drawn.sum(axis=-1), 1, atol=1e-5), "probabilities must add up to 1"
    assert len(np.unique(drawn[:, 0], axis=0)) == SAMPLES, "samples must have masks of their own"
    expected = sample_in_numpy(batch)
    deviation = np.sqrt((drawn.var(axis=0) + expected.var(axis=0)) / (SAMPLES - 1))
    error = np.abs(drawn.mean(axis=0) - expected.mean(axis=0))
    worst = (error / np.maximum(deviation, 1e-6)).max()
    assert worst < 6, f"a mean is {worst:.1f} standard deviations off"


def sample_in_numpy(batch):
    """The same law in plain NumPy."""
    generator = np.random.default_rng(1)
    (w1, b1), (w2, b2), (w3, b3), (w4, b4) = definition.weights(NETWORK)
    first, second = (layer[1] for layer in definition.NETWORKS[NETWORK] if layer[0] == "dropout")
    x, _ = definition.data(batch)
    x = np.maximum(reference.conv2d(x, w1) + b1, 0)
    x, _ = reference.max_pool2d(np.maximum(reference.conv2d(x, w2) + b2, 0))
    x = x.reshape(batch, -1)

    def dropped(values, p):
        return values * (generator.random(values.shape, np.float32) >= p) / np.float32(1 - p)

    drawn = []
    for _ in range(SAMPLES):
        hidden = np.maximum(dropped(x, first) @ w3 + b3, 0)
        logits = dropped(hidden, second) @ w4 + b4
        likely = np.exp(logits - logits.max(axis=-1, keepdims=True))
        drawn.append(likely / likely.sum(axis=-1, keepdims=True))
    return np.stack(drawn)


def make(contestant, case):
    (batch,) = case.spec
    if contestant.library == "minidrop":
        return make_minidrop(batch)
    return make_torch(contestant, batch)


def make_minidrop(batch):
    from bench.networks import in_minidrop
    from minidrop import train

    x, _ = in_minidrop.batch_of(batch)
    model, x = in_minidrop.build(NETWORK), x.numpy()

    def run():
        return train.predict_mc(model, x, SAMPLES)

    return Task(run, lambda: [run().samples])


def make_torch(contestant, batch):
    import torch

    from bench.networks import in_torch

    x, _ = in_torch.batch_of(batch, contestant.channels_last)
    model = in_torch.build(NETWORK, contestant.channels_last).train()  # no batch norm in it

    def run():
        with torch.inference_mode():
            return torch.stack([model(x).softmax(dim=-1) for _ in range(SAMPLES)])

    return Task(run)
