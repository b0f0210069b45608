"""The embedded Valkey: one server for each data folder, started by whoever comes first and shared by the rest."""

# Theory. Several processes may want the store of one folder (a server, and commands on the side). A `flock` on
# `valkey.lock` elects one owner. The owner starts Valkey and hands it the lock's descriptor, so the lock is free only
# when the owner has let go *and* Valkey is gone: two servers can never open one append-only file. `owner.lock` is held
# by the owner alone: when it is free, the Valkey that may still answer is about to end. The others attach to the
# socket. Everyone holds one idle connection to the server; when that ends, everyone goes through the same step again.
# So a Valkey that was killed comes back (its owner still holds the lock), and when the owner has left, one of the
# attached takes over the lock and the data.
#
#   valkey.lock   owner.lock   Valkey        join() does
#   got it        got it       not running   starts it
#   got it        got it       running       waits until it answers
#   taken         taken        answers       attaches
#   taken         taken        silent        waits: it is starting or loading
#   taken         free         any           waits: it is on its way out, or its owner is about to start it
#
# While nobody serves, callers get Unavailable; that lasts about 60 ms. Valkey ends with its owner however that ends
# (see leash.py); it gets SIGTERM and writes what it has. Its file is synced every second.

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import TracebackType
from urllib.parse import quote

from antiphon.core.errors import SetupError
from antiphon.core.log import Logger
from antiphon.stores.child import Child, start_child
from antiphon.stores.valkey import CONFIGURATION, find_valkey

