"""Sockets that are cut, nodes that are killed, a store that goes away: nothing is missed, and nobody stays a ghost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from signal import Signals
from typing import Any

import pytest

from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.faults.http_process import AppProcess
from tests.transports.websocket_stage import QUICK_CHANNELS, Stage, Talker, on_stage, talking

RECONNECTS = 50
QUICK = {f"CHANNELS_{name.upper()}": str(value) for name, value in QUICK_CHANNELS.items()}


@pytest.fixture
def shared(valkey: ValkeyServer, store_prefix: str) -> tuple[str, str]:
    """The store of a test: where it is, and what its keys begin with."""
    return valkey.url, store_prefix


class Reader:
    """A client that comes back whenever it is cut, and remembers what it was shown."""

    def __init__(self) -> None:
        self.place: dict[str, Any] = {}
        self.bodies: list[str] = []
        self.connected = 0

    async def read(self, stages: list[Stage], cuts: Random) -> None:
        """Come back to one node after the other, each time from the last place, and be cut soon."""
        for number in range(RECONNECTS):
            async with stages[number % len(stages)].talker() as talker:
                self.connected += 1
                await self.watch(talker)
                for _ in range(cuts.randrange(8)):
                    self._take(await talker.shown("news"))
                # Without a word, and with whatever is on its way.
                talker.connection.transport.abort()

    async def read_to(self, stage: Stage, last: str) -> None:
        """Come back once more, and stay until this was shown."""
        async with stage.talker() as talker:
            await self.watch(talker)
            while not self.bodies or self.bodies[-1] != last:
                self._take(await talker.shown("news"))

    async def watch(self, talker: Talker) -> None:
        """Subscribe, from the last place on."""
        since = {"since": self.place} if self.place else {}
        result = await talker.watch("news", **since)
        if since:
            assert result["recovered"], result
            for event in result["missed"]:
                self._take(event)
        self.place = {"epoch": result["epoch"], "offset": result["offset"]}

    def _take(self, event: dict[str, Any]) -> None:
        self.place["offset"] = event["offset"]
        self.bodies.append(event["data"]["body"])


async def test_fifty_reconnects_miss_nothing_and_double_nothing(tmp_path: Path, shared: tuple[str, str]) -> None:
    """Over two nodes, cut at any moment, while things are being said on both."""
    async with (
        on_stage(tmp_path / "one", shared, channels=QUICK_CHANNELS) as one,
        on_stage(tmp_path / "two", shared, channels=QUICK_CHANNELS) as two,
    ):
        reader, said = Reader(), list[str]()
        async with one.talker() as talker:
            await reader.watch(talker)
        reading = asyncio.create_task(reader.read([one, two], Random(7)))
        while not reading.done():
            said.append(str(len(said)))
            answer = await (one, two)[len(said) % 2].ask("POST", "/api/news", {"body": said[-1]})
            assert answer.status == 201
        await reading
        await one.ask("POST", "/api/news", {"body": "the last"})
        await reader.read_to(two, "the last")

        assert reader.connected == RECONNECTS
        assert reader.bodies == [*said, "the last"]


# A node that is killed


@asynccontextmanager
async def process(folder: Path, shared: tuple[str, str]) -> AsyncGenerator[AppProcess]:
    """The application in a process of its own, listening."""
    environ = {"REDIS_URL": shared[0], "REDIS_PREFIX": shared[1], **QUICK}
    async with AppProcess.run(folder, environ, program=("-m", "tests.faults.live_app")) as running:
        await running.listens()
        yield running


async def test_whoever_was_on_a_killed_node_has_left_when_its_lease_is_over(
    tmp_path: Path, shared: tuple[str, str]
) -> None:
    """Told once on the other node; whoever is also connected there stays, and events go on."""
    async with process(tmp_path / "one", shared) as dying, process(tmp_path / "two", shared) as living:
        async with (
            talking(living.port, authorization="Bearer witness") as witness,
            talking(dying.port, authorization="Bearer ghost") as ghost,
            talking(dying.port, authorization="Bearer twice") as here,
            talking(living.port, authorization="Bearer twice") as there,
        ):
            await witness.watch("news")
            for talker in (ghost, here, there):
                await talker.watch("news")
            await witness.until(lambda came: "ghost" in str(came), "the ghost never came")

            dying.send(Signals.SIGKILL)

            assert await ghost.closed() == 1006
            left = await witness.until(lambda came: came.get("presence", {}).get("left"), "the ghost never left")
            assert [member["id"] for member in left["presence"]["left"]] == ["ghost"]
            await witness.result("news:post", body="still here")
            assert await there.event("news") == {"body": "still here"}
            members = (await there.watch("news"))["members"]
            assert {member["id"] for member in members} == {"witness", "twice"}


async def test_a_stopped_process_sends_its_clients_away(tmp_path: Path, shared: tuple[str, str]) -> None:
    """SIGTERM: told to come back, closed with 1012, and the exit code is 0."""
    environ = {"REDIS_URL": shared[0], "REDIS_PREFIX": shared[1], "WEBSOCKET_DRAIN_TIME": "100ms", **QUICK}
    async with AppProcess.run(tmp_path, environ, program=("-m", "tests.faults.live_app")) as running:
        await running.listens()
        async with talking(running.port) as one, talking(running.port) as two:
            await one.watch("news")
            running.send(Signals.SIGTERM)

            assert await asyncio.gather(one.closed(), two.closed()) == [1012, 1012]
            assert "reconnect" in str(one.kept)
        assert await running.ended() == 0


# A store that is away

REDIS = {"command_time": "300ms", "connect_time": "300ms"}
CHANNELS = {"publish_time": "300ms"}


async def test_sockets_outlive_a_store_that_is_restarted(tmp_path: Path) -> None:
    """They stay open; what is said afterwards is shown, without a hole that nobody is told of."""
    async with ValkeyServer() as valkey:
        async with (
            on_stage(tmp_path, (valkey.url, "t"), redis=REDIS, channels=CHANNELS) as live,
            live.talker() as talker,
        ):
            await talker.watch("news")
            await talker.result("news:post", body="before")
            assert await talker.event("news") == {"body": "before"}

            await valkey.restart()
            await say_until_shown(live, talker, "after")

            assert "result" in await talker.ask(ping=True)
            assert (await talker.watch("news"))["offset"] >= 1


async def test_sockets_outlive_a_store_that_hangs(tmp_path: Path) -> None:
    """Meanwhile whatever does not need it is answered, and whatever does is told; afterwards it goes on."""
    async with ValkeyServer() as valkey:
        async with (
            on_stage(tmp_path, (valkey.url, "t"), redis=REDIS, channels=CHANNELS) as live,
            live.talker() as talker,
        ):
            await talker.watch("news")
            valkey.pause()
            try:
                assert "result" in await talker.ask(ping=True)
                assert (await talker.result("word:get"))["text"] == "hello"
                assert await talker.refusal(subscribe="vault", id="v") in ("UNAVAILABLE", "NOT_SIGNED_IN")
                assert await talker.refusal(subscribe="bell:a") == "UNAVAILABLE"
                # It was said, though it cannot be shown: nobody's call fails for it.
                await talker.result("news:post", body="lost")
            finally:
                valkey.resume()

            await say_until_shown(live, talker, "after")
            assert (await talker.watch("bell:a"))["topic"] == "bell:a"


async def say_until_shown(live: Stage, talker: Talker, body: str) -> None:
    """Say something until it is shown, or the watcher is told that it may have missed something."""

    async def is_shown() -> bool:
        await live.ask("POST", "/api/news", {"body": body})
        try:
            async with asyncio.timeout(0.2):
                while True:
                    came = await talker.next()
                    if "reset" in came or came.get("data") == {"body": body}:
                        return True
        except TimeoutError:
            return False

    await wait_until(is_shown, f"{body} was never shown", within=20.0)
