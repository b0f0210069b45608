"""Start and stop behind an ASGI server: told by the server, or begun by the first request."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from antiphon.core.errors import SetupError
from antiphon.testing.waiting import wait_until
from antiphon.wire.asgi import Asgi
from antiphon.wire.lifespan import Event
from tests.wire.stage import ENGINES, Engine, Signal, Stage, text

engines = pytest.mark.parametrize("engine", ENGINES, ids=str)


class Life:
    """Something to start and stop, which keeps what happened."""

    def __init__(self, *failures: Exception) -> None:
        self.events: list[str] = []
        self.failures = list(failures)
        self.hold = Signal()
        self.hold.give()

    async def start(self) -> None:
        self.events.append("start")
        await self.hold.wait()
        if self.failures:
            raise self.failures.pop(0)
        self.events.append("started")

    async def stop(self) -> None:
        self.events.append("stop")
        if self.failures:
            raise self.failures.pop(0)


class Server:
    """An ASGI server as small as can be: it says what it is told to say, and keeps what it is told."""

    def __init__(self, *events: str) -> None:
        self._events = list(events)
        self.sent: list[Event] = []

    async def receive(self) -> Event:
        if not self._events:
            await asyncio.Event().wait()
        return {"type": self._events.pop(0)}

    async def send(self, event: Event) -> None:
        self.sent.append(event)


SCOPE = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}}
REQUEST: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "http_version": "1.1"}
REQUEST["headers"] = []
WHOLE_LIFE = ("lifespan.startup", "lifespan.shutdown")


@engines
async def test_a_server_starts_before_it_answers_and_stops_at_its_end(engine: Engine) -> None:
    """`start` is done before the first request is answered, and `stop` runs when the server ends."""
    life = Life()

    with Stage(engine, start=life.start, stop=life.stop) as stage:
        stage.respond = lambda _: text(",".join(life.events))
        async with stage.connect() as client:
            answers = [await client.get("/") for _ in range(2)]

    assert [answer.body for answer in answers] == [b"start,started"] * 2
    assert life.events == ["start", "started", "stop"]


@engines
async def test_a_server_whose_start_fails_ends(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """A start that fails ends the server, which says what was wrong and nothing of where."""
    life = Life(SetupError("Write DATABASE_URL."))

    with Stage(engine, start=life.start, stop=life.stop) as stage:
        await wait_until(lambda: stage.is_over, "the server never ended")

    assert life.events == ["start"]
    assert "Write DATABASE_URL." in caplog.text
    assert "Traceback" not in caplog.text


@engines
async def test_without_lifespan_the_first_request_starts_once(engine: Engine) -> None:
    """Where the server has no lifespan, the first requests wait together for one start."""
    life = Life()
    life.hold.given = False

    with Stage(engine, lifespan="off", start=life.start, stop=life.stop) as stage:
        stage.respond = lambda _: text(",".join(life.events))
        async with stage.connect() as one, stage.connect() as other:
            waiting = [asyncio.create_task(client.get("/")) for client in (one, other)]
            # The server is another thread: that its tasks are there does not say that one of them has run.
            await wait_until(
                lambda: len(stage.server.server_state.tasks) == 2 and life.events, "the requests never began the start"
            )
            begun = list(life.events)
            life.hold.give()
            answers = [await task for task in waiting]
            again = await one.get("/")

    assert begun == ["start"]
    assert [answer.body for answer in [*answers, again]] == [b"start,started"] * 3


@engines
async def test_a_first_client_that_leaves_does_not_stop_the_start(engine: Engine) -> None:
    """The start belongs to everybody who waits for it, and not to the request that began it."""
    life = Life()
    life.hold.given = False

    with Stage(engine, lifespan="off", start=life.start) as stage:
        stage.respond = lambda _: text("here")
        async with stage.connect() as first:
            await first.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            await wait_until(lambda: life.events, "the start never began")
        async with stage.connect() as second:
            asking = asyncio.create_task(second.get("/"))
            life.hold.give()
            answer = await asking

    assert (answer.body, life.events) == (b"here", ["start", "started"])


@engines
async def test_a_first_start_that_fails_is_503_and_tried_again(engine: Engine) -> None:
    """A start that failed is reported and answered with 503; the next request tries again."""
    life = Life(OSError("the store is away"))

    with Stage(engine, lifespan="off", start=life.start) as stage:
        stage.respond = lambda _: text("here")
        async with stage.connect() as client:
            refused = await client.get("/")
            answer = await client.get("/")

    assert (refused.status, refused.header("retry-after"), b"UNAVAILABLE" in refused.body) == (503, "1", True)
    assert (answer.status, answer.body) == (200, b"here")
    assert [str(problem) for problem in stage.claim()] == ["the store is away"]


async def test_a_lifespan_is_told_step_by_step() -> None:
    """Startup and shutdown are each confirmed after they were done."""
    life, server = Life(), Server(*WHOLE_LIFE)
    app = Asgi(lambda _: text(""), report=life.failures.append, start=life.start, stop=life.stop)

    await app(SCOPE, server.receive, server.send)

    assert [event["type"] for event in server.sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert life.events == ["start", "started", "stop"]


@pytest.mark.parametrize(
    ("problem", "message", "reported"),
    [
        (SetupError("one", "two"), "- one\n- two", False),
        (RuntimeError("no place left"), "no place left", True),
        (RuntimeError(), "RuntimeError", True),
    ],
)
async def test_a_failed_start_is_told_by_its_message(problem: Exception, message: str, *, reported: bool) -> None:
    """The server gets the message only; the report gets the exception, except a SetupError, which says it all."""
    life, server = Life(problem), Server(*WHOLE_LIFE)
    reports: list[Exception] = []
    app = Asgi(lambda _: text(""), report=reports.append, start=life.start, stop=life.stop)

    await app(SCOPE, server.receive, server.send)

    assert server.sent == [{"type": "lifespan.startup.failed", "message": message}]
    assert reports == ([problem] if reported else [])
    assert life.events == ["start"]


async def test_a_failed_stop_is_told_by_its_message() -> None:
    """A shutdown that fails is told to the server and reported."""
    life, server = Life(), Server(*WHOLE_LIFE)
    reports: list[Exception] = []
    app = Asgi(lambda _: text(""), report=reports.append, stop=life.stop)
    life.failures.append(RuntimeError("still busy"))

    await app(SCOPE, server.receive, server.send)

    assert server.sent[-1] == {"type": "lifespan.shutdown.failed", "message": "still busy"}
    assert [str(problem) for problem in reports] == ["still busy"]


async def test_a_first_request_that_is_cancelled_does_not_stop_the_start() -> None:
    """A server that cancels the request which began the start leaves the start to the others."""
    life, first, second = Life(), Server(), Server()
    life.hold.given = False
    app = Asgi(lambda _: text("here"), report=life.failures.append, start=life.start)
    cancelled = asyncio.create_task(app(REQUEST, first.receive, first.send))
    waiting = asyncio.create_task(app(REQUEST, second.receive, second.send))
    await wait_until(lambda: life.events, "the start never began")

    cancelled.cancel()
    life.hold.give()
    await waiting

    assert (first.sent, second.sent[0]["status"]) == ([], 200)
    assert life.events == ["start", "started"]


async def test_nothing_starts_again_after_the_shutdown() -> None:
    """A request that comes after the shutdown is 503 and starts nothing; a new startup does."""
    life = Life()
    app = Asgi(lambda _: text("here"), report=life.failures.append, start=life.start, stop=life.stop)
    ended = Server(*WHOLE_LIFE)
    await app(SCOPE, ended.receive, ended.send)
    late = Server("http.request")

    await app(REQUEST, late.receive, late.send)

    assert late.sent[0]["status"] == 503
    assert life.events == ["start", "started", "stop"]
