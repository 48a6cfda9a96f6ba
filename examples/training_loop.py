"""The network of mnist_cnn.py with its training loop written out: everything that `train.fit` does
for a step, and nothing else.

    python examples/training_loop.py [--data auto] [--epochs 2] [--seed 0] [--quick]
"""

import argparse

from tqdm import tqdm

import minidrop as md
from minidrop import data, nn, optim

# siblings in this folder
import digits
from mnist_cnn import build


def train_epoch(model, optimizer, samples):
    """One pass over the samples; the mean loss."""
    loss_of, total = nn.CrossEntropyLoss(), 0.0
    model.train()  # dropout is on
    for images, labels in tqdm(samples, unit="batch"):
        optimizer.zero_grad()
        loss = loss_of(model(md.Tensor(images)), labels)  # forward: the graph grows
        loss.backward()  # backward: every parameter gets its .grad, and the graph is freed
        optimizer.step()
        total += loss.item() * len(labels)
    return total / len(samples.x)


def accuracy(model, samples):
    """The share of the samples whose greatest output is at the label."""
    right = 0
    model.eval()  # dropout is off
    with md.no_grad():  # and no graph is built
        for images, labels in samples:
            right += (model(md.Tensor(images)).numpy().argmax(axis=1) == labels).sum()
    return right / len(samples.x)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", default="auto", help="as for mnist_cnn.py")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="a small part of the data")
    args = parser.parse_args()

    md.manual_seed(args.seed)
    sets = digits.load(args.data, args.seed, args.quick)
    print(sets.describe())
    model = build()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    samples = data.batches(*sets.train, batch_size=64, seed=args.seed)  # each epoch another order
    test = data.batches(*sets.test, batch_size=256, shuffle=False)
    for epoch in range(args.epochs):
        loss = train_epoch(model, optimizer, samples)
        print(f"epoch {epoch + 1}: loss {loss:.4f}, test accuracy {accuracy(model, test):.2%}")


if __name__ == "__main__":
    main()
