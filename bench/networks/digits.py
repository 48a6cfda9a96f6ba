"""The images of a whole epoch: MNIST where it is found on this machine, else made-up ones."""

import os

import numpy as np

COUNT = 60_000
INK = 0.19  # share of MNIST's pixels that are not zero


def digits():
    """(images uint8 (60000, 28, 28), labels (60000)). Nothing is downloaded for a benchmark; the
    made-up images have as many zeros as MNIST, for kernels that skip them."""
    from minidrop import data

    before = os.environ.get("MINIDROP_OFFLINE")
    os.environ["MINIDROP_OFFLINE"] = "1"
    try:
        return data.mnist()
    except OSError:
        return made_up(COUNT)
    finally:
        if before is None:
            del os.environ["MINIDROP_OFFLINE"]
        else:
            os.environ["MINIDROP_OFFLINE"] = before


def made_up(count):
    """(images, labels) of the right kind that show nothing."""
    rng = np.random.default_rng(0)
    images = rng.integers(1, 256, (count, 28, 28), np.uint8)
    images[rng.random(images.shape, np.float32) >= INK] = 0
    return images, rng.integers(0, 10, count, np.uint8)
