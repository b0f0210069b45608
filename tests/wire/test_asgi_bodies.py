"""Request bodies through real ASGI servers: read whole or as they come, bounded, refused, left unread, broken off."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.testing.waiting import wait_until
from antiphon.wire.faults import WireFault, not_signed_in
from antiphon.wire.request import ClientLeft, Request, check_expectation
from antiphon.wire.response import Answer, Response
from tests.wire.stage import Signal, Stage, text, told

HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: test\r\n\r\n"


class Reader:
    """Answers with the body, read in one of three ways, and keeps what it saw."""

    def __init__(self, limit_bytes: int, way: str = "body") -> None:
        self.limit_bytes = limit_bytes
        self.way = way
        self.left = Signal()

    async def __call__(self, request: Request) -> Answer:
        try:
            return text(await self._read(request))
        except WireFault as fault:
            return told(fault)
        except ClientLeft:
            self.left.give()
            raise

    async def _read(self, request: Request) -> bytes:
        if self.way != "chunks":
            now = request.body_now(self.limit_bytes) if self.way == "now" else None
            return await request.body(self.limit_bytes) if now is None else now
        pieces: list[bytes] = []
        async for piece in request.chunks(self.limit_bytes):
            assert piece
            pieces.append(piece)
        return b"".join(pieces)


class Refuser:
    """Answers 401 without reading anything."""

    def __init__(self) -> None:
        self.paths: list[bytes] = []

    def __call__(self, request: Request) -> Answer:
        self.paths.append(request.path)
        return told(not_signed_in())


def chunked(*pieces: bytes) -> bytes:
    """A chunked body."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def post(framing: bytes, more: bytes = b"") -> bytes:
    """The head of a POST."""
    return b"POST /post HTTP/1.1\r\nHost: test\r\n" + framing + b"\r\n" + more + b"\r\n"


LENGTH = b"Content-Length: %d"
CHUNKED = b"Transfer-Encoding: chunked"

every_way = pytest.mark.parametrize("way", ["body", "now", "chunks"])


@every_way
@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(post(LENGTH % 10) + b"0123456789", id="length"),
        pytest.param(post(CHUNKED) + chunked(b"0123", b"456789"), id="chunked"),
        pytest.param(post(CHUNKED) + chunked(b"0123456789").replace(b"\r\n0123", b";a=b\r\n0123"), id="extension"),
    ],
)
async def test_a_body_is_read_however_it_was_framed(stage: Stage, request_bytes: bytes, way: str) -> None:
    """A body of exactly the limit is read whole, by length and in chunks, and the connection stays usable."""
    stage.respond = Reader(10, way)

    async with stage.connect() as client:
        await client.send(request_bytes)
        answer = await client.answer()
        again = await client.request("POST", "/", body=b"more")

    assert (answer.body, answer.header("connection")) == (b"0123456789", None)
    assert again.body == b"more"


@every_way
async def test_a_large_body_arrives_whole(stage: Stage, way: str) -> None:
    """A body larger than any buffer on its way comes out as it went in."""
    stage.respond = Reader(4_000_000, way)
    body = bytes(range(256)) * 12_000

    async with stage.connect() as client:
        answer = await client.request("POST", "/", body=body)

    assert answer.body == body


@pytest.mark.parametrize("framing", [b"Content-Length: 0", b"X-None: 1", CHUNKED], ids=["zero", "none", "chunked"])
@every_way
async def test_an_empty_body_is_empty(stage: Stage, framing: bytes, way: str) -> None:
    """No body, an announced length of 0 and an empty chunked body are all empty, and not waited for."""
    stage.respond = Reader(10, way)

    async with stage.connect() as client:
        await client.send(post(framing) + (chunked() if framing == CHUNKED else b""))
        answer = await client.answer()

    assert (answer.status, answer.body) == (200, b"")


@every_way
async def test_an_announced_length_over_the_limit_is_refused_unread(stage: Stage, way: str) -> None:
    """Content-Length over the limit is 413 before a single byte of the body was asked for, and the connection ends."""
    stage.respond = Reader(10, way)

    async with stage.connect() as client:
        await client.send(post(LENGTH % 11, b"Expect: 100-continue\r\n"))
        answer = await client.answer()
        after = await client.rest()

    assert (answer.status, answer.body, after) == (413, b"TOO_LARGE", b"")
    assert answer.header("connection") == "close"


