import gzip
import hashlib
import os
import struct
import tracemalloc

import numpy as np
import pytest

from minidrop.data import DataFormatError, read_idx

DTYPES = [np.uint8, np.int8, np.int16, np.int32, np.float32, np.float64]


@pytest.fixture(params=["plain", "gzip"])
def write(request, tmp_path):
    """A function that puts content into a file, plain or gzipped, and returns the path."""

    def write(content):
        path = tmp_path / "array.idx"
        path.write_bytes(gzip.compress(content) if request.param == "gzip" else content)
        return path

    return write


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("shape", [(1,), (5,), (3, 4), (2, 3, 4), (0,), (0, 28, 28), (3, 0)])
def test_reads_what_was_written(write, dtype, shape, idx_bytes):
    array = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    got = read_idx(write(idx_bytes(array)))
    assert got.dtype == np.dtype(dtype) and got.dtype.isnative and got.flags.writeable
    assert got.shape == shape
    np.testing.assert_array_equal(got, array)


def test_negative_and_fractional_values(write, idx_bytes):
    for array in (np.array([-2, 300], np.int16), np.array([[-1.5, np.nan, np.inf]], np.float32)):
        np.testing.assert_array_equal(read_idx(write(idx_bytes(array))), array)


def test_truncated_at_every_length(write, idx_bytes):
    content = idx_bytes(np.arange(12, dtype=np.uint8).reshape(3, 4))
    for length in range(len(content)):
        with pytest.raises(DataFormatError, match="array.idx"):
            read_idx(write(content[:length]))


def test_trailing_byte(write, idx_bytes):
    with pytest.raises(DataFormatError, match="the file has more"):
        read_idx(write(idx_bytes(np.zeros(3, np.uint8)) + b"\0"))


@pytest.mark.parametrize("magic", ["00 01 08 01", "01 00 08 01", "00 00 0a 01", "00 00 08 00"])
def test_bad_magic(write, magic):
    with pytest.raises(DataFormatError, match=f"begins with the bytes {magic}"):
        read_idx(write(bytes.fromhex(magic) + struct.pack(">I", 3) + b"abc"))


def test_gzip_truncated_at_every_length(tmp_path, idx_bytes):
    packed = gzip.compress(idx_bytes(np.arange(64, dtype=np.uint8)))
    path = tmp_path / "array.gz"
    for length in range(len(packed)):
        path.write_bytes(packed[:length])
        with pytest.raises(DataFormatError):
            read_idx(path)


def test_gzip_every_flipped_byte(tmp_path, idx_bytes):
    """gzip's checksum finds what the format does not; a few bits (names, padding) are free."""
    array = np.arange(64, dtype=np.uint8)
    packed = gzip.compress(idx_bytes(array))
    path = tmp_path / "array.gz"
    for position in range(len(packed)):
        for flip in (0x01, 0x80, 0xFF):
            damaged = bytearray(packed)
            damaged[position] ^= flip
            path.write_bytes(damaged)
            try:
                got = read_idx(path)
            except DataFormatError:
                continue
            np.testing.assert_array_equal(got, array)


@pytest.mark.parametrize("sizes", [(2**31, 2**31), (2**32 - 1,) * 3, (2**32 - 1,) * 255])
def test_huge_claim_allocates_nothing(write, sizes):
    path = write(struct.pack(f">BBBB{len(sizes)}I", 0, 0, 8, len(sizes), *sizes) + b"abc")
    tracemalloc.start()
    with pytest.raises(DataFormatError, match="claims shape"):
        read_idx(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_more_dimensions_than_numpy_has(write):
    for sizes in ((1,) * 65, (0, 2**32 - 1, 2**32 - 1)):
        content = struct.pack(f">BBBB{len(sizes)}I", 0, 0, 8, len(sizes), *sizes)
        with pytest.raises(DataFormatError, match="NumPy cannot hold"):
            read_idx(write(content + b"a" * int(np.prod(sizes))))


def test_gzip_bomb_is_not_unpacked(tmp_path):
    """Three elements claimed, 256 MB delivered: reading stops after the first byte too many."""
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb") as file:
        file.write(struct.pack(">BBBBI", 0, 0, 8, 1, 3))
        for _ in range(256):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    with pytest.raises(DataFormatError, match="the file has more"):
        read_idx(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_gzip_in_two_members(tmp_path, idx_bytes):
    array = np.arange(50, dtype=np.uint8)
    content = idx_bytes(array)
    path = tmp_path / "array.gz"
    path.write_bytes(gzip.compress(content[:20]) + gzip.compress(content[20:]))
    np.testing.assert_array_equal(read_idx(path), array)


def test_digest_of_the_decompressed_content(write, idx_bytes):
    content = idx_bytes(np.arange(5, dtype=np.uint8))
    read_idx(write(content), sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(DataFormatError, match="its sha256 is .*, expected 00"):
        read_idx(write(content), sha256="00")


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "none")


def test_folder(tmp_path):
    with pytest.raises(OSError):
        read_idx(tmp_path)


def test_empty_file(tmp_path):
    (tmp_path / "empty").touch()
    with pytest.raises(DataFormatError, match="ends inside the magic number"):
        read_idx(tmp_path / "empty")


def test_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataFormatError, match="not a regular file"):
        read_idx(tmp_path / "pipe")


def test_random_mutants(tmp_path, idx_bytes):
    """Whatever the bytes: an array or a DataFormatError."""
    rng = np.random.default_rng(3)
    content = np.frombuffer(idx_bytes(np.arange(24, dtype=np.int16).reshape(2, 12)), np.uint8)
    path = tmp_path / "mutant"
    for _ in range(300):
        mutant = content.copy()
        where = rng.integers(0, 16, 2)
        mutant[where] = rng.integers(0, 256, 2)
        path.write_bytes(mutant.tobytes())
        try:
            assert read_idx(path).nbytes <= 48
        except DataFormatError:
            pass
