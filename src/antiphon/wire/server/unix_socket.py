"""A Unix socket to listen on: a file that appears with its rights, replaces a dead one, and goes with its owner."""

# The file outlives a server that was killed, and only asking tells a dead one from a live one:
#
#   what stands there          connecting    then
#   nothing                    –             bind
#   a socket                   refused       its server is gone: remove it, bind
#   a socket                   anything else somebody serves there: SetupError
#   anything that is no socket –             SetupError; it is not ours to remove
#
# Two that find the same dead socket would remove each other's new one, and one that is bound but does not listen yet
# looks dead. So whoever looks and binds holds a lock on the folder meanwhile; a lock on a folder leaves no file behind.

from __future__ import annotations

import fcntl
import os
import socket
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from antiphon.core.errors import SetupError
from antiphon.wire.server.sockets import BACKLOG

LONGEST_PATH_BYTES = 107
"""What Linux has room for; macOS has four bytes less, and says so itself."""


class UnixSocket:
    """A listening Unix socket and its file. `mode` are the file's rights, such as 0o660.

    Raises SetupError when the path is too long, somebody serves there, or the folder cannot be written.
    """

    def __init__(self, path: Path, mode: int, *, setting: str = "http.unix") -> None:
        self.path = path
        length = len(os.fsencode(path))
        if length > LONGEST_PATH_BYTES:
            raise SetupError(
                f"{setting}: the path {path} has {length} bytes, and a Unix socket may have "
                f"{LONGEST_PATH_BYTES}. Choose a shorter one."
            )
        try:
            with _alone_in(path.parent):
                self._clear(setting)
                self.socket = _listen(path, mode)
        except OSError as error:
            raise SetupError(
                f"{setting}: cannot listen on {path}: {error.strerror or error}. "
                f"Choose a path in a folder that is there and that this user may write to."
            ) from error
        self._identity = _identity(path)

    def close(self) -> None:
        """Stop listening, and remove the file unless another server has taken its place."""
        self.socket.close()
        self.remove()

    def remove(self) -> None:
        """Remove the file, unless another server has put its own in its place."""
        with suppress(OSError), _alone_in(self.path.parent):
            if _identity(self.path) == self._identity:
                self.path.unlink()

    def _clear(self, setting: str) -> None:
        try:
            found = self.path.lstat()
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(found.st_mode):
            raise SetupError(f"{setting}: {self.path} is there and is no socket. Remove it, or choose another path.")
        if _serves(self.path):
            raise SetupError(
                f"{setting}: another server listens on {self.path}. Stop what listens there, or choose another path."
            )
        self.path.unlink()


def _listen(path: Path, mode: int) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # The file has its rights from its first moment on: changed afterwards, there would be one with others.
    before = os.umask(0o777 & ~mode)
    try:
        listening.bind(str(path))
        listening.listen(BACKLOG)
    except BaseException:
        listening.close()
        raise
    finally:
        os.umask(before)
    listening.setblocking(False)
    return listening


def _serves(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError:
            # A full queue, or rights that we lack: both take a server.
            return True
    return True


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino


@contextmanager
def _alone_in(folder: Path) -> Generator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
