import os
import signal
import subprocess
import sys

import pytest

from minidrop.io import write_atomically


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def contents(folder):
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


@pytest.mark.parametrize("data", [b"", b"new", bytes(1 << 20)], ids=["empty", "short", "long"])
@pytest.mark.parametrize("before", [None, b"old"])
def test_writes(path, before, data):
    if before is not None:
        path.write_bytes(before)
    write_atomically(path, data)
    assert contents(path.parent) == {"file": data}


def test_relative_path(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    write_atomically("file", b"new")
    assert contents(path.parent) == {"file": b"new"}


def test_longest_name(tmp_path):
    write_atomically(tmp_path / ("x" * 255), b"new")
    assert contents(tmp_path) == {"x" * 255: b"new"}


def test_permissions(path):
    mask = os.umask(0o027)
    try:
        write_atomically(path, b"first")
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o640
    path.chmod(0o600)
    write_atomically(path, b"second")
    assert path.stat().st_mode & 0o777 == 0o600


def test_symbolic_link_stays_one(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "a" / "target")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert contents(tmp_path / "a") == {"target": b"new"}


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("before", [{}, {"file": b"old"}])
def test_failure_leaves_the_old_file_and_no_other(path, monkeypatch, call, error, before):
    def fail(*args):
        raise error

    for name, data in before.items():
        (path.parent / name).write_bytes(data)
    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        with pytest.raises(type(error)):
            write_atomically(path, b"new")
    assert contents(path.parent) == before


def test_the_bytes_are_on_the_disk_before_the_name(path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, n=name, r=real: (calls.append(n), r(*a))[1])
    write_atomically(path, b"new")
    assert calls == ["fsync", "replace", "fsync"]


def test_no_such_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "none" / "file", b"new")


def test_folder(tmp_path):
    with pytest.raises(OSError, match="not a regular file"):
        write_atomically(tmp_path, b"new")


def test_device_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        write_atomically(tmp_path / "pipe", b"new")
    assert os.listdir(tmp_path) == ["pipe"]


def test_killed_at_any_moment(path):
    """A process that writes one of two contents over and over leaves one of them when killed."""
    program = (
        "import sys; from minidrop.io import write_atomically\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    for byte in (b'a', b'b'): write_atomically(sys.argv[1], byte * 300_000)\n"
    )
    path.write_bytes(b"a" * 300_000)
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True
        )
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert path.read_bytes() in (b"a" * 300_000, b"b" * 300_000)
