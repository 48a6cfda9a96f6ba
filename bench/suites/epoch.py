"""An epoch of MNIST with the classic CNN, and with an MLP, data handling included: shuffling,
batches, uint8 to float32 where the data is uint8, the loss of every step read. A run is 24 batches,
about a twentieth of an epoch, the next part of the images each time.

Ours is `train.fit` on the uint8 images, as a user calls it. PyTorch's is a plain loop over tensors
that were made float32 before the clock started, with none of a DataLoader's cost.
"""

from itertools import cycle

import numpy as np

from bench.expected import expected
from bench.networks import definition, in_numpy
from bench.networks.digits import COUNT, digits
from bench.suites.case import Case, Task, assert_close

CONTESTANTS = ("minidrop", "torch_cl_tuned")

BATCH = 128
PART = 24 * BATCH
EPOCH = COUNT / PART  # runs of an epoch
LR = 1e-3
VERIFIED = 3 * BATCH


def cases():
    return [
        Case(
            f"{network} batch {BATCH} adam, {PART} images",
            "FLOP",
            PART * definition.training_flop(network),
            (network,),
        )
        for network in ("cnn", "mlp")
    ]


def plain(network):
    """The mean loss of the verified part, in plain NumPy."""
    images, labels = digits()
    x = images[:VERIFIED, :, :, None].astype(np.float32) / 255
    batches = [(x[at : at + BATCH], labels[at : at + BATCH]) for at in range(0, VERIFIED, BATCH)]
    return np.mean(in_numpy.losses(network, batches, "adam", LR))


def verify(case, outputs):
    (loss,) = expected(f"epoch {case.name}", lambda: [plain(*case.spec)])
    assert_close(outputs[0], loss, what="mean loss of the first steps without dropout")


def make(contestant, case):
    maker = {"minidrop": minidrop_trainer, "torch": torch_trainer}[contestant.library]
    parts = cycle(range(0, COUNT - PART + 1, PART))
    train = maker(*case.spec, dropout=True)

    def collect():
        return [np.array(maker(*case.spec, dropout=False)(0, VERIFIED, shuffle=False))]

    return Task(lambda: train(next(parts), PART, shuffle=True), collect)


def minidrop_trainer(network, dropout):
    """A function that trains on `count` images from `start` on: their mean loss."""
    from bench.networks import in_minidrop
    from minidrop import nn, train

    images, labels = digits()
    model, loss_of = in_minidrop.build(network, dropout), nn.CrossEntropyLoss()
    rule = in_minidrop.optimizer("adam", model, LR)

    def run(start, count, shuffle):
        part = images[start : start + count], labels[start : start + count]
        history = train.fit(
            model, rule, loss_of, part,
            epochs=1, batch_size=BATCH, shuffle=shuffle, metrics=(), progress=False,
        )  # fmt: skip
        return history.history["loss"][0]

    return run


def torch_trainer(network, dropout):
    """The same in PyTorch, channels last."""
    import torch
    import torch.nn.functional as F

    from bench.networks import in_torch

    images, labels = digits()
    images = torch.from_numpy(images[:, None].astype(np.float32) / 255)
    labels = torch.from_numpy(labels.astype(np.int64))
    model = in_torch.build(network, channels_last=True, dropout=dropout)
    rule = in_torch.optimizer("adam", model, LR)

    def run(start, count, shuffle):
        order = start + (torch.randperm(count) if shuffle else torch.arange(count))
        total = 0.0
        for chosen in order.split(BATCH):
            x = images[chosen].contiguous(memory_format=torch.channels_last)
            rule.zero_grad()
            loss = F.cross_entropy(model(x), labels[chosen])
            loss.backward()
            rule.step()
            total += loss.item() * len(chosen)
        return total / count

    return run