@every_way
async def test_a_chunked_body_over_the_limit_is_refused(stage: Stage, way: str) -> None:
    """A body whose length nobody announced is 413 as soon as it passes the limit, and the connection ends."""
    stage.respond = Reader(10, way)

    async with stage.connect() as client:
        await client.send(post(CHUNKED) + b"6\r\nabcdef\r\n")
        await client.send(b"5\r\nghijk\r\n")
        answer = await client.answer()

    assert (answer.status, answer.body) == (413, b"TOO_LARGE")
    assert answer.header("connection") == "close"


async def test_chunks_come_before_the_body_is_complete(stage: Stage) -> None:
    """An upload can be worked on while it arrives."""
    arrived = Signal()

    async def respond(request: Request) -> Answer:
        chunks = request.chunks(100)
        first = await anext(chunks)
        arrived.give()
        return text(first + b"".join([piece async for piece in chunks]))

    stage.respond = respond

    async with stage.connect() as client:
        await client.send(post(LENGTH % 8) + b"half")
        await arrived.wait("the first half never arrived")
        await client.send(b"more")
        answer = await client.answer()

    assert answer.body == b"halfmore"


async def test_a_body_is_read_once_only(stage: Stage) -> None:
    """Reading a body again is an error that says so, where waiting for more would never end."""

    async def respond(request: Request) -> Answer:
        await request.body(10)
        with pytest.raises(RuntimeError, match="read already"):
            await request.body(10)
        return text("told")

    stage.respond = respond

    async with stage.connect() as client:
        answer = await client.request("POST", "/", body=b"once")

    assert answer.body == b"told"


# 100-continue


async def test_100_continue_comes_when_the_body_is_read(stage: Stage) -> None:
    """A client that waits to be asked for its body is asked when the body is read, and then answered."""
    stage.respond = Reader(10)

    async with stage.connect() as client:
        await client.send(post(LENGTH % 4, b"Expect: 100-continue\r\n"))
        interim = await client.answer()
        await client.send(b"body")
        answer = await client.answer()

    assert (interim.status, answer.status, answer.body) == (100, 200, b"body")


async def test_a_refused_caller_is_not_asked_for_its_body(stage: Stage) -> None:
    """A refusal comes instead of `100 Continue`, and the connection ends: what comes next might be its body."""
    stage.respond = Refuser()

    async with stage.connect() as client:
        await client.send(post(LENGTH % 4, b"Expect: 100-continue\r\n"))
        answer = await client.answer()
        after = await client.rest()

    assert (answer.status, answer.header("connection"), after) == (401, "close", b"")


@pytest.mark.parametrize(
    ("expect", "status"), [("100-continue", 200), ("100-Continue", 200), ("200-ok", 417), ("100-continue, more", 417)]
)
async def test_only_100_continue_can_be_expected(stage: Stage, expect: str, status: int) -> None:
    """Any expectation but 100-continue is 417."""

    def respond(request: Request) -> Answer:
        try:
            check_expectation(request)
        except WireFault as fault:
            return told(fault)
        return text("fine")

    stage.respond = respond

    async with stage.connect() as client:
        answer = await client.get("/", {"Expect": expect})

    assert answer.status == status


# a body that nobody reads


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(post(LENGTH % len(HIDDEN)) + HIDDEN, id="length"),
        pytest.param(post(CHUNKED) + chunked(HIDDEN), id="chunked"),
        pytest.param(post(LENGTH % 1000) + HIDDEN, id="incomplete"),
    ],
)
async def test_an_unread_body_is_never_taken_for_a_request(stage: Stage, request_bytes: bytes) -> None:
    """After an answer that did not read the body the connection ends; neither the body nor what follows is answered."""
    refuser = Refuser()
    stage.respond = refuser

    async with stage.connect() as client:
        await client.send(request_bytes + b"GET /second HTTP/1.1\r\nHost: test\r\n\r\n")
        client.finish_sending()
        answer = await client.answer()
        after = await client.rest()

    assert (answer.status, answer.header("connection"), after) == (401, "close", b"")
    assert refuser.paths == [b"/post"]


async def test_a_half_read_body_ends_the_connection_too(stage: Stage) -> None:
    """What counts is whether the body was read to its end."""

    async def respond(request: Request) -> Answer:
        async for _ in request.chunks(1000):
            break
        return text("enough")

    stage.respond = respond

    async with stage.connect() as client:
        await client.send(post(LENGTH % 100) + b"some")
        answer = await client.answer()
        await client.send(b"x" * 96 + HIDDEN)
        after = await client.rest()

    assert (answer.body, answer.header("connection"), after) == (b"enough", "close", b"")


