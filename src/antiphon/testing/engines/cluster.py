"""A Cluster of Valkey servers for tests: three primaries on ports of this machine."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from signal import SIGKILL
from types import TracebackType
from typing import Self

from antiphon.stores.child import Child, start_child
from antiphon.stores.valkey import CONFIGURATION, find_valkey
from antiphon.testing.engines.process import ServerProcess
from antiphon.testing.waiting import wait_until

HOST = "127.0.0.1"
SLOTS = 16_384


class ValkeyNode(ServerProcess):
    """One server of a Cluster. Its port stays its own over restarts; a Cluster has no Unix sockets."""

    name = "Valkey"

    def __init__(self, port: int, bus_port: int) -> None:
        super().__init__()
        self.port = port
        self.bus_port = bus_port

    async def ask(self, *words: str) -> str:
        """One command, as a person would type it, and the answer up to its end."""
        reader, writer = await asyncio.open_connection(HOST, self.port)
        try:
            writer.write(f"{' '.join(words)}\r\n".encode())
            head = (await reader.readline()).decode()
            if not head.startswith("$"):
                return head
            return (await reader.readexactly(int(head[1:]) + 2)).decode()
        finally:
            writer.close()

    async def _launch(self) -> Child:
        command = [
            *(str(find_valkey()), *CONFIGURATION),
            *("--port", str(self.port), "--bind", HOST, "--cluster-port", str(self.bus_port)),
            *("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--appendonly", "yes"),
        ]
        with (self.folder / "server.log").open("ab") as output:
            return start_child(command, folder=self.folder, output=output, at_our_end=SIGKILL)

    async def _ready(self) -> bool:
        try:
            return (await self.ask("PING")).startswith("+PONG")
        except OSError:
            return False


class ValkeyCluster:
    """`async with ValkeyCluster() as cluster:` gives `cluster.url`, for REDIS_URL with REDIS_CLUSTER=true.

    Each of `cluster.nodes` can be killed, paused and restarted on its own.
    """

    def __init__(self, count: int = 3) -> None:
        ports = _free_ports(2 * count)
        self.nodes = [ValkeyNode(*pair) for pair in zip(ports[:count], ports[count:], strict=True)]
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            for node in self.nodes:
                await self._stack.enter_async_context(node)
            await self._join()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def url(self) -> str:
        """The address of its first node."""
        return f"redis://{HOST}:{self.nodes[0].port}"

    async def whole(self) -> None:
        """Wait until every node says that every slot is served."""
        for node in self.nodes:
            await wait_until(lambda node=node: _is_whole(node, len(self.nodes)), "the Cluster never came together")

    async def _join(self) -> None:
        share = SLOTS // len(self.nodes)
        for place, node in enumerate(self.nodes):
            last = SLOTS - 1 if node is self.nodes[-1] else (place + 1) * share - 1
            await node.ask("CLUSTER", "ADDSLOTSRANGE", str(place * share), str(last))
            # Numbers of their own, or the nodes would have to agree on them first.
            await node.ask("CLUSTER", "SET-CONFIG-EPOCH", str(place + 1))
        first = self.nodes[0]
        for node in self.nodes[1:]:
            await first.ask("CLUSTER", "MEET", HOST, str(node.port), str(node.bus_port))
        await self.whole()


async def _is_whole(node: ValkeyNode, count: int) -> bool:
    try:
        said = await node.ask("CLUSTER", "INFO")
    except OSError:
        return False
    return "cluster_state:ok" in said and f"cluster_known_nodes:{count}" in said


def _free_ports(count: int) -> Sequence[int]:
    """Ports that nobody listens on now; all of them are held until the last is found, so that no two are the same."""
    held = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports
