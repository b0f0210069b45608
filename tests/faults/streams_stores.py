"""The stores on which jobs and events suffer: the embedded one, a server of its own, and a Cluster."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals
from typing import Any

from antiphon.core.log import Silent
from antiphon.stores.base import Store
from antiphon.stores.embedded import EmbeddedValkey
from antiphon.testing.engines import ValkeyCluster, ValkeyServer
from antiphon.testing.waiting import wait_until

PREFIX = "suffering"


class Ground(ABC):
    """A store that can be killed, paused and emptied. `environ` is what processes need to find it."""

    environ: Mapping[str, str] = {}
    clustered = False

    def __init__(self, url: str) -> None:
        self.url = url

    def open(self) -> Store:
        """A client of it; who asks for it closes it."""
        return Store(self.url, prefix=PREFIX, log=Silent(), clustered=self.clustered)

    async def ask(self, *words: str | int) -> Any:
        """One command on one connection."""
        store = self.open()
        try:
            return await store.client.execute_command(*words)
        finally:
            await store.close()

    async def answers(self) -> None:
        """Wait until it answers."""

        async def there() -> bool:
            try:
                return bool(await self.ask("PING"))
            except Exception:  # noqa: BLE001  # whatever it is, it does not answer
                return False

        await wait_until(there, "the store never came back", within=30.0)

    async def synced(self) -> None:
        """Wait until everything that was written is on the disk."""
        await self.ask("WAITAOF", 1, 0, 5000)

    @abstractmethod
    async def restart(self, signal: Signals, during: Callable[[], Any] | None = None) -> None:
        """End it with a signal and have it again on the same data; `during` is awaited in between."""

    @abstractmethod
    def pause(self) -> None:
        """Let nothing answer."""

    @abstractmethod
    def resume(self) -> None:
        """Let it go on."""


class EmbeddedGround(Ground):
    """The Valkey of the data folder, with this process for its owner, as the first process of an application is."""

    def __init__(self, url: str, valkey: EmbeddedValkey) -> None:
        super().__init__(url)
        self._valkey = valkey
        self._paused = 0

    async def restart(self, signal: Signals, during: Callable[[], Any] | None = None) -> None:
        pid = self._valkey.pid
        assert pid is not None
        if during is not None:
            # The owner starts it again at once: what is to happen meanwhile happens while it is paused.
            os.kill(pid, SIGSTOP)
            await during()
        os.kill(pid, signal)
        os.kill(pid, SIGCONT)
        await wait_until(lambda: self._valkey.pid not in (pid, None), "the owner never started it anew", within=30.0)
        await self.answers()

    def pause(self) -> None:
        assert self._valkey.pid is not None
        self._paused = self._valkey.pid
        os.kill(self._paused, SIGSTOP)

    def resume(self) -> None:
        os.kill(self._paused, SIGCONT)


class ServerGround(Ground):
    """A server that somebody else runs, found by its address."""

    def __init__(self, server: ValkeyServer) -> None:
        super().__init__(server.url)
        self.environ = {"REDIS_URL": server.url}
        self._server = server

    async def restart(self, signal: Signals, during: Callable[[], Any] | None = None) -> None:
        await (self._server.kill() if signal is SIGKILL else self._server.stop(SIGTERM))
        if during is not None:
            await during()
        await self._server.start()

    def pause(self) -> None:
        self._server.pause()

    def resume(self) -> None:
        self._server.resume()


class ClusterGround(Ground):
    """Three servers that share the slots."""

    clustered = True

    def __init__(self, cluster: ValkeyCluster) -> None:
        super().__init__(cluster.url)
        self.environ = {"REDIS_URL": cluster.url, "REDIS_CLUSTER": "true"}
        self._cluster = cluster

    async def synced(self) -> None:
        for node in self._cluster.nodes:
            await node.ask("WAITAOF", "1", "0", "5000")

    async def restart(self, signal: Signals, during: Callable[[], Any] | None = None) -> None:
        for node in self._cluster.nodes:
            await (node.kill() if signal is SIGKILL else node.stop(SIGTERM))
        if during is not None:
            await during()
        for node in self._cluster.nodes:
            await node.start()
        await self._cluster.whole()

    def pause(self) -> None:
        for node in self._cluster.nodes:
            node.pause()

    def resume(self) -> None:
        for node in self._cluster.nodes:
            node.resume()


SINGLE: Sequence[str] = ("embedded", "server")
ALL: Sequence[str] = (*SINGLE, "cluster")


@asynccontextmanager
async def ground_of(kind: str, folder: Path) -> AsyncGenerator[Ground]:
    """A store of this kind, for processes on this data folder."""
    async with AsyncExitStack() as stack:
        if kind == "embedded":
            valkey = EmbeddedValkey(folder / "var" / "valkey", Silent())
            yield EmbeddedGround(await stack.enter_async_context(valkey), valkey)
        elif kind == "server":
            yield ServerGround(await stack.enter_async_context(ValkeyServer()))
        else:
            yield ClusterGround(await stack.enter_async_context(ValkeyCluster()))
