"""Data: the IDX format, the named sets and where they are found, folders of pictures, batches."""

from .batches import Batches, batches, prepare_images
from .idx import DataFormatError, read_idx
from .images import ImageSet, images
from .places import DataNotFoundError
from .sets import fashion_mnist, mnist, mnist5k

__all__ = [
    "Batches",
    "DataFormatError",
    "DataNotFoundError",
    "ImageSet",
    "batches",
    "fashion_mnist",
    "images",
    "mnist",
    "mnist5k",
    "prepare_images",
    "read_idx",
]
