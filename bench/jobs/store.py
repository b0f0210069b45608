"""The one store of a run: a Valkey with an append-only file on a port of its own, emptied between visits."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from antiphon.stores.valkey import find_valkey
from bench.http.running import cpu_of

redis: Any = import_module("redis")  # redis-py leaves most of it untyped

START_SECONDS = 10.0


class BenchStore:
    """`with BenchStore(core) as store`: `store.url` is for every queue, `kill` and `start` are for the faults."""

    def __init__(self, core: int) -> None:
        self._core = core
        self._folder = tempfile.TemporaryDirectory(prefix="bench-store-")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        """Start it, with what its file holds."""
        command = ["taskset", "-c", str(self._core), str(find_valkey()), "--port", str(self._port)]
        command += ["--appendonly", "yes", "--save", "", "--dir", self._folder.name, "--loglevel", "warning"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=Path(self._folder.name))
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                with redis.Redis.from_url(self.url) as client:
                    client.ping()
            except redis.exceptions.RedisError:
                time.sleep(0.02)
            else:
                return
        raise TimeoutError("the store of the bench did not start")

    def kill(self) -> None:
        """Kill it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def empty(self) -> None:
        """Throw everything away."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def effects(self, key: str) -> list[int]:
        """The numbers on the list of effects."""
        with redis.Redis.from_url(self.url) as client:
            return [int(value) for value in client.lrange(key, 0, -1)]

    def cpu_seconds(self) -> float:
        """The CPU that it has used."""
        return 0.0 if self._process is None else cpu_of(self._process.pid)

    def asked(self) -> dict[str, float]:
        """How often it was spoken to (`reads` of clients' sockets), and how often each command was called.

        Commands that scripts call are among the commands; the reads know nothing of those.
        """
        with redis.Redis.from_url(self.url) as client:
            reads = client.info("stats")["total_reads_processed"]
            commands = client.info("commandstats")
        return {"reads": reads, **{name.removeprefix("cmdstat_"): told["calls"] for name, told in commands.items()}}

    def used_bytes(self) -> int:
        """What the store holds in memory."""
        with redis.Redis.from_url(self.url) as client:
            return int(client.info("memory")["used_memory"])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_how: object) -> None:
        self.kill()
        self._folder.cleanup()
