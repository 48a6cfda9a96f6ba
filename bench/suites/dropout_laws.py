"""The dropout variants whose law is not a mask of elements, forward as a user calls them: blocks,
weights, states, learned rates. NumPy and PyTorch do what their users write by hand, PyTorch's
DropBlock as torchvision does. Bytes: the floats that are read and written; DropConnect counts its
multiply-adds."""

from math import prod

import numpy as np

from bench.suites.case import Case, Task, normal

CONTESTANTS = ("minidrop", "numpy", "torch")
P, TEMPERATURE = 0.2, 0.1


def cases():
    images, elements, batch = (32, 28, 28, 64), (1_000_000,), (128, 784, 512)
    size = prod(images)
    return [
        Case("zoneout 1M", "byte", 12 * elements[0], ("zoneout", elements)),
        Case("drop_block 7x7 32x28x28x64", "byte", 8 * size, ("drop_block", images)),
        Case("concrete 1M", "byte", 8 * elements[0], ("concrete", elements)),
        Case("drop_connect batch 128x784x512", "FLOP", 2 * prod(batch), ("per_batch", batch)),
        Case("drop_connect sample 128x784x512", "FLOP", 2 * prod(batch), ("per_sample", batch)),
    ]


def operands(case):
    law, shape = case.spec
    if law == "zoneout":
        return normal(*shape), normal(*shape, seed=1)
    if law in ("drop_block", "concrete"):
        return (normal(*shape),)
    m, k, n = shape
    return normal(m, k), normal(k, n, seed=1)


def one_hot(case):
    """Inputs that show the weights: row i of the product is row i % k of the masked matrix."""
    m, k, _ = case.spec[1]
    x = np.zeros((m, k), np.float32)
    x[np.arange(m), np.arange(m) % k] = 1
    return x


def verify(case, outputs):
    """Every law shows in its output what it dropped: the share of that is right within six standard
    deviations, and what is kept is what it should be."""
    law, shape = case.spec
    y, blocks = outputs[0], 1
    if law == "zoneout":
        new, old = operands(case)
        dropped = y != new
        np.testing.assert_array_equal(y, np.where(dropped, old, new))
    elif law == "concrete":
        share = y / operands(case)[0] * np.float32(1 - P)
        dropped = share < 0.5
        assert abs(share.mean(dtype=np.float64) - (1 - P)) < 0.01
    elif law == "drop_block":
        x = operands(case)[0]
        dropped, blocks = y == 0, 49
        scale = np.divide(y, x, out=np.ones_like(x), where=~dropped)[~dropped]
        assert 1 < scale.min() and scale.max() < 1 / (1 - P) + 0.2
        assert dropped.mean() < P, "blocks overlap, and less is dropped than p"
        assert dropped.mean() > 0.75 * P
        return
    else:
        x, w = one_hot(case), operands(case)[1]
        rows = w[np.arange(shape[0]) % shape[1]]
        dropped = y == 0
        np.testing.assert_allclose(y, np.where(dropped, 0, rows / np.float32(1 - P)), rtol=1e-5)
    deviation = abs(dropped.mean(dtype=np.float64) - P) / np.sqrt(P * (1 - P) / y.size)
    assert deviation < 6 * blocks, f"dropped share is {deviation:.1f} standard deviations from {P}"


def make(contestant, case):
    return MAKERS[contestant.library](case.spec[0], operands(case), case)


def make_minidrop(law, arrays, case):
    import minidrop as md
    import minidrop.functional as F

    tensors = [md.Tensor(a) for a in arrays]
    rate = md.Tensor(np.array([np.log(P / (1 - P))], np.float32))
    calls = iter(range(1 << 62))
    functions = {
        "zoneout": lambda at, new, old: F.zoneout(new, old, P, **at),
        "drop_block": lambda at, x: F.drop_block2d(x, P, 7, **at),
        "concrete": lambda at, x: F.concrete_dropout(x, rate, temperature=TEMPERATURE, **at),
        "per_batch": lambda at, x, w: F.drop_connect(x, w, None, P, **at),
        "per_sample": lambda at, x, w: F.drop_connect(x, w, None, P, per_sample=True, **at),
    }

    def run(*inputs):
        return functions[law]({"training": True, "seed": 0, "call": next(calls)}, *inputs)

    return Task(lambda: run(*tensors), lambda: [run(*shown(law, tensors, case, md.Tensor)).numpy()])


