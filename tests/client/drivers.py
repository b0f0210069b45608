"""The two clients behind one face for the scenarios: operations go in, what happens comes out as plain values."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import antiphon
from antiphon.client import CallError, Change, Client, Event, Presence
from antiphon.testing.clock import StandingClock

SCRIPT = Path(antiphon.__file__).parent / "client" / "antiphon.js"
NODE = shutil.which("node")
NODE_FLAGS = ("--experimental-websocket", "--no-warnings")
"""Node 20 has the browser's WebSocket behind a flag; later ones have it anyway, and take the flag."""

type Seen = dict[str, Any]


class Driver(Protocol):
    """A client that is told what to do."""

    seen: asyncio.Queue[Seen]
    """What happened, in order."""

    async def do(self, operation: str, *values: Any) -> None:
        """Tell it."""
        ...


class NodeDriver:
    """antiphon.js in Node."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.seen: asyncio.Queue[Seen] = asyncio.Queue()
        self._process = process

    @classmethod
    @asynccontextmanager
    async def start(cls) -> AsyncGenerator[NodeDriver]:
        """A process of its own, for a block."""
        assert NODE is not None
        process = await asyncio.create_subprocess_exec(
            NODE,
            *NODE_FLAGS,
            str(Path(__file__).with_name("driver.mjs")),
            str(SCRIPT),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        driver = cls(process)
        reading = asyncio.create_task(driver._read())
        try:
            yield driver
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()
            await reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.seen.put_nowait(json.loads(line))

    async def do(self, operation: str, *values: Any) -> None:
        """Tell it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([operation, *values]).encode() + b"\n")
        await self._process.stdin.drain()

    async def forget(self) -> None:
        """Forget the client and everything that happened to it."""
        await self.do("forget")
        async with asyncio.timeout(10):
            while await self.seen.get() != {"forgotten": True}:
                pass


class PythonDriver:
    """The Python client in this process."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.seen: asyncio.Queue[Seen] = asyncio.Queue()
        self._clock = StandingClock()
        self._tasks = tasks
        self._client: Client | None = None
        self._named: dict[str, asyncio.Task[None]] = {}
        self._leave: dict[str, Callable[[], None]] = {}

    @classmethod
    @asynccontextmanager
    async def start(cls) -> AsyncGenerator[PythonDriver]:
        """A client of its own, for a block."""
        async with asyncio.TaskGroup() as tasks:
            driver = cls(tasks)
            try:
                yield driver
            finally:
                await driver.client.close()
                for task in driver._named.values():
                    task.cancel()

    @property
    def client(self) -> Client:
        """The client."""
        assert self._client is not None
        return self._client

    async def do(self, operation: str, *values: Any) -> None:
        """Tell it."""
        await getattr(self, f"_{operation}")(*values)

    def _tell(self, **seen: Any) -> None:
        self.seen.put_nowait(seen)

    async def _connect(self, url: str, options: dict[str, Any]) -> None:
        tickets: list[Any] | None = list(options["tickets"]) if "tickets" in options else None

        async def ticket() -> str:
            assert tickets is not None
            given = tickets.pop(0)
            if isinstance(given, dict):
                raise CallError.read(given)  # pyright: ignore[reportUnknownArgumentType]  # a value of the scenario
            return given

        self._client = Client(
            url,
            clock=self._clock,
            random=lambda: options.get("random", 1),
            headers=options.get("headers"),
            ticket=ticket if tickets is not None else None,
            on_state=self._on_state,
            on_fault=lambda error: self._tell(fault=error.type),
        )
        self._client.resume()

    def _on_state(self, change: Change) -> None:
        code = {} if change.code is None else {"code": change.code}
        self._tell(state=change.state, **code, **({} if change.retry_in is None else {"retryIn": change.retry_in}))

    def _begin(self, name: str, work: Any) -> None:
        self._named[name] = self._tasks.create_task(self._outcome(name, work))

    async def _outcome(self, name: str, work: Any) -> None:
        try:
            self._tell(result=[name, await work])
        except CallError as error:
            self._tell(error=[name, error.type, error.may_have_run])
        except asyncio.CancelledError:
            self._tell(error=[name, "Cancelled", None])

    async def _call(self, name: str, action: str, inputs: Any, options: dict[str, Any] | None = None) -> None:
        given = dict(options or {})
        if "timeout" in given:
            given["timeout"] = timedelta(seconds=given["timeout"])
        self._begin(name, self.client.call(action, inputs, **given))
        await asyncio.sleep(0)

    async def _abort(self, name: str) -> None:
        self._named[name].cancel()

    async def _authenticate(self, name: str, token: str) -> None:
        self._begin(name, self.client.authenticate(token))

    async def _stream(self, name: str, action: str, inputs: Any, options: dict[str, Any] | None = None) -> None:
        self._named[name] = self._tasks.create_task(self._take(name, action, inputs, (options or {}).get("take")))

    async def _take(self, name: str, action: str, inputs: Any, take: int | None) -> None:
        items = self.client.stream(action, inputs)
        taken = 0
        try:
            async for item in items:
                self._tell(item=[name, item])
                taken += 1
                if taken == take:
                    break
            await items.aclose()
            self._tell(done=name)
        except CallError as error:
            self._tell(error=[name, error.type, error.may_have_run])

    async def _subscribe(self, topic: str, since: Any = None) -> None:
        self._named[topic] = self._tasks.create_task(self._watch(topic, since))
        await asyncio.sleep(0)

    async def _watch(self, topic: str, since: Any) -> None:
        def on_presence(now: Presence) -> None:
            lists = ([member.id for member in members] for members in (now.members, now.joined, now.left))
            self._tell(presence=[topic, now.version, now.count, *lists])

        watch = self.client.watch(topic, since=since, on_presence=on_presence)
        self._leave[topic] = watch.unsubscribe
        try:
            async with watch as happenings:
                self._tell(live=topic)
                async for told in happenings:
                    if isinstance(told, Event):
                        self._tell(event=[topic, told.event, told.offset, told.data])
                    else:
                        at = told.position
                        place = None if at is None else {"epoch": at.epoch, "offset": at.offset}
                        self._tell(reset=[topic, told.reason, place])
        except CallError as error:
            if error.type != "CONNECTION_LOST":
                self._tell(ended=[topic, error.type])

    async def _unsubscribe(self, topic: str) -> None:
        self._leave[topic]()

    async def _resume(self) -> None:
        self.client.resume()

    async def _close(self) -> None:
        await self.client.close()

    async def _mark(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)
        self._tell(mark=True)

    async def _advance(self, seconds: float) -> None:
        # Whoever is about to sleep by the clock has to be asleep before it moves.
        for _ in range(5):
            await asyncio.sleep(0)
        self._clock.move(timedelta(seconds=seconds))