_SOCKET = "valkey.sock"
_LONGEST_PATH = 100  # of a socket, in bytes: 107 on Linux, 103 on macOS
_LOG_BYTES = 1024 * 1024
_LOOK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class _Line:
    """The idle connection whose end says that the server is gone."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def close(self) -> None:
        self.writer.close()


class EmbeddedValkey:
    """The Valkey of a folder: `async with EmbeddedValkey(folder, log) as url`.

    Raises SetupError when it cannot run: no binary for this platform, a folder of somebody else, a broken data file.
    `patience` is how long a Valkey may stay silent while it starts or leaves, in seconds; loading data is not silence.
    """

    def __init__(self, folder: Path, log: Logger, *, patience: float = 30.0) -> None:
        self.folder = folder.absolute()
        self._log = log
        self._patience = patience
        self._lock: int | None = None
        self._owner_lock: int | None = None
        self._line: _Line | None = None
        self._child: Child | None = None
        self._shortcut: Path | None = None
        self._socket = ""
        self._heard_at = 0.0
        self._keeper: asyncio.Task[None] | None = None

    @property
    def owner(self) -> bool:
        """Whether this process runs the server, rather than being attached to it."""
        return self._lock is not None

    @property
    def pid(self) -> int | None:
        """The server's process id, if it is ours."""
        return self._child.pid if self._child is not None else None

    async def __aenter__(self) -> str:
        try:
            self._prepare_folder()
            self._socket = self._reachable_socket()
            self._line = await self._join()
        except BaseException:
            await self._leave()
            raise
        self._keeper = asyncio.create_task(self._keep(self._line), name="embedded Valkey")
        return f"unix://{quote(self._socket)}"

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            with suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        await self._leave()

    # -- joining

    async def _join(self) -> _Line:
        """Start the server or attach to it; returns when it answers."""
        self._heard_at = monotonic()
        wait = 0.002
        while True:
            if self._may_call() and (line := await self._call()):
                self._log.info("store.valkey.open", owner=self.owner, pid=self.pid, folder=str(self.folder))
                return line
            if self._child is not None and not self._child.alive:
                code, self._child = self._child.exit_code, None
                raise SetupError(f"Valkey ended with {code} while starting. It said: {self._last_words()}")
            if monotonic() > self._heard_at + self._patience:
                raise SetupError(self._silence())
            await asyncio.sleep(wait)
            wait = min(wait * 1.3, 0.05)

    def _may_call(self) -> bool:
        """Take the lock and start the server if nobody has it; whether there is a server that is going to stay."""
        owner_file = self.folder / "owner.lock"
        if self._lock is None:
            self._lock = _try_lock(self.folder / "valkey.lock")
        if self._lock is None:
            probe = _try_lock(owner_file, shared=True)
            if probe is not None:
                os.close(probe)
            return probe is None
        if self._owner_lock is None:
            self._owner_lock = _try_lock(owner_file)  # somebody's look may be in the way; the next round gets it
        if self._child is None:
            self._child = self._start(self._lock)
        return self._owner_lock is not None

    def _start(self, lock: int) -> Child:
        binary = find_valkey()
        # Names are relative to the folder, so neither its length nor its spelling matters.
        command = [str(binary), *CONFIGURATION, "--unixsocket", _SOCKET, "--appendonly", "yes"]
        self._bound_log()
        with (self.folder / "valkey.log").open("ab") as output:
            return start_child(command, folder=self.folder, output=output, keep=[lock])

    async def _call(self) -> _Line | None:
        """A connection to a server that answers PING, or None."""
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket)
        except OSError:
            return None
        try:
            writer.write(b"PING\r\n")
            async with asyncio.timeout(1.0):
                answer = await reader.readline()
            if answer == b"+PONG\r\n":
                return _Line(reader, writer)
            if answer.startswith(b"-LOADING"):
                self._heard_at = monotonic()  # it reads its data, which takes as long as it takes
        except OSError:
            pass
        except BaseException:
            writer.close()
            raise
        writer.close()
        return None

    # -- keeping

    async def _keep(self, line: _Line) -> None:
        """Join again whenever the server is gone; a server that dies at once is started less and less often."""
        pause = 0.0
        while True:
            began = monotonic()
            await self._until_gone(line)
            line.close()
            pause = 0.0 if monotonic() - began > 10 * pause + 1 else min(2 * pause + 0.05, 2.0)
            await asyncio.sleep(pause)
            self._line = line = await self._rejoin()

    async def _until_gone(self, line: _Line) -> None:
        while True:
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await line.reader.read(1)
            except TimeoutError:
                self._bound_log()
                continue
            except OSError:
                pass
            break
        if self._child is not None and await self._child.ended(within=1.0):
            self._log.warning("store.valkey.gone", exit_code=self._child.exit_code, log=str(self.folder / "valkey.log"))
            self._child = None

    async def _rejoin(self) -> _Line:
        pause = 0.05
        while True:
            try:
                return await self._join()
            except (SetupError, OSError) as error:
                self._log.error("store.valkey.failed", error=error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, 2.0)

    async def _leave(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
        self._owner_lock = _unlock(self._owner_lock)
        if self._child is not None:
            await self._shut_down()
            await self._child.stop()
            self._child = None
        self._lock = _unlock(self._lock)
        if self._shortcut is not None:
            shutil.rmtree(self._shortcut, ignore_errors=True)
            self._shortcut = None

    async def _shut_down(self) -> None:
        """Ask the server to end. It looks at a signal only ten times a second, and a command line waits for us."""
        if line := await self._call():
            line.writer.write(b"SHUTDOWN\r\n")
            with suppress(OSError):
                await line.writer.drain()
            line.close()

    # -- the folder

    def _prepare_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.folder.chmod(0o700)
        except OSError as error:
            raise SetupError(
                f"The data folder {self.folder} cannot be used: {error.strerror}. "
                f"Run as the user that owns it, choose another folder, or set REDIS_URL."
            ) from None

    def _reachable_socket(self) -> str:
        """The path of the socket; through a short link of our own if it would be too long for the system."""
        direct = str(self.folder / _SOCKET)
        if len(os.fsencode(direct)) <= _LONGEST_PATH:
            return direct
        self._shortcut = Path(tempfile.mkdtemp(prefix="antiphon-"))
        (self._shortcut / "d").symlink_to(self.folder)
        return str(self._shortcut / "d" / _SOCKET)

    def _bound_log(self) -> None:
        """Keep the newest part of the log. Valkey appends, so the file may be cut under it."""
        log = self.folder / "valkey.log"
        with suppress(FileNotFoundError):
            if self.owner and log.stat().st_size > _LOG_BYTES:
                shutil.copyfile(log, log.with_suffix(".log.1"))
                os.truncate(log, 0)

    def _last_words(self) -> str:
        try:
            lines = (self.folder / "valkey.log").read_text("utf-8", errors="replace").splitlines()[-5:]
        except OSError:
            lines = []
        return " | ".join(line.strip() for line in lines if line.strip()) or "nothing"

    def _silence(self) -> str:
        if self._lock is not None:
            return f"Valkey does not answer after {self._patience:g} s. See {self.folder / 'valkey.log'}."
        return (
            f"Another process holds {self.folder / 'valkey.lock'}, and its Valkey does not answer after "
            f"{self._patience:g} s. Stop that process, or use another data folder."
        )


def _try_lock(path: Path, *, shared: bool = False) -> int | None:
    """The lock's descriptor, or None when somebody else has it. Those who only look take it `shared`."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SetupError(f"{path} cannot be opened: {error.strerror}. Run as the user that owns the folder.") from None
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _unlock(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)
