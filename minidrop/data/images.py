"""Folders of pictures as arrays: one class a subfolder."""

from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..arguments import integer

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")

_GREY = ("1", "L", "LA", "I", "I;16")  # Pillow's names for modes without colour

# Of one picture. A file of a few kilobytes can unpack to gigabytes: none is unpacked before its
# header has been seen.
_MAX_PIXELS = 1 << 26


class ImageSet(tuple):
    """The pair (images, labels), with the name of each class in `classes`: `x, y = images(...)`."""

    def __new__(cls, images, labels, classes):
        pair = super().__new__(cls, (images, labels))
        pair.images, pair.labels, pair.classes = images, labels, classes
        return pair


def images(folder, size=None):
    """The pictures in `folder`, each in the subfolder that is named after its class.

    folder: holds a subfolder for each class, and these the files (PNG, JPEG, BMP, GIF, WebP; of a
        moving picture the first frame). Other files, and names that begin with a dot, are passed
        over. Classes and files are taken in the order of their names.
    size: (height, width) to which every picture is scaled, bilinearly. None: they must be of one
        size already.

    Returns the pair (images, labels): uint8 (n, h, w) if all pictures are grey, else RGB, uint8
    (n, h, w, 3); and int64 (n,), the number of the class. Its attribute `classes` is the list of
    names. Pictures that a camera marked as turned are turned upright; transparency is dropped.

    Raises OSError where the folder or a file cannot be read; ValueError where there is no class,
    a class without a picture, a damaged file, or sizes that differ; ImportError without Pillow.
    """
    files, classes = _list_files(Path(folder))
    size = _as_size(size)
    shapes, grey = [], True
    for path, _ in files:
        with _opened(path) as picture:
            shapes.append(_upright_shape(picture))
            grey = grey and picture.mode in _GREY
    if size is None:
        for (path, _), shape in zip(files, shapes, strict=True):
            if shape != shapes[0]:
                raise ValueError(
                    f"{path}: {shape[0]} x {shape[1]} (height x width), but {files[0][0]} is "
                    f"{shapes[0][0]} x {shapes[0][1]}: pass size= to scale them all"
                )
    height, width = size or shapes[0]

    pixels = np.empty((len(files), height, width) + (() if grey else (3,)), dtype=np.uint8)
    for i, (path, _) in enumerate(files):
        pixels[i] = _decode(path, "L" if grey else "RGB", (width, height))
    labels = np.array([label for _, label in files], dtype=np.int64)
    return ImageSet(pixels, labels, classes)


def _list_files(folder):
    """([(path, label)], [class name]); every class has a file."""
    subfolders = sorted(p for p in folder.iterdir() if p.is_dir() and p.name[0] != ".")
    if not subfolders:
        raise ValueError(f"folder must have a subfolder for each class, {folder} has none")
    files = []
    for label, subfolder in enumerate(subfolders):
        found = sorted(
            p for p in subfolder.iterdir() if p.suffix.lower() in _SUFFIXES and p.name[0] != "."
        )
        if not found:
            raise ValueError(f"{subfolder}: no picture ({', '.join(_SUFFIXES)})")
        files += [(path, label) for path in found]
    return files, [subfolder.name for subfolder in subfolders]


def _as_size(size):
    if size is None:
        return None
    if not isinstance(size, (tuple, list)) or len(size) != 2:
        raise TypeError(f"size must be (height, width), got {size!r}")
    height, width = (integer("size", side, low=1) for side in size)
    if height * width > _MAX_PIXELS:
        raise ValueError(f"size must be {_MAX_PIXELS} pixels at most, got {size!r}")
    return height, width


@contextmanager
def _opened(path):
    """The Pillow image at `path`: its header has been read, its pixels have not.

    Whatever Pillow raises on bytes that it does not understand becomes a ValueError.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "data.images needs Pillow: pip install pillow (it also comes with 'minidrop[plot]')"
        ) from error
    with open(path, "rb") as file:
        try:
            with Image.open(file) as picture:
                width, height = picture.size
                if width * height > _MAX_PIXELS:
                    raise ValueError(f"{width} x {height} pixels, more than {_MAX_PIXELS}")
                yield picture
        except Exception as error:
            raise ValueError(f"{path}: not a whole picture: {error}") from error


def _upright_shape(picture):
    """(height, width) as the picture is to be seen."""
    width, height = picture.size
    orientation = picture.getexif().get(0x0112, 1)
    return (width, height) if orientation in (5, 6, 7, 8) else (height, width)


def _decode(path, mode, size):
    """The pixels: uint8 (h, w) for mode "L", (h, w, 3) for "RGB"; `size` is (width, height)."""
    from PIL import Image, ImageOps

    with _opened(path) as picture:
        upright = ImageOps.exif_transpose(picture)
        if mode == "L" and upright.mode.startswith("I"):  # 16 bits a pixel
            upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
        return np.asarray(upright.convert(mode).resize(size, Image.Resampling.BILINEAR))
