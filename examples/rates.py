"""How much dropout? One network at several rates, on so few images that it learns them by heart.

    python examples/rates.py                            # 2,000 digits, 40 epochs, four rates
    python examples/rates.py --quick                    # in seconds
    python examples/rates.py --data fashion-mnist --rates 0 0.1 0.3 0.5 0.9

At the end: a table, and in --out rates.png and results.json.
"""

import argparse
from pathlib import Path

import numpy as np

import minidrop as md
from minidrop import nn, optim, train

# siblings in this folder
import digits
import plots
from mnist_cnn import positive, write_json

WIDTH = 512


def build(p):
    """Two wide dense layers, each with dropout after it: 670,000 weights."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, WIDTH),
        nn.ReLU(),
        nn.Dropout(p),
        nn.Linear(WIDTH, WIDTH),
        nn.ReLU(),
        nn.Dropout(p),
        nn.Linear(WIDTH, 10),
    )


def run(p, sets, args):
    """(model, its history) at the rate p. Equal seeds give equal weights: only p differs."""
    md.manual_seed(args.seed)
    model = build(p)
    print(f"\np = {p:g}", flush=True)
    optimizer = optim.Adam(model.parameters(), lr=args.lr)
    history = train.fit(model, optimizer, nn.CrossEntropyLoss(), sets.train, epochs=args.epochs,
                        batch_size=50, validation=sets.validation)  # fmt: skip
    return model, history.history


def measure(p, model, history, sets):
    """A row of the table, dropout off."""
    loss = nn.CrossEntropyLoss()
    parts = {part: train.evaluate(model, loss, getattr(sets, part))
             for part in ("train", "validation", "test")}  # fmt: skip
    return parts | {
        "p": p,
        "gap": parts["train"]["accuracy"] - parts["test"]["accuracy"],
        "best_epoch": int(np.argmin(history["val_loss"])) + 1,
        "seconds_per_epoch": sum(history["seconds"]) / len(history["seconds"]),
        "history": history,
    }


def table(sets, rows):
    """The figures of all rates as text."""
    parts = ("train", "validation", "test")
    lines = [
        sets.describe(),
        f"{'':<8}" + "".join(f"{part:^18}" for part in parts) + "    gap   least val.  seconds",
        f"{'   p':<8}" + "    loss  accuracy" * len(parts) + "         loss, epoch  / epoch",
    ]
    for row in rows:
        cells = "".join(f"{row[p]['loss']:8.4f}{row[p]['accuracy']:9.2%} " for p in parts)
        lines.append(f"{row['p']:<8g}{cells}{100 * row['gap']:6.2f}{row['best_epoch']:12}"
                     f"{row['seconds_per_epoch']:10.2f}")  # fmt: skip
    lines.append("gap: train minus test accuracy, in percentage points; all with dropout off")
    return "\n".join(lines)


def make_parser():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", default="auto", metavar="NAME", help="as for mnist_cnn.py")
    add("--rates", type=float, nargs="+", default=[0, 0.2, 0.5, 0.8], metavar="P")
    add("--images", type=positive, help="to train on: default 2,000, with --quick 500")
    add("--epochs", type=positive, help="default 40, with --quick 8")
    add("--lr", type=float, default=1e-3, help="learning rate of Adam, default 0.001")
    add("--seed", type=int, default=0, help="default 0")
    add("--out", type=Path, default=Path("runs/rates"), help="default runs/rates")
    add("--quick", action="store_true", help="fewer images, fewer epochs: under 20 seconds")
    return parser


def main(arguments=None):
    parser = make_parser()
    args = parser.parse_args(arguments)
    for p in args.rates:
        try:
            build(p)
        except ValueError as error:
            parser.error(f"--rates: {error}")
    epochs, images = (8, 500) if args.quick else (40, 2_000)
    args.epochs, images = args.epochs or epochs, args.images or images
    sets = digits.load(args.data, args.seed, args.quick)
    sets.train = tuple(array[:images] for array in sets.train)

    runs = {p: run(p, sets, args) for p in args.rates}
    rows = [measure(p, *runs[p], sets) for p in runs]
    print(f"\n{table(sets, rows)}")
    args.out.mkdir(parents=True, exist_ok=True)
    write_json(args.out / "results.json", {"data": sets.title, "seed": args.seed, "rates": rows})
    plots.draw_curves(args.out / "rates.png", {f"p = {p:g}": history
                                               for p, (_, history) in runs.items()})  # fmt: skip
    print(f"written: {args.out}/results.json, rates.png")


if __name__ == "__main__":
    main()
