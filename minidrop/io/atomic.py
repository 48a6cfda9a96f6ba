"""Writing a file so that its name always stands for a whole one: the old one or the new one."""

import contextlib
import os
import secrets


def write_atomically(path, data):
    """Make `data` (bytes) the content of the file `path`, or leave everything as it was.

    The bytes go to a new file beside it, are on the disk before that file takes the name, and the
    change of name is on the disk before this returns: true for exceptions, Ctrl-C, a full disk, a
    killed process and, as far as disk and file system keep their word, loss of power. A killed
    process can leave its unfinished file behind, named like `.model.safetensors.1a2b3c4d.tmp`.

    A symbolic link stays one: what it points to is replaced. An existing file's permissions are
    kept. Raises OSError where the file cannot be written.
    """
    path = os.path.realpath(path)
    mode = os.stat(path).st_mode & 0o777 if os.path.exists(path) else None
    if mode is not None and not os.path.isfile(path):
        raise OSError(f"{path}: not a regular file, so it cannot be replaced by one")
    folder, name = os.path.split(path)
    # the name is cut so that the temporary one stays within a file system's 255 bytes
    temporary = os.path.join(folder, f".{name[:40]}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _sync_folder(folder):
    """Have the file's new name on the disk too.

    The new content is already in place, so a file system that cannot do this (Windows, some
    network ones) is no reason to report a failed write.
    """
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
