"""A Valkey server for tests, on a socket in a temporary folder."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from signal import SIGKILL
from urllib.parse import quote

from antiphon.stores.child import Child, start_child
from antiphon.stores.valkey import CONFIGURATION, find_valkey
from antiphon.testing.engines.process import ServerProcess


class ValkeyServer(ServerProcess):
    """`async with ValkeyServer() as server:` gives `server.url`.

    With `persistent=True` it keeps an append-only file, so that data is there again after `restart()` and, but for the
    last second, after `kill()`. `arguments` are added to its command line: `("--maxmemory", "1mb")`.
    """

    name = "Valkey"

    def __init__(self, *, persistent: bool = True, arguments: Sequence[str] = ()) -> None:
        super().__init__()
        self._arguments = ["--appendonly", "yes" if persistent else "no", *arguments]
        self._socket = self.folder / "valkey.sock"

    @property
    def url(self) -> str:
        """Its address, also for REDIS_URL."""
        return f"unix://{quote(str(self._socket))}"

    async def _launch(self) -> Child:
        command = [str(find_valkey()), *CONFIGURATION, "--unixsocket", self._socket.name, *self._arguments]
        with (self.folder / "server.log").open("ab") as output:
            return start_child(command, folder=self.folder, output=output, at_our_end=SIGKILL)

    async def _ready(self) -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket)
        except OSError:
            return False
        try:
            writer.write(b"PING\r\n")
            # A server that wants a password or misses its primary answers too, if only with an error.
            return (await reader.readline())[:8] not in (b"", b"-LOADING")
        except OSError:
            return False
        finally:
            writer.close()
