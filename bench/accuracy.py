"""What the algorithm of a convolution does to accuracy: the classic CNN with dropout, trained on
full MNIST by direct convolutions and by Winograd's method, forward and backward, from the same
seeds.

    python -m bench.accuracy [--seeds 5] [--epochs 5]

Two runs of a seed begin with the same weights, see the same batches and draw the same masks. They
part by rounding alone, which training makes larger, so that a single pair differs by about as much
as two seeds do: what counts is the mean over the seeds.
"""

import argparse
import statistics

import minidrop as md
from bench.networks import in_minidrop
from minidrop import data, nn, optim, train

ALGORITHMS = ("direct", "winograd")
BATCH = 128


def accuracy(algorithm, seed, epochs):
    """On the test set, in percent, after training by Adam."""
    md.set_conv_algo(algorithm)
    md.manual_seed(seed)
    model, loss = in_minidrop.build("cnn", common=False), nn.CrossEntropyLoss()
    rule = optim.Adam(model.parameters(), lr=1e-3)
    train.fit(
        model, rule, loss, data.mnist(), epochs=epochs, batch_size=BATCH, seed=seed, progress=False
    )
    return 100 * train.evaluate(model, loss, data.mnist(split="test"))["accuracy"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    print(f"{'seed':>6}" + "".join(f"{name:>12}" for name in ALGORITHMS) + "  difference")
    found = []
    for seed in range(options.seeds):
        found.append([accuracy(name, seed, options.epochs) for name in ALGORITHMS])
        print_row(seed, found[-1])
    print_row("mean", [statistics.mean(column) for column in zip(*found, strict=True)])


def print_row(name, row):
    cells = "".join(f"{value:11.2f}%" for value in row)
    print(f"{name:>6}{cells}{row[1] - row[0]:+12.3f}", flush=True)


if __name__ == "__main__":
    main()
