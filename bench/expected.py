"""Reference results that the contestants' processes share.

All contestants of a row are compared with the same arrays. A training step's take seconds in plain
NumPy, so the first process that needs them leaves them in a folder for the others.
"""

import os
from pathlib import Path

import numpy as np

FOLDER_VARIABLE = "BENCH_EXPECTED"


def expected(name, compute):
    """compute()'s list of arrays, `name` being the row: read from the folder that
    BENCH_EXPECTED names if another process was here before, else computed, and left there. The
    folder keeps one row only. Processes must ask one at a time, as contest.py lets them."""
    if FOLDER_VARIABLE not in os.environ:
        return compute()
    folder = Path(os.environ[FOLDER_VARIABLE])
    path = folder / f"{name.replace('/', '_')}.npz"
    if path.exists():
        with np.load(path) as arrays:
            return list(arrays.values())
    arrays = compute()
    for old in folder.iterdir():
        old.unlink()
    unfinished = folder / "unfinished.npz"
    np.savez(unfinished, *arrays)
    unfinished.rename(path)
    return arrays
