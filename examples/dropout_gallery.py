"""A picture of what every kind of dropout does to two digits.

    python examples/dropout_gallery.py                  # writes runs/dropout_gallery/gallery.png
    python examples/dropout_gallery.py --p 0.2 --data fashion-mnist
    python examples/dropout_gallery.py --quick          # the same: it takes a second

Feature maps are shown as rows of samples and columns of channels, all channels being the same
image, so that what is dropped together is seen together. Sequences have the rows of an image as
their time steps. Where weights are dropped, the image is the matrix of weights. White is zero. The
standard deviation of GaussianNoise is p / 2.
"""

import argparse
from pathlib import Path

import numpy as np

import minidrop as md
from minidrop import nn

# siblings in this folder
import digits
import plots

CHANNELS = 3
PAPER = 0.3  # the value of the background: grey, so that a dropped one can be told from it


def feature_maps(pair):
    """(2, 28, 28, 3): samples, height, width, channels."""
    return np.repeat(pair[..., np.newaxis], CHANNELS, axis=-1)


def mosaic(maps):
    """(n, h, w, c) -> one picture: a row for each sample, a column for each channel."""
    framed = np.pad(maps, ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=np.nan)
    n, h, w, c = framed.shape
    return framed.transpose(0, 1, 3, 2).reshape(n * h, c * w)[:-1, :-1]


def on_maps(layer, pair):
    return mosaic(layer(feature_maps(pair)).numpy())


def on_volumes(layer, pair):
    """The two digits as the two slices of one volume (1, 2, 28, 28, 3)."""
    return mosaic(layer(feature_maps(pair)[np.newaxis]).numpy()[0])


def on_sequences(layer, pair):
    """The rows of an image one after the other: (2, 28, 28), time before features."""
    return mosaic(layer(pair).numpy()[..., np.newaxis])


def on_weights(wrap):
    """What a layer that drops weights makes of an identity matrix: the weights themselves."""

    def picture(p, pair):
        linear = nn.Linear(28, 28, bias=False)
        linear.weight.data[...] = pair[0]
        return mosaic(wrap(linear, p)(np.eye(28, dtype=np.float32)).numpy()[None, ..., None])

    return picture


def on_states(p, pair):
    """The first digit is the new state, the second the old one."""
    return mosaic(nn.Zoneout(p)(pair[:1], pair[1:]).numpy()[..., np.newaxis])


# name -> function of (p, pair) that gives the picture; all others take feature maps.
PICTURES = {
    "DropBlock2d": lambda p, pair: on_maps(nn.DropBlock2d(p, 7), pair),
    "DropConnect": on_weights(lambda linear, p: nn.DropConnect(linear, p)),
    "Dropout1d": lambda p, pair: on_sequences(nn.Dropout1d(p), pair),
    "Dropout3d": lambda p, pair: on_volumes(nn.Dropout3d(p), pair),
    "GaussianNoise": lambda p, pair: on_maps(nn.GaussianNoise(p / 2), pair),
    "VariationalDropout": lambda p, pair: on_sequences(nn.VariationalDropout(p), pair),
    "WeightDrop": on_weights(lambda linear, p: nn.WeightDrop(linear, "weight", p)),
    "Zoneout": on_states,
}


def gallery(pair, p, seed):
    """{name: picture} of the plain images and of every variant."""
    pictures = {"the input": mosaic(feature_maps(pair))}
    md.manual_seed(seed)
    for variant in nn.dropout.variants():
        draw = PICTURES.get(variant.name)
        picture = draw(p, pair) if draw else on_maps(variant.layer(p), pair)
        pictures[f"{variant.name}: {variant.law}"] = picture
    return pictures


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="auto", metavar="NAME", help="as for mnist_cnn.py")
    parser.add_argument("--p", type=float, default=0.4, help="the rate, default 0.4")
    parser.add_argument("--seed", type=int, default=0, help="default 0")
    parser.add_argument("--out", type=Path, default=Path("runs/dropout_gallery"))
    parser.add_argument("--quick", action="store_true", help="changes nothing")
    args = parser.parse_args(arguments)
    if not 0 < args.p < 1:
        parser.error(f"--p must be above 0 and below 1, got {args.p}")
    images, labels = digits.load(args.data, args.seed, quick=True).test
    chosen = [np.argmax(labels == label) for label in (3, 8)]
    pair = (PAPER + (1 - PAPER) * images[chosen] / 255).astype(np.float32)
    pictures = gallery(pair, args.p, args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    plots.draw_gallery(args.out / "gallery.png", f"p = {args.p:g}; std = {args.p / 2:g}", pictures)
    print(f"{len(pictures) - 1} variants, written: {args.out}/gallery.png")


if __name__ == "__main__":
    main()
