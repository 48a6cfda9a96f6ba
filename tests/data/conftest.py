"""Synthetic IDX files, and searches for data that see nothing of this machine."""

import gzip
import hashlib
import struct

import numpy as np
import pytest

_CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def _idx_bytes(array):
    """The content of the IDX file that holds `array`."""
    code = _CODES[array.dtype.str[1:]]
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture
def idx_bytes():
    return _idx_bytes


class TinyMnist:
    """A stand-in of 6 training and 3 test images, with the names that MNIST's files have."""

    def __init__(self):
        rng = np.random.default_rng(7)
        self.files = {}
        self.arrays = {}
        for split, prefix, n in (("train", "train", 6), ("test", "t10k", 3)):
            images = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
            labels = rng.integers(0, 10, n, dtype=np.uint8)
            self.arrays[split] = images, labels
            self.files[split] = {
                f"{prefix}-images-idx3-ubyte": _idx_bytes(images),
                f"{prefix}-labels-idx1-ubyte": _idx_bytes(labels),
            }

    def hashes(self):
        return {
            split: {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
            for split, files in self.files.items()
        }

    def write(self, folder, splits=("train", "test"), packed=True):
        folder.mkdir(parents=True, exist_ok=True)
        for split in splits:
            for name, content in self.files[split].items():
                if packed:
                    (folder / f"{name}.gz").write_bytes(gzip.compress(content))
                else:
                    (folder / name).write_bytes(content)


@pytest.fixture
def tiny_mnist(monkeypatch):
    """`mnist` takes these tiny files for the published ones."""
    from minidrop.data import sets

    tiny = TinyMnist()
    monkeypatch.setattr(sets, "_MNIST", tiny.hashes())
    return tiny


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No data set is on this machine, and nothing is downloaded unless a test allows it."""
    from minidrop.data import places

    monkeypatch.delenv("MINIDROP_DATA", raising=False)
    monkeypatch.setenv("MINIDROP_OFFLINE", "1")
    monkeypatch.setattr(places, "SYSTEM_FOLDER", tmp_path / "system")
    monkeypatch.setattr(places, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path
