"""What ASGI servers may do that uvicorn does not: optional keys, mounts, HTTP/2, sockets, OSError, cancellation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from antiphon.wire.asgi import Asgi, Respond
from antiphon.wire.asgi_request import AsgiRequest
from antiphon.wire.faults import WireFault
from antiphon.wire.lifespan import Event
from antiphon.wire.request import ClientLeft, Request
from antiphon.wire.response import Answer, StreamResponse
from tests.wire.stage import text


class Server:
    """An ASGI server as small as can be: a body, a client that stays or has left, and what it was sent."""

    def __init__(self, *events: Event, fails_after: int | None = None) -> None:
        self._events = list(events)
        self._fails_after = fails_after
        self.sent: list[Event] = []
        self.client_leaves = asyncio.Event()

    async def receive(self) -> Event:
        if self._events:
            return self._events.pop(0)
        await self.client_leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, event: Event) -> None:
        if self._fails_after is not None and len(self.sent) >= self._fails_after:
            raise BrokenPipeError("the client has gone")
        self.sent.append(event)


def http(**keys: Any) -> dict[str, Any]:
    """The least that an HTTP scope holds."""
    least: dict[str, Any] = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET"}
    least |= {"path": "/", "query_string": b"", "headers": list[tuple[bytes, bytes]]()}
    return least | keys


def app(respond: Respond, reported: list[Exception] | None = None) -> Asgi:
    """An application that must not have defects, unless the test keeps them."""

    def fail(defect: Exception) -> None:
        raise AssertionError("a defect was reported") from defect

    return Asgi(respond, report=fail if reported is None else reported.append)


def part(body: bytes, *, more: bool = False) -> Event:
    """A piece of a request body."""
    return {"type": "http.request", "body": body, "more_body": more}


async def never() -> Event:
    """A client that says nothing."""
    raise AssertionError("nothing was to be received")


def request(**keys: Any) -> AsgiRequest:
    """A request whose body nobody may ask for."""
    return AsgiRequest(http(**keys), never)


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        pytest.param({"path": "/ä b/c", "raw_path": b"/%C3%A4%20b/c"}, b"/%C3%A4%20b/c", id="as sent"),
        pytest.param({"path": "/a", "raw_path": b"/a?b=c"}, b"/a", id="with a query"),
        pytest.param({"path": "/ä b/c%?#"}, b"/%C3%A4%20b/c%25%3F%23", id="without a raw path"),
        pytest.param({"path": "/a", "raw_path": None}, b"/a", id="with no raw path"),
        pytest.param({"root_path": "/v1", "path": "/v1/a", "raw_path": b"/v1/a"}, b"/a", id="mounted"),
        pytest.param({"root_path": "/v 1/", "path": "/v 1/a", "raw_path": b"/v%201/a"}, b"/a", id="mounted, encoded"),
        pytest.param({"root_path": "/v1", "path": "/v10/a", "raw_path": b"/v10/a"}, b"/v10/a", id="not the mount"),
        pytest.param({"root_path": "/v1", "path": "/a", "raw_path": b"/a"}, b"/a", id="the mount left out"),
    ],
)
def test_the_path_is_raw_and_below_the_mount(keys: dict[str, Any], path: bytes) -> None:
    """The path is what was sent, without query and mount; where the server does not say, it is encoded again."""
    assert request(**keys).path == path


def test_optional_facts_have_defaults() -> None:
    """A scope without scheme and client is http from nobody."""
    asked = request(client=None)

    assert (asked.scheme, asked.peer) == ("http", "")


@pytest.mark.parametrize(
    ("version", "method", "headers", "expected"),
    [
        ("1.1", "POST", [], False),
        ("1.1", "POST", [(b"content-length", b"0")], False),
        ("1.1", "GET", [(b"content-length", b"1")], True),
        ("1.1", "GET", [(b"transfer-encoding", b"chunked")], True),
        ("1.1", "POST", [(b"content-length", b"1"), (b"transfer-encoding", b"chunked")], True),
        ("2", "POST", [], True),
        ("2", "POST", [(b"content-length", b"0")], False),
        ("2", "GET", [], False),
        ("3", "PATCH", [], True),
    ],
)
def test_a_body_is_announced_by_its_framing(
    version: str, method: str, headers: list[tuple[bytes, bytes]], *, expected: bool
) -> None:
    """HTTP/1 announces every body; HTTP/2 and 3 need not, so there the method decides."""
    assert request(http_version=version, method=method, headers=headers).has_body is expected


@pytest.mark.parametrize("length", [b"9" * 30, b"11"])
async def test_an_impossible_length_is_too_large(length: bytes) -> None:
    """However long the number in Content-Length, it is compared and not waited for."""
    with pytest.raises(WireFault) as caught:
        await request(headers=[(b"content-length", length)]).body(10)

    assert caught.value.type == "TOO_LARGE"


async def test_a_length_that_is_no_number_is_bounded_while_it_is_read() -> None:
    """Where a server lets a broken Content-Length through, the limit holds all the same."""
    server = Server(part(b"12345", more=True), part(b"678901"))
    asked = AsgiRequest(http(headers=[(b"content-length", b"+5")]), server.receive)

    with pytest.raises(WireFault) as caught:
        await asked.body(10)

    assert caught.value.type == "TOO_LARGE"


SIX = (b"content-length", b"6")


async def test_a_body_that_is_there_needs_no_wait() -> None:
    """It is read at once, and no second time."""
    asked = AsgiRequest(http(headers=[SIX]), Server(part(b"123456")).receive)

    assert asked.body_now(10) == b"123456"
    with pytest.raises(RuntimeError, match="read already"):
        asked.body_now(10)


async def test_a_body_that_is_not_there_is_awaited() -> None:
    """What was asked for is gone on with, however often it was tried before: nothing is lost or asked for twice."""
    news: asyncio.Queue[Event] = asyncio.Queue()
    asked = AsgiRequest(http(headers=[SIX]), news.get)
    assert [asked.body_now(10), asked.body_now(10)] == [None, None]

    for piece in (part(b"123", more=True), part(b"456")):
        news.put_nowait(piece)

    assert await asked.body(10) == b"123456"


@pytest.mark.parametrize("pieces", [(b"12", b"34", b"56"), (b"", b"123456"), (b"123456", b"")])
async def test_a_body_in_pieces_is_joined(pieces: tuple[bytes, ...]) -> None:
    """The first may be there before the others are, and whole or empty."""
    *most, last = pieces
    server = Server(*(part(piece, more=True) for piece in most), part(last))
    asked = AsgiRequest(http(headers=[SIX]), server.receive)

    assert asked.body_now(10) is None
    assert await asked.body(10) == b"123456"


async def test_a_body_over_its_limit_is_refused_where_it_is_awaited() -> None:
    """Its length was not announced; a client that has left is told of there, too."""
    chunked = http(headers=[(b"transfer-encoding", b"chunked")])
    asked = AsgiRequest(chunked, Server(part(b"x" * 11)).receive)
    gone = Server()
    gone.client_leaves.set()
    left = AsgiRequest(chunked, gone.receive)

    assert (asked.body_now(10), left.body_now(10)) == (None, None)
    with pytest.raises(WireFault) as caught:
        await asked.body(10)
    assert caught.value.type == "TOO_LARGE"
    with pytest.raises(ClientLeft):
        await left.body(10)
    assert left.left


async def test_a_server_may_give_anything_that_can_be_awaited() -> None:
    """What is no coroutine cannot be stepped, and is awaited."""
    given: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
    asked = AsgiRequest(http(headers=[SIX]), lambda: given)
    given.set_result(part(b"123456"))

    assert asked.body_now(10) is None
    assert await asked.body(10) == b"123456"


async def test_a_body_that_nobody_awaits_is_let_go() -> None:
    """A call may be refused between asking for its body and its coming; then the client's leaving is watched for."""
    server = Server()
    asked = AsgiRequest(http(headers=[SIX]), server.receive)
    assert asked.body_now(10) is None

    server.client_leaves.set()
    await asked.wait_until_left()

    assert asked.left


