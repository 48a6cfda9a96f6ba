"""Where a named data set is looked for, and the error that tells where it was not found.

An explicit `root=` is the only place searched. Without it the places are, in this order: the
folder that MINIDROP_DATA names, /usr/share/datasets (where Debian's dataset packages put them),
and the user's cache, which is also where downloads go.
"""

import os
import sys
from pathlib import Path

SYSTEM_FOLDER = Path("/usr/share/datasets")


class DataNotFoundError(FileNotFoundError):
    """A data set is in none of the places searched; the message lists them and the ways out."""


def cache_folder():
    """The folder of this user's cache that belongs to minidrop; it need not exist yet."""
    if sys.platform == "win32":
        parent = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        parent = "~/Library/Caches"
    else:
        parent = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(parent)) / "minidrop"


def offline():
    """Whether MINIDROP_OFFLINE forbids downloads (set to anything but the empty string and 0)."""
    return os.environ.get("MINIDROP_OFFLINE", "") not in ("", "0")


def candidates(name, root=None):
    """The folders that may hold the set `name`, in the order in which they are searched."""
    if root is not None:
        return [Path(root) / name, Path(root)]
    folders = [SYSTEM_FOLDER / name, cache_folder() / name]
    if os.environ.get("MINIDROP_DATA"):
        folders.insert(0, Path(os.environ["MINIDROP_DATA"]) / name)
    return folders


def find(name, filenames, root=None):
    """Search the candidates for a folder with all of `filenames`, each plain or with ".gz".

    Returns (paths, tried): the paths in the order of `filenames`, or None where no folder has
    them all, and a line of text for each place searched without success.
    """
    tried = []
    if root is None and not os.environ.get("MINIDROP_DATA"):
        tried.append("the folder named by MINIDROP_DATA: the variable is not set")
    for folder in candidates(name, root):
        if not folder.is_dir():
            tried.append(f"{folder}: no such folder")
            continue
        paths = [_plain_or_gz(folder, filename) for filename in filenames]
        if None not in paths:
            return paths, tried
        missing = [file for file, path in zip(filenames, paths, strict=True) if path is None]
        tried.append(f"{folder}: no {' and no '.join(missing)}, plain or .gz")
    return None, tried


def not_found(name, tried, ways_out):
    """The DataNotFoundError for the set `name`, from two lists of lines."""
    lines = [f"the data set {name!r} was not found. Tried:"]
    lines += [f"  - {line}" for line in tried]
    lines += ["Ways out:"]
    lines += [f"  - {line}" for line in ways_out]
    return DataNotFoundError("\n".join(lines))


def _plain_or_gz(folder, filename):
    for path in (folder / filename, folder / f"{filename}.gz"):
        if path.is_file():
            return path
    return None
