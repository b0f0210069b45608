"""Good requests, however they are written and cut, are read as what they are, and answered in their order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.wire.request import Request
from antiphon.wire.response import Answer, StreamResponse
from tests.wire.server.good import Good, Read, read_all, requests
from tests.wire.server.stage import TEXT, Asked, Stage, text
from tests.wire.server.talking import Talk, bytewise, cut, talking

places = st.lists(st.integers(0, 100_000), max_size=12)
streams = st.lists(requests(), min_size=1, max_size=6)


@given(streams, places)
def test_a_good_stream_is_read_as_it_was_meant_however_it_is_cut(stream: list[Good], at: list[int]) -> None:
    """Blanks, case, chunks, extensions and trailers change nothing, and neither do the edges of segments."""
    data = b"".join(good.data for good in stream)

    assert read_all(cut(data, at)) == [good.read for good in stream]


@given(requests())
def test_a_good_request_is_read_byte_by_byte(good: Good) -> None:
    """The finest cut there is."""
    assert read_all(bytewise(good.data)) == [good.read]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_good_stream_is_answered_in_order_on_a_socket(data: st.DataObject) -> None:
    """Over a real connection the same calls arrive, and the answers leave in their order, however slow each is."""
    stream = data.draw(st.lists(requests(), min_size=1, max_size=8))
    ways = data.draw(st.lists(st.sampled_from(["now", "later", "stream"]), min_size=len(stream), max_size=len(stream)))
    at = data.draw(places)

    asked, bodies = asyncio.run(_talk(stream, ways, at))

    assert [_read(each) for each in asked] == [good.read for good in stream]
    expected = [b"" if good.read.method == "HEAD" else b"%d:" % n + good.read.body for n, good in enumerate(stream)]
    assert bodies == expected


async def _talk(stream: list[Good], ways: list[str], at: list[int]) -> tuple[list[Asked], list[bytes]]:
    """Send a stream to a server whose answers come in these ways; what it was asked, and what it answered."""
    left = iter(enumerate(ways))
    async with Stage() as stage, talking(stage) as client:

        async def answer(request: Request) -> Answer:
            number, way = next(left)
            asked = stage.asked[-1]
            asked.body = await request.body(1000)
            body = b"%d:" % number + asked.body
            if way == "later":
                for _ in range(5):
                    await asyncio.sleep(0)
            # HTTP/1.0 could not tell the end of a stream but by the end of the connection.
            if way == "stream" and request.version == "1.1":
                return StreamResponse(200, TEXT, _pieces(body))
            return text(body)

        stage.plays_all = answer
        reading = asyncio.create_task(_bodies(client, stream))
        await client.segments(cut(b"".join(good.data for good in stream), at))
        return stage.asked, await reading


async def _bodies(client: Talk, stream: list[Good]) -> list[bytes]:
    return [(await client.answer(good.read.method)).body for good in stream]


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for byte in bytewise(body):
        await asyncio.sleep(0)
        yield byte


def _read(asked: Asked) -> Read:
    body = asked.body if asked.body is not None else b""
    return Read(asked.method, asked.path, asked.query, asked.version, tuple(asked.headers), body)