async def test_an_unread_body_over_http_2_does_not_close() -> None:
    """HTTP/2 frames every request by itself and forbids Connection, so nothing is said."""
    server = Server(part(b"unread"))

    await app(lambda _: text("refused"))(http(http_version="2", method="POST"), server.receive, server.send)

    assert [name for name, _ in server.sent[0]["headers"]] == [b"content-type", b"content-length"]


async def test_a_plain_answer_is_two_messages() -> None:
    """A plain answer costs one message for its head and one for its body."""
    server = Server()

    await app(lambda _: text("hi"))(http(), server.receive, server.send)

    assert [event["type"] for event in server.sent] == ["http.response.start", "http.response.body"]
    assert not server.sent[1].get("more_body", False)


async def test_head_sends_no_body_to_any_server() -> None:
    """The body of HEAD is left out here, and not left to the server."""
    server = Server()

    await app(lambda _: text("hi"))(http(method="HEAD"), server.receive, server.send)

    assert (b"content-length", b"2") in server.sent[0]["headers"]
    assert [event["body"] for event in server.sent[1:]] == [b""]


async def test_empty_chunks_are_dropped() -> None:
    """An empty chunk is not sent: in chunked coding it would be the end."""
    server = Server()

    async def chunks() -> AsyncIterator[bytes]:
        for chunk in (b"", b"a", b"", b"b", b""):
            yield chunk

    await app(lambda _: StreamResponse(200, [], chunks()))(http(), server.receive, server.send)

    assert [event["body"] for event in server.sent[1:] if event.get("more_body")] == [b"a", b"b"]


