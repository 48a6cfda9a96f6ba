"""The IDX format, in which MNIST and its relatives are published.

An IDX file is one array:

    bytes 0-1   0 0
    byte  2     the element type (a key of _TYPES)
    byte  3     the number of dimensions, d
    then        d sizes, each a 32-bit big-endian unsigned integer
    then        the elements, big-endian, in C order, and nothing after them

A file is taken for damaged until all of it has been seen: nothing is allocated for what a header
merely claims.
"""

import gzip
import hashlib
import math
import os
import stat
import struct
import zlib

import numpy as np

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 20

# DEFLATE cannot do better than 1032:1, so a gzip file that claims to hold more is lying.
_MAX_GZIP_RATIO = 1032


class DataFormatError(ValueError):
    """A data file is damaged, is not of the format it should be, or is not the expected data."""


def read_idx(path, *, sha256=None):
    """The array in the IDX file at `path`, plain or gzipped (told apart by content, not by name).

    The result is writable, in C order and in the machine's byte order; its dtype is the file's:
    uint8, int8, int16, int32, float32 or float64. `sha256`, where given, is the hex digest that
    the whole decompressed content must have.

    Memory: never more than twice what has really been read, and for a plain file never more than
    twice its size; a gzip file that claims to hold over 1032 times its size is refused unread.

    Raises OSError where the file cannot be read, DataFormatError (a ValueError) where it is not
    exactly one whole IDX file or has another digest.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        packed = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        if not packed:
            return _read(file, path, size, sha256)
        try:
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _read(unpacked, path, size * _MAX_GZIP_RATIO, sha256)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataFormatError(f"{path}: damaged gzip file: {error}") from error


def open_regular(path):
    """`path` opened for reading bytes; a pipe or device, which may never end, is refused."""
    if not stat.S_ISREG(os.stat(path).st_mode) and not os.path.isdir(path):
        raise DataFormatError(f"{path}: not a regular file")
    return open(path, "rb")


def check_digest(path, digest, expected):
    """Raise DataFormatError unless the hashlib object `digest` has the hex value `expected`."""
    if digest.hexdigest() != expected:
        raise DataFormatError(
            f"{path}: the content is not the expected one: its sha256 is {digest.hexdigest()}, "
            f"expected {expected}; delete the file, or replace it by the published one"
        )


def _read(stream, path, limit, sha256):
    """The array in `stream`, whose content cannot be longer than `limit` bytes."""
    magic = _read_exactly(stream, 4, path, "the magic number")
    if magic[:2] != b"\0\0" or magic[2] not in _TYPES or magic[3] == 0:
        raise DataFormatError(
            f"{path}: not an IDX file: it begins with the bytes {magic.hex(' ')}, expected 00 00, "
            f"an element type ({', '.join(f'{code:02x}' for code in _TYPES)}) and a number of "
            "dimensions from 1"
        )
    dtype, ndim = np.dtype(_TYPES[magic[2]]), magic[3]
    sizes = _read_exactly(stream, 4 * ndim, path, f"the sizes of {ndim} dimensions")
    shape = struct.unpack(f">{ndim}I", sizes)
    nbytes = math.prod(shape) * dtype.itemsize
    header = magic + sizes
    if len(header) + nbytes > limit:
        raise DataFormatError(
            f"{path}: truncated or false: its header claims shape {shape} of {dtype.name}, "
            f"{nbytes} bytes; the file can hold at most {limit - len(header)}"
        )

    payload = read_at_most(stream, nbytes + 1)
    if len(payload) != nbytes:
        came = f"only {len(payload)}" if len(payload) < nbytes else "more"
        raise DataFormatError(
            f"{path}: shape {shape} of {dtype.name} takes {nbytes} bytes, the file has {came}"
        )
    if sha256 is not None:
        digest = hashlib.sha256(header)
        digest.update(payload)
        check_digest(path, digest, sha256)
    try:
        array = np.frombuffer(payload, dtype).reshape(shape)
    except ValueError as error:  # NumPy's own limits: 64 dimensions, sizes beside a 0
        raise DataFormatError(f"{path}: NumPy cannot hold shape {shape}: {error}") from error
    return array.astype(dtype.newbyteorder("="), copy=False)


def read_at_most(stream, nbytes):
    """A bytearray of the next `nbytes` bytes of `stream`, fewer where it ends before.

    It grows with what comes, so that a stream that ends early never costs what was asked for.
    """
    data = bytearray()
    while len(data) < nbytes:
        chunk = stream.read(min(_CHUNK, nbytes - len(data)))
        if not chunk:
            break
        data += chunk
    return data


def _read_exactly(stream, nbytes, path, what):
    data = read_at_most(stream, nbytes)
    if len(data) < nbytes:
        raise DataFormatError(f"{path}: ends inside {what}: {len(data)} of {nbytes} bytes")
    return bytes(data)