def shown(law, inputs, case, convert):
    """The inputs of the run that `verify` looks at."""
    return (convert(one_hot(case)), inputs[1]) if law.startswith("per_") else inputs


def make_numpy(law, arrays, case):
    if law == "per_sample":
        return None  # a mask of 128 x 784 x 512 floats
    generator, scale = np.random.default_rng(0), np.float32(1 / (1 - P))

    def keep(shape, p=P):
        return generator.random(shape, np.float32) >= p

    def blocks(x):
        n, h, w, c = x.shape
        gamma = P / 49 * h * w / ((h - 6) * (w - 6))
        seeds = ~keep((n, h - 6, w - 6, c), gamma)
        mask = np.ones(x.shape, bool)
        for i in range(7):
            for j in range(7):
                mask[:, i : i + h - 6, j : j + w - 6] &= ~seeds
        return x * mask * np.float32(mask.size / mask.sum())

    def concrete(x):
        u = (generator.random(x.shape, np.float32) + np.float32(2.0**-25)).clip(max=1 - 2.0**-24)
        noise = np.float32(np.log(P / (1 - P))) + np.log(u) - np.log1p(-u)
        with np.errstate(over="ignore"):
            return x / (1 + np.exp(noise / np.float32(TEMPERATURE))) * scale

    functions = {
        "zoneout": lambda new, old: np.where(keep(new.shape), new, old),
        "drop_block": blocks,
        "concrete": concrete,
        "per_batch": lambda x, w: x @ (w * keep(w.shape) * scale),
    }
    run = functions[law]
    return Task(lambda: run(*arrays), lambda: [run(*shown(law, arrays, case, np.asarray))])


def make_torch(law, arrays, case):
    import torch
    import torch.nn.functional as F

    def blocks(x):
        _, _, h, w = x.shape
        gamma = P / 49 * h * w / ((h - 6) * (w - 6))
        seeds = torch.empty(*x.shape[:2], h - 6, w - 6).bernoulli_(gamma)
        dropped = F.max_pool2d(F.pad(seeds, (3, 3, 3, 3)), 7, stride=1, padding=3)
        mask = 1 - dropped
        return x * mask * (mask.numel() / mask.sum())

    def concrete(x):
        u = torch.rand_like(x).clamp(2.0**-25, 1 - 2.0**-24)
        noise = np.log(P / (1 - P)) + u.log() - torch.log1p(-u)
        return x * torch.sigmoid(-noise / TEMPERATURE) / (1 - P)

    def per_sample(x, w):
        masks = torch.empty(x.shape[0], *w.shape).bernoulli_(1 - P)
        return torch.einsum("bi,bio->bo", x, masks.mul_(w)) / (1 - P)

    functions = {
        "zoneout": lambda new, old: torch.where(torch.empty_like(new, dtype=torch.bool)
                                                .bernoulli_(1 - P), new, old),
        "drop_block": blocks,
        "concrete": concrete,
        "per_batch": lambda x, w: x @ F.dropout(w, P, True),
        "per_sample": per_sample,
    }  # fmt: skip
    run = functions[law]
    tensors = [torch.from_numpy(a) for a in arrays]
    if law == "drop_block":
        tensors = [t.permute(0, 3, 1, 2).contiguous() for t in tensors]
        return Task(lambda: run(*tensors), lambda: [run(*tensors).permute(0, 2, 3, 1).numpy()])
    return Task(lambda: run(*tensors),
                lambda: [run(*shown(law, tensors, case, torch.from_numpy)).numpy()])


MAKERS = {"minidrop": make_minidrop, "numpy": make_numpy, "torch": make_torch}