@pytest.mark.parametrize("fails_after", [0, 1])
async def test_an_oserror_of_the_server_is_a_client_that_left(fails_after: int) -> None:
    """A server that says by OSError that the client has gone gets no exception back, and it is no defect."""
    server = Server(fails_after=fails_after)
    asked: list[Request] = []

    def respond(request: Request) -> Answer:
        asked.append(request)
        return text("hi")

    await app(respond)(http(), server.receive, server.send)

    assert asked[0].left


async def _numbers(ended: list[str]) -> AsyncIterator[bytes]:
    try:
        for number in range(1000):
            yield b"%d" % number
    finally:
        await asyncio.sleep(0)
        ended.append("closed")


@pytest.mark.parametrize("fails_after", [0, 1, 5])
async def test_an_oserror_in_a_stream_closes_it(fails_after: int) -> None:
    """A stream whose server says by OSError that the client has gone is closed, without a defect."""
    server = Server(fails_after=fails_after)
    ended: list[str] = []

    await app(lambda _: StreamResponse(200, [], _numbers(ended)))(http(), server.receive, server.send)

    assert ended == (["closed"] if fails_after else [])


async def test_a_stream_that_the_server_cancels_is_closed_and_stays_cancelled() -> None:
    """A cancellation from outside goes through a stream, which is closed first."""
    server = Server()
    ended: list[str] = []
    begun = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("closed")

    task = asyncio.create_task(app(lambda _: StreamResponse(200, [], chunks()))(http(), server.receive, server.send))
    await begun.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["closed"]


async def test_a_client_that_leaves_while_the_server_cancels_changes_nothing() -> None:
    """When both come at once the cancellation from outside still arrives."""
    server = Server()
    begun = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []

    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            # The client has left; now the server ends too.
            tasks[0].cancel()
            await asyncio.Event().wait()
            raise

    tasks.append(
        asyncio.create_task(app(lambda _: StreamResponse(200, [], chunks()))(http(), server.receive, server.send))
    )
    await begun.wait()
    server.client_leaves.set()

    with pytest.raises(asyncio.CancelledError):
        await tasks[0]


async def test_a_client_that_leaves_cancels_nothing_after_the_stream() -> None:
    """The task that served a stream is not left with a cancellation that was meant for the stream."""
    server = Server()
    begun = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        begun.set()
        await asyncio.Event().wait()

    async def serve() -> int:
        await app(lambda _: StreamResponse(200, [], chunks()))(http(), server.receive, server.send)
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    serving = asyncio.create_task(serve())
    await begun.wait()
    server.client_leaves.set()

    assert await serving == 0


async def test_a_websocket_is_refused_before_it_is_accepted() -> None:
    """Without sockets the handshake is closed, which a server turns into 403."""
    server = Server({"type": "websocket.connect"})
    scope: dict[str, object] = {
        "type": "websocket",
        "path": "/ws",
        "query_string": b"",
        "http_version": "1.1",
        "headers": [],
    }

    await app(lambda _: text(""))(scope, server.receive, server.send)

    assert server.sent == [{"type": "websocket.close", "code": 1000}]


async def test_an_unknown_scope_is_refused_by_an_exception() -> None:
    """ASGI asks for an exception where an application does not know a protocol."""
    server = Server()

    with pytest.raises(ValueError, match="'mqtt'"):
        await app(lambda _: text(""))({"type": "mqtt"}, server.receive, server.send)


async def test_leaving_before_the_answer_sends_nothing() -> None:
    """When the client goes while its body is read there is nobody to answer, and that is no defect."""
    server = Server(part(b"half", more=True))
    server.client_leaves.set()

    async def respond(request: Request) -> Answer:
        return text(await request.body(100))

    await app(respond)(http(headers=[(b"content-length", b"9")]), server.receive, server.send)

    assert server.sent == []
