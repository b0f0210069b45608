"""What both clients do with a server that behaves as a scenario says: one table, two keepers.

A step is one of these; a name like `$a` stands for the id of the frame in which it was met first.

    do           an operation of the driver                     get          the next frame of the client
    see          what happened next, in any order of kinds      send         frames, in one write
    accept       let it in and greet it (path, headers)         close        with this code
    accept_mute  let it in and say nothing                      cut          end the connection without a word
    cut_door     end it in place of a handshake                 closed_with  the code with which the client closes
    refuse       answer the handshake with this status          advance      move the client's clock, in seconds
    settle       let the client take what was sent
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from tests.client.drivers import NODE, Driver, NodeDriver, PythonDriver, Seen
from tests.client.scripted import PATIENCE, Connected, ScriptedServer

type Step = dict[str, Any]

SCENARIOS = cast("list[dict[str, Any]]", json.loads(Path(__file__).with_name("scenarios.json").read_text()))


def _played_by(language: str) -> Any:
    return pytest.mark.parametrize(
        "steps",
        [
            pytest.param(scenario["steps"], id=scenario["promise"])
            for scenario in SCENARIOS
            if scenario.get("only") in (None, language)
        ],
    )


@_played_by("python")
async def test_the_python_client_keeps_the_promise(steps: list[Step]) -> None:
    """Each promise of the table that Python can keep."""
    async with ScriptedServer.start() as server, PythonDriver.start() as driver:
        await Play(driver, server).all(steps)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node() -> AsyncIterator[NodeDriver]:
    """One Node for all scenarios: each has a client of its own."""
    if NODE is None and os.environ.get("CI") != "true":
        pytest.skip("antiphon.js is tested in Node 20 or newer, and there is no `node` here: install nodejs.")
    async with NodeDriver.start() as driver:
        yield driver


@pytest.mark.asyncio(loop_scope="module")
@_played_by("javascript")
async def test_antiphon_js_keeps_the_promise(steps: list[Step], node: NodeDriver) -> None:
    """Each promise of the table that JavaScript can keep."""
    async with ScriptedServer.start() as server:
        try:
            await Play(node, server).all(steps)
        finally:
            await node.forget()


class Play:
    """One scenario on its stage."""

    def __init__(self, driver: Driver, server: ScriptedServer) -> None:
        self._driver = driver
        self._server = server
        self._connected: Connected | None = None
        self._ids: dict[str, Any] = {}
        self._open = False

    async def all(self, steps: list[Step]) -> None:
        """Play it to its end, where nothing that was not foreseen may have happened."""
        for number, step in enumerate(steps):
            (what, *rest) = step
            try:
                await getattr(self, f"_{what}")(step[what], **{name: step[name] for name in rest})
            except TimeoutError:
                raise AssertionError(f"step {number}, {step}: never happened; seen: {self._left()}") from None
        await self._settle(True)
        assert self._left() == []

    def _left(self) -> list[Seen]:
        return [self._driver.seen.get_nowait() for _ in range(self._driver.seen.qsize())]

    @property
    def _peer(self) -> Connected:
        assert self._connected is not None
        return self._connected

    async def _do(self, operation: list[Any]) -> None:
        if operation[0] == "connect":
            operation = ["connect", f"ws://127.0.0.1:{self._server.port}/ws", operation[1]]
        await self._driver.do(*operation)

    async def _accept(self, hello: dict[str, Any], path: str = "/ws", headers: dict[str, str] | None = None) -> None:
        self._connected = await self._server.accept(hello)
        assert self._peer.request.path == path
        for name, value in (headers or {}).items():
            assert self._peer.request.headers[name] == value

    async def _accept_mute(self, _: bool) -> None:
        self._connected = await self._server.accept(None)

    async def _cut_door(self, _: bool) -> None:
        self._server.cut_door()

    async def _refuse(self, status: int, error: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._server.refuse(status, error, headers or {})

    async def _get(self, expected: dict[str, Any]) -> None:
        frame = await self._peer.next()
        name = expected["id"]
        if isinstance(name, str) and name not in self._ids:
            self._ids[name] = frame.get("id")
        assert frame == self._named(expected)

    async def _send(self, frames: list[dict[str, Any]]) -> None:
        self._peer.send([self._named(frame) for frame in frames])

    def _named(self, frame: dict[str, Any]) -> dict[str, Any]:
        """The frame with ids in place of their names."""
        return {key: self._ids.get(value, value) if key in ("id", "cancel") else value for key, value in frame.items()}

    async def _close(self, code: int | None) -> None:
        self._peer.close(code)

    async def _cut(self, _: bool) -> None:
        self._peer.cut()
        self._open = False

    async def _closed_with(self, code: int) -> None:
        assert await self._peer.close_code() == code

    async def _advance(self, seconds: float) -> None:
        await self._driver.do("advance", seconds)

    async def _settle(self, _: bool) -> None:
        """Wait until the client has taken what was sent, and done what follows from it."""
        if self._open:
            self._peer.send([{"id": None, "error": {"type": "MARK", "message": "So far."}}])
            await self._until({"fault": "MARK"})
        await self._driver.do("mark")
        await self._until({"mark": True})

    async def _until(self, mark: Seen) -> None:
        kept: list[Seen] = []
        async with asyncio.timeout(PATIENCE):
            while (seen := await self._driver.seen.get()) != mark:
                kept.append(seen)
        for seen in kept:
            self._driver.seen.put_nowait(seen)

    async def _see(self, expected: list[Seen]) -> None:
        async with asyncio.timeout(PATIENCE):
            seen = [await self._driver.seen.get() for _ in expected]
        self._open = next((one["state"] == "open" for one in reversed(seen) if "state" in one), self._open)
        assert _by_kind(seen) == _by_kind(expected)


def _by_kind(seen: list[Seen]) -> list[Seen]:
    """What happened in its order, kind by kind: one client tells at once what the other tells in a task."""
    return sorted(seen, key=lambda one: next(iter(one)))
