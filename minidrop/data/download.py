"""Downloads of data files: from the first mirror that has the true content, or not at all.

pooch does the transfer: into a temporary file beside the target, moved to its name when whole and
checked. What is added here is a bound on waiting. A name server or a silent firewall can hold a
connection for minutes, beyond the reach of any socket time-out, so the transfer runs in a thread
of its own that is left behind once nothing has come for too long.
"""

import threading
import time
from pathlib import Path

from .idx import read_idx

# Waiting ends when fewer than _MIN_BYTES have come within _PATIENCE seconds. A mirror that does
# not answer has to leave time for the next one, hence the shorter _TIMEOUT of a connection.
_PATIENCE = 12.0
_TIMEOUT = 3.0
_MIN_BYTES = 16_384

# The largest published file has 26 MB; no server may fill the disk.
_MAX_BYTES = 64 << 20


class DownloadError(OSError):
    """No mirror gave the file; `failures` has a line for each of them that says why."""

    def __init__(self, *failures):
        super().__init__("; ".join(failures))
        self.failures = failures


def download(filename, mirrors, folder, sha256):
    """Fetch the gzipped IDX file `filename` into `folder`; the path it then has.

    Each of `mirrors` is an address to which the name is appended; they are asked in turn. The
    content must be an IDX file with the given SHA-256 of its decompressed bytes.

    Raises DownloadError where no mirror delivers, after about 12 seconds without data at most.
    """
    try:
        import pooch  # noqa: F401
    except ImportError as error:
        reason = "pooch is not installed (pip install 'minidrop[data]')"
        raise DownloadError(f"of {filename}: {reason}") from error
    transfer = _Transfer(filename, mirrors, Path(folder), sha256)
    thread = threading.Thread(target=transfer.run, name=f"download {filename}", daemon=True)
    thread.start()
    try:
        _wait_for(transfer)
    finally:
        transfer.cancelled = True
    if transfer.path is None:
        raise DownloadError(*transfer.failures)
    return transfer.path


def _wait_for(transfer):
    """Return when the transfer has ended, or has been too slow for _PATIENCE seconds."""
    mark, since = 0, time.monotonic()
    while not transfer.done.wait(0.1):
        if transfer.received >= mark + _MIN_BYTES:
            mark, since = transfer.received, time.monotonic()
        elif time.monotonic() - since > _PATIENCE:
            transfer.give_up(f"{transfer.url}: given up after {_PATIENCE:.0f} s without data")
            return


class _Transfer:
    """One file's way through the mirrors; `run` is the body of the thread."""

    def __init__(self, filename, mirrors, folder, sha256):
        self.filename, self.mirrors, self.folder, self.sha256 = filename, mirrors, folder, sha256
        self.done = threading.Event()
        self.cancelled = False
        self.received = 0  # bytes, of all attempts
        self.url = None
        self.path = None
        self.failures = []

    def run(self):
        try:
            for mirror in self.mirrors:
                self.url = mirror + self.filename
                try:
                    path = self._retrieve()
                except Exception as error:
                    if self.cancelled:
                        return
                    self.failures.append(f"{self.url}: {_reason(error)}")
                else:
                    self.path = path
                    return
        finally:
            self.done.set()

    def give_up(self, reason):
        self.cancelled = True
        self.failures.append(reason)

    def _retrieve(self):
        import pooch

        logger = pooch.get_logger()
        level = logger.level
        logger.setLevel("WARNING")  # its advice to pin a hash: the content's is checked below
        try:
            path = pooch.retrieve(
                self.url,
                known_hash=None,
                fname=self.filename,
                path=self.folder,
                downloader=self._download_to,
            )
        finally:
            logger.setLevel(level)
        return Path(path)

    def _download_to(self, url, temporary, _pooch):
        """pooch's hook: fill the file at `temporary`, which becomes the target if this returns."""
        import pooch
        from tqdm import tqdm

        # pooch sets the true total; a bar without any would not have a truth value to ask for
        bar = tqdm(desc=self.filename, total=1, unit="B", unit_scale=True, leave=False, delay=0.5)
        http = pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 15, timeout=_TIMEOUT)
        try:
            with open(temporary, "wb") as file:
                http(url, _Watched(file, self), None)
        finally:
            bar.close()
        read_idx(temporary, sha256=self.sha256)
        if self.cancelled:
            raise DownloadError("cancelled")


class _Watched:
    """A file to write to that counts for its transfer, and stops a cancelled or endless one."""

    def __init__(self, file, transfer):
        self.file, self.transfer = file, transfer

    def write(self, chunk):
        if self.transfer.cancelled:
            raise DownloadError("cancelled")
        self.transfer.received += len(chunk)
        if self.file.tell() + len(chunk) > _MAX_BYTES:
            raise DownloadError(f"longer than {_MAX_BYTES} bytes")
        return self.file.write(chunk)

    def flush(self):
        self.file.flush()


def _reason(error):
    """Why it failed, in one line: requests wraps the cause in layers that repeat the address."""
    while isinstance(cause := getattr(error, "reason", None) or _first(error.args), Exception):
        error = cause
    return " ".join(str(error).split())[:300] or type(error).__name__


def _first(args):
    return args[0] if args else None
