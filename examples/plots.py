"""The pictures of the examples. Drawn on figures of their own: no window, no global state."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

WRONG, RIGHT = "tab:red", "dimgray"


def draw_curves(path, histories):
    """Loss and accuracy by epoch. histories: {name of a model: its history, a dict of lists}."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, value in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for number, (name, history) in enumerate(histories.items()):
            epochs = range(1, len(history[value]) + 1)
            size = 4 if len(epochs) < 16 else 0
            style = {"color": f"C{number}", "marker": "o", "markersize": size}
            axes.plot(epochs, history[value], "--", label=f"{name}, training", **style)
            axes.plot(epochs, history[f"val_{value}"], label=f"{name}, validation", **style)
        axes.set(xlabel="epoch", title=value)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def draw_predictions(path, title, images, labels, predicted, rows=5, columns=12):
    """A grid of images: the first ones that are wrong, at most half of it, then the first right.

    images (n, h, w); labels, predicted (n,). A wrong one is framed, with both above it.
    """
    places = rows * columns
    wrong = (predicted != labels).nonzero()[0][: places // 2]
    right = (predicted == labels).nonzero()[0][: places - len(wrong)]
    figure = Figure(figsize=(columns, 1.25 * rows + 0.5), layout="constrained")
    figure.suptitle(title)
    for axes in figure.subplots(rows, columns).flat:
        axes.set(xticks=[], yticks=[])
        axes.axis("off")
    for axes, i in zip(figure.axes, [*wrong, *right], strict=False):
        mistaken = predicted[i] != labels[i]
        axes.imshow(images[i], cmap="gray_r")
        text = f"{labels[i]} \N{RIGHTWARDS ARROW} {predicted[i]}" if mistaken else f"{labels[i]}"
        axes.set_title(text, fontsize=10, color=WRONG if mistaken else RIGHT)
        if mistaken:
            axes.axis("on")
            for spine in axes.spines.values():
                spine.set(color=WRONG, linewidth=2)
    figure.savefig(path, dpi=100)


def draw_turning(path, images, angles, found):
    """One digit on its way round: the images in a row, and under them the probability that each
    sample gives to the classes that matter.

    images (n, h, w); angles (n,) in degrees; found: an MCResult for the images, of 10 classes.
    """
    figure = Figure(figsize=(10, 6), layout="constrained")
    places = figure.subplot_mosaic(
        [[f"i{i}" for i in range(len(images))], ["p"] * len(images), ["u"] * len(images)],
        height_ratios=[1, 3, 2],
    )
    for i, image in enumerate(images):
        places[f"i{i}"].imshow(image, cmap="gray_r")
        places[f"i{i}"].set(xticks=[], yticks=[], xlabel=f"{angles[i]}\N{DEGREE SIGN}")
    chosen = np.sort(np.argsort(found.mean.max(axis=0))[-4:])  # the four likeliest of all
    spread = np.linspace(-0.3, 0.3, len(found.samples))
    for number, digit in enumerate(chosen):
        at = np.arange(len(images)) + spread[:, np.newaxis]
        places["p"].plot(at.T.ravel(), found.samples[:, :, digit].T.ravel(), ".",
                         color=f"C{number}", markersize=3, alpha=0.6, label=f"it is a {digit}")
    places["p"].set(ylabel="probability, by sample", xticks=[], xlim=(-0.5, len(images) - 0.5))
    places["p"].legend(markerscale=4, loc="center left", bbox_to_anchor=(1, 0.5))
    for name, values in (("entropy", found.entropy), ("mutual information", found.mutual_info)):
        places["u"].plot(values, "o-", label=name)
    places["u"].set(ylabel="nats", xticks=[], xlim=(-0.5, len(images) - 0.5), ylim=(0, None))
    places["u"].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=120)


def draw_uncertainty(path, rows, entropies):
    """Left, the entropies of the images of each group; right, uncertainty against accuracy.

    rows: {name: {"accuracy", "entropy", "mutual_info", "auroc"}}; entropies: {name: (n,)}.
    """
    figure = Figure(figsize=(13, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    steps = np.linspace(0, max(values.max() for values in entropies.values()), 200)
    for number, (name, values) in enumerate(entropies.items()):
        share = np.searchsorted(np.sort(values), steps, side="right") / len(values)
        label = name if name == "digits" else f"{name}: AUROC {rows[name]['auroc']:.3f}"
        left.plot(steps, share, color=f"C{number}", label=label)
    left.set(title="predictive entropy of the images", xlabel="nats", ylim=(0, 1.01),
             ylabel="share of the images with less")
    left.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    names = list(rows)
    places = np.arange(len(names))
    right.bar(places - 0.2, [rows[n]["entropy"] for n in names], 0.4, label="entropy")
    right.bar(places + 0.2, [rows[n]["mutual_info"] for n in names], 0.4,
              label="mutual information")
    right.set(title="mean uncertainty", ylabel="nats")
    right.set_xticks(places, [
        name + (f"\n{rows[name]['accuracy']:.0%} right" if rows[name]["accuracy"] is not None
                else "") for name in names
    ], rotation=45, ha="right", fontsize=8)
    right.legend()
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def draw_gallery(path, title, pictures, columns=4):
    """Pictures {name: (h, w)} in a grid; 0 is white, NaN a frame, below 0 blue, above 0 dark."""
    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(3 * columns, 2.3 * rows + 0.4), layout="constrained")
    figure.suptitle(title)
    for axes in figure.subplots(rows, columns).flat:
        axes.axis("off")
    colours = LinearSegmentedColormap.from_list("", ["tab:blue", "white", "black"])
    colours.set_bad("tab:orange")
    for axes, (name, picture) in zip(figure.axes, pictures.items(), strict=False):
        axes.imshow(picture, cmap=colours, vmin=-1.5, vmax=1.5)
        axes.set_title(name, fontsize=10)
    figure.savefig(path, dpi=110)