async def test_a_refusal_reaches_a_client_that_is_still_sending(stage: Stage) -> None:
    """The answer is not lost to a TCP reset while the body that it refuses is on its way."""
    stage.respond = Refuser()
    body = b"x" * 700_000

    async with stage.connect() as client:
        await client.send(post(LENGTH % len(body)) + body)
        answer = await client.answer()
        after = await client.rest()

    assert (answer.status, answer.body, after) == (401, b"NOT_SIGNED_IN", b"")


async def test_a_refused_flood_is_cut_off(stage: Stage) -> None:
    """Only so much of an unread body is thrown away; after it the connection ends, whatever is still to come."""
    stage.respond = Refuser()

    async with stage.connect() as client:
        await client.send(post(LENGTH % 10**12))
        answer = await client.answer()
        sent = 0
        while sent < 64_000_000 and await client.send(b"x" * 100_000):
            sent += 100_000

    assert answer.status == 401
    assert sent < 64_000_000


async def test_an_unread_body_of_head_leaves_nothing_behind(stage: Stage) -> None:
    """HEAD and answers without a body close alike after a body that nobody read."""
    stage.respond = lambda request: Response(204, []) if request.method == "POST" else text("12345")

    for method, length in ((b"HEAD", "5"), (b"POST", None)):
        async with stage.connect() as client:
            await client.send(method + b" / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody")
            answer = await client.answer(method.decode())
            after = await client.rest()

        assert (answer.header("content-length"), answer.header("connection"), after) == (length, "close", b"")


async def test_an_answer_that_closes_says_so_once(stage: Stage) -> None:
    """An answer that asks for the end of the connection itself is not asked again."""
    stage.respond = lambda _: Response(400, [(b"connection", b"close")], b"broken")

    async with stage.connect() as client:
        answer = await client.request("POST", "/", body=b"unread")
        after = await client.rest()

    assert (answer.header("connection"), after) == ("close", b"")


# a client that leaves


@every_way
@pytest.mark.parametrize("framing", [LENGTH % 100, CHUNKED], ids=["length", "chunked"])
async def test_a_client_that_leaves_while_sending_is_noticed(stage: Stage, framing: bytes, way: str) -> None:
    """Reading the body of a client that went away raises ClientLeft; others are answered as before."""
    reader = Reader(1000, way)
    stage.respond = reader

    async with stage.connect() as client:
        await client.send(post(framing) + b"5\r\nab")
        client.reset()
        await reader.left.wait("the client's leaving was never noticed")

    async with stage.connect() as client:
        answer = await client.request("POST", "/", body=b"alive")
    assert answer.body == b"alive"


async def test_a_client_that_leaves_during_a_call_is_noticed(stage: Stage) -> None:
    """`wait_until_left` returns when the client has gone, for everyone who waits, and `left` says so."""
    began, noticed = Signal(), Signal()
    seen: list[bool] = []

    async def respond(request: Request) -> Answer:
        await request.body(10)
        seen.append(request.left)
        gives_up = asyncio.create_task(request.wait_until_left())
        stays = asyncio.create_task(request.wait_until_left())
        await asyncio.sleep(0)
        gives_up.cancel()
        began.give()
        await stays
        seen.append(request.left)
        noticed.give()
        return text("nobody reads this")

    stage.respond = respond

    async with stage.connect() as client:
        await client.send(post(LENGTH % 4) + b"body")
        await began.wait("the call never began")
    await noticed.wait("the client's leaving was never noticed")

    assert seen == [False, True]


async def test_waiting_for_a_client_to_leave_ends_with_the_answer(stage: Stage) -> None:
    """A client that was watched and stayed is answered, and its connection is used again."""
    waiters: list[asyncio.Task[None]] = []

    async def respond(request: Request) -> Answer:
        waiters.append(asyncio.create_task(request.wait_until_left()))
        await asyncio.sleep(0)
        return text("stayed")

    stage.respond = respond

    async with stage.connect() as client:
        answers = [await client.get("/") for _ in range(2)]
        await wait_until(lambda: all(waiter.done() for waiter in waiters), "somebody waited on after the answer")

    assert [answer.body for answer in answers] == [b"stayed"] * 2
    assert all(waiter.cancelled() for waiter in waiters)
