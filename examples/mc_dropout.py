"""Does the network know what it does not know? Monte-Carlo dropout on digits, on digits that are
turned, and on clothes.

    python examples/mc_dropout.py                       # MNIST, turned MNIST, Fashion-MNIST
    python examples/mc_dropout.py --quick               # in seconds

At the end: a table, and in --out uncertainty.png, turned.png and results.json. Gal and Ghahramani
2016, "Dropout as a Bayesian approximation", turn a 1 in their figure 4.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import minidrop as md
from minidrop import data, nn, optim, train

# siblings in this folder
import digits
import plots
from mnist_cnn import build, positive, write_json

QUICK_IMAGES = 300


def turned(images, degrees):
    """uint8 images (n, h, w), each turned counter-clockwise, black where nothing was."""
    turn = Image.Resampling.BILINEAR
    return np.stack([np.asarray(Image.fromarray(image).rotate(degrees, turn)) for image in images])


def auroc(inside, outside):
    """The probability that a number of `outside` is greater than one of `inside`, ties one half:
    the area under the ROC curve of a test that tells them apart. Both (n,), not empty."""
    ordered = np.sort(inside)
    below = np.searchsorted(ordered, outside, "left") + np.searchsorted(ordered, outside, "right")
    return below.mean() / (2 * len(inside))


def learn(sets, args):
    """The classic network with dropout, trained."""
    md.manual_seed(args.seed)
    model = build()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    train.fit(model, optimizer, nn.CrossEntropyLoss(), sets.train, epochs=args.epochs,
              batch_size=64, validation=sets.validation)  # fmt: skip
    return model


def strangers():
    """{name: images} of what is no digit: Fashion-MNIST, if it can be had."""
    try:
        return {"clothes": data.fashion_mnist(split="test")[0]}
    except data.DataNotFoundError as error:
        print(f"no clothes, Fashion-MNIST cannot be had: {str(error).splitlines()[0]}")
        return {}


def plain_entropy(model, images):
    """That of a single prediction without dropout, in nats."""
    p = nn.Softmax()(train.predict(model, images)).numpy().astype(np.float64)
    return -(p * np.log(np.maximum(p, 1e-300))).sum(axis=1)


def measure(model, images, labels, args):
    """Uncertainty on some images, each the mean; accuracy where there are labels."""
    found = train.predict_mc(model, images, args.samples)
    accuracy = None if labels is None else (found.mean.argmax(axis=1) == labels).mean()
    figures = {"accuracy": accuracy, "entropy": found.entropy.mean(),
               "mutual_info": found.mutual_info.mean()}  # fmt: skip
    return found, {name: None if v is None else float(v) for name, v in figures.items()}


def compare(model, sets, args):
    """(rows of the table, {name: entropies}) for the test digits, turned ones and strangers."""
    images, labels = (part[: args.images] for part in sets.test)
    groups = {"digits": (images, labels)}
    groups |= {f"turned {a}\N{DEGREE SIGN}": (turned(images, a), labels) for a in args.angles}
    groups |= {name: (other[: args.images], None) for name, other in strangers().items()}
    rows, entropies, plain = {}, {}, {}
    for name, (x, y) in groups.items():
        found, rows[name] = measure(model, x, y, args)
        entropies[name], plain[name] = found.entropy, plain_entropy(model, x)
        for column, values in (("auroc", entropies), ("auroc_plain", plain)):
            rows[name][column] = float(auroc(values["digits"], values[name]))
    return rows, entropies


def table(sets, rows, args):
    lines = [
        f"{sets.title}: {args.images:,} test images, {args.samples} samples of each",
        f"{'':<14}accuracy  entropy  mutual   AUROC of the entropy",
        f"{'':<14}            (nats)   info   dropout on   dropout off",
    ]
    for name, row in rows.items():
        accuracy = f"{row['accuracy']:8.2%}" if row["accuracy"] is not None else f"{'':8}"
        line = f"{name:<14}{accuracy}{row['entropy']:9.3f}{row['mutual_info']:8.3f}"
        if name != "digits":
            line += f"{row['auroc']:12.3f}{row['auroc_plain']:14.3f}"
        lines.append(line)
    lines.append("AUROC: how often such an image has more entropy than an upright digit; 0.5 is "
                 "chance")  # fmt: skip
    return "\n".join(lines)


def draw(model, sets, rows, entropies, args):
    """The two pictures."""
    images, labels = sets.test
    one = images[np.argmax(labels == 1)]
    angles = np.arange(0, 181, 20)
    steps = np.stack([turned(one[np.newaxis], angle)[0] for angle in angles])
    found = train.predict_mc(model, steps, 100)
    plots.draw_turning(args.out / "turned.png", steps, angles, found)
    plots.draw_uncertainty(args.out / "uncertainty.png", rows, entropies)


def make_parser():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", default="auto", metavar="NAME", help="as for mnist_cnn.py")
    add("--epochs", type=positive, help="default 3, with --quick 2")
    add("--samples", type=positive, help="of each image: default 50, with --quick 20")
    add("--images", type=positive, help=f"to predict: default 1,000, with --quick {QUICK_IMAGES}")
    add("--angles", type=float, nargs="+", metavar="DEGREES",
        help="default 15 30 45 60 90 135 180, with --quick 45 90")  # fmt: skip
    add("--seed", type=int, default=0, help="default 0")
    add("--out", type=Path, default=Path("runs/mc_dropout"), help="default runs/mc_dropout")
    add("--quick", action="store_true", help="a small part of the data: under 20 seconds")
    return parser


def main(arguments=None):
    args = make_parser().parse_args(arguments)
    args.epochs = args.epochs or (2 if args.quick else 3)
    args.samples = args.samples or (20 if args.quick else 50)
    args.images = args.images or (QUICK_IMAGES if args.quick else 1_000)
    args.angles = args.angles or ([45, 90] if args.quick else [15, 30, 45, 60, 90, 135, 180])
    try:
        sets = digits.load(args.data, args.seed, args.quick)
    except (data.DataNotFoundError, data.DataFormatError) as error:
        sys.exit(f"--data {args.data}: {error}")
    print(sets.describe())
    model = learn(sets, args)
    rows, entropies = compare(model, sets, args)
    print(f"\n{table(sets, rows, args)}")
    args.out.mkdir(parents=True, exist_ok=True)
    write_json(args.out / "results.json", {"data": sets.title, "seed": args.seed, "rows": rows})
    draw(model, sets, rows, entropies, args)
    print(f"written: {args.out}/results.json, uncertainty.png, turned.png")


if __name__ == "__main__":
    main()
