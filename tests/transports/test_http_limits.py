"""Limits: each bound that is held today, crossed; the others are named in decision 0002."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from antiphon.testing.waiting import wait_until
from tests.transports.serving import Served, Way, serving


async def test_a_request_line_over_its_bound_is_414_and_close(tmp_path: Path, way: Way) -> None:
    """`http.url_bytes`, path and query together."""
    async with serving(tmp_path, {"url_bytes": 100}, way) as served:
        assert (await served.get("/api/query?text=" + "x" * 50)).status == 200
        for path in ("/api/query?text=" + "x" * 100, "/api/word/" + "x" * 100):
            async with served.connect() as connection:
                answer = await connection.get(path)
                assert await connection.rest() == b""
            assert answer.status == 414
            assert answer.header("connection") == "close"
            assert json.loads(answer.body)["error"]["type"] == "URL_TOO_LONG"


async def test_a_request_line_is_measured_behind_good_ones_too(tmp_path: Path, way: Way) -> None:
    """Fields that were seen before are not judged again; the line is another each time."""
    async with serving(tmp_path, {"url_bytes": 100}, way) as served, served.connect() as connection:
        for _ in range(2):
            assert (await connection.get("/api/query?text=short")).status == 200
        assert (await connection.get("/api/query?text=" + "x" * 100)).status == 414


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X": "x" * 190}, 200),
        ({"X": "x" * 201}, 431),
        ({f"X{n}": "x" * 150 for n in range(3)}, 431),
        ({f"X{n}": "x" for n in range(5)}, 200),
        ({f"X{n}": "x" for n in range(10)}, 431),
    ],
)
async def test_headers_over_their_bounds_are_431_and_close(
    tmp_path: Path, way: Way, headers: dict[str, str], status: int
) -> None:
    """All of them, one of them, and their number."""
    bounds = {"header_bytes": 400, "one_header_bytes": 200, "header_count": 9}
    async with serving(tmp_path, bounds, way) as served, served.connect() as connection:
        answer = await connection.get("/api/word", headers)
        assert answer.status == status
        if status == 431:
            assert json.loads(answer.body)["error"]["type"] == "HEADERS_TOO_LARGE"
            assert answer.header("connection") == "close"
            assert await connection.rest() == b""


async def test_cookies_over_their_bound_are_431(tmp_path: Path, way: Way) -> None:
    """`http.cookie_bytes`, all of them together, in however many fields they come."""
    async with serving(tmp_path, {"cookie_bytes": 400}, way) as served:
        for sizes, status in (((390,), 200), ((411,), 431), ((190, 190), 200), ((210, 210), 431)):
            async with served.connect() as connection:
                fields = "".join(f"Cookie: a={'x' * (size - 2)}\r\n" for size in sizes)
                await connection.send(f"GET /api/word HTTP/1.1\r\nHost: test\r\n{fields}\r\n".encode())
                assert (await connection.answer()).status == status, sizes


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded"])
async def test_a_body_over_its_bound_is_413(tmp_path: Path, way: Way, kind: str) -> None:
    """`http.body_bytes`, whether its length was announced or not; closed if a part of it stays unread."""
    async with serving(tmp_path, {"body_bytes": 100}, way) as served:
        announced = await served.ask("POST", "/api/read/x", raw=b"x" * 101, content_type=kind)
        async with served.connect() as connection:
            await connection.send(
                f"POST /api/read/x HTTP/1.1\r\nHost: test\r\nContent-Type: {kind}\r\n"
                "Transfer-Encoding: chunked\r\n\r\n".encode()
            )
            await connection.send(b"3c\r\n" + b"x" * 60 + b"\r\n" + b"3c\r\n" + b"x" * 60 + b"\r\n")
            chunked = await connection.answer("POST")
            assert await connection.rest() == b""

    # The announced body may have arrived as a whole; then nothing of it is in the way of the next request.
    assert (announced.status, announced.type) == (413, "TOO_LARGE")
    assert (chunked.status, chunked.header("connection")) == (413, "close")


async def test_a_body_that_is_read_to_its_end_leaves_the_connection_open(tmp_path: Path, way: Way) -> None:
    """A fault in the inputs is no reason to close."""
    async with serving(tmp_path, way=way) as served, served.connect() as connection:
        answer = await connection.request("POST", "/api/strict", {"Content-Type": "application/json"}, b"{}")
        assert answer.status == 422
        assert (await connection.get("/api/word")).status == 200


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_a_body_that_does_not_arrive_is_408_and_close(tmp_path: Path, way: Way, method: str) -> None:
    """`http.body_time`; also of a body that would be thrown away."""
    async with serving(tmp_path, {"body_time": "100ms"}, way) as served, served.connect() as connection:
        path = "/api/read/x" if method == "POST" else "/api/query"
        await connection.send(
            f"{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
            "Content-Length: 10\r\n\r\n{".encode()
        )
        answer = await connection.answer(method)
        assert await connection.rest() == b""

    assert (answer.status, answer.header("connection")) == (408, "close")
    assert json.loads(answer.body)["error"]["type"] == "REQUEST_TIMEOUT"


async def test_the_time_of_a_body_is_not_the_time_of_its_call(tmp_path: Path) -> None:
    """A call begins when its inputs are there, and has its whole time then."""
    async with serving(tmp_path, {"call_time": "200ms"}) as served, served.connect() as connection:
        await connection.send(
            b"POST /api/read/x HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{"
        )
        began = asyncio.get_running_loop().time()
        await wait_until(lambda: asyncio.get_running_loop().time() - began > 0.5, "time never passed")
        await connection.send(b"}")
        assert (await connection.answer("POST")).status == 200


async def test_a_call_over_its_time_is_504(tmp_path: Path, way: Way) -> None:
    """`http.call_time`; whatever it was doing is cancelled."""
    async with serving(tmp_path, {"call_time": "100ms"}, way) as served:
        for method in ("GET", "PUT"):
            answer = await served.ask(method, "/api/slow")
            assert (answer.status, answer.type) == (504, "TIMED_OUT")
        assert served.watch.seen == ["get cancelled", "put cancelled"]


async def test_an_action_may_have_a_time_of_its_own(served: Served) -> None:
    """`timeout(...)`."""
    assert (await served.get("/api/limited")).status == 504


async def test_a_client_may_shorten_the_time_of_its_call(served_anyhow: Served) -> None:
    """`X-Request-Timeout`, in milliseconds."""
    assert (await served_anyhow.get("/api/slow", x_request_timeout="50")).status == 504
    assert (await served_anyhow.ask("PUT", "/api/slow", {}, x_request_timeout="50")).status == 504


async def test_a_client_cannot_lengthen_the_time_of_its_call(served: Served) -> None:
    """The action's own bound stays."""
    assert (await served.get("/api/limited", x_request_timeout="60000")).status == 504


@pytest.mark.parametrize("given", ["0", "-1", "1.5", "soon", "", "9999999999", "٣"])
async def test_a_time_that_is_none_is_400(served: Served, given: str) -> None:
    """It is a number of milliseconds."""
    async with served.connect() as connection:
        await connection.send(
            b"GET /api/word HTTP/1.1\r\nHost: test\r\nX-Request-Timeout: " + given.encode() + b"\r\n\r\n"
        )
        assert (await connection.answer()).status == 400


async def test_calls_over_their_number_are_503_with_retry_after(tmp_path: Path, way: Way) -> None:
    """`http.calls`; those that run are not disturbed, and the next one is served when one has ended."""
    async with serving(tmp_path, {"calls": 2}, way) as served:
        running = [asyncio.create_task(served.ask("PUT", "/api/slow")) for _ in range(2)]
        await wait_until(lambda: len(served.runtime.calls) == 2, "the calls never began")

        refused = await served.get("/api/word")
        probe = await served.get("/healthz")
        served.watch.event("go on").set()
        answers = await asyncio.gather(*running)

        assert (refused.status, refused.type) == (503, "UNAVAILABLE")
        assert refused.header("retry-after") == "1"
        assert probe.status == 200
        assert [answer.status for answer in answers] == [200, 200]
        assert (await served.get("/api/word")).status == 200


async def test_connections_over_their_number_are_503_and_closed(tmp_path: Path) -> None:
    """`http.connections`; those that are open go on being served."""
    async with serving(tmp_path, {"connections": 3}) as served:
        async with AsyncExitStack() as stack:
            first = [await stack.enter_async_context(served.connect()) for _ in range(3)]
            for connection in first:
                assert (await connection.get("/api/word")).status == 200
            async with served.connect() as late:
                refused = await late.get("/api/word")
                assert await late.rest() == b""
            for connection in first:
                assert (await connection.get("/api/word")).status == 200

        assert refused.status == 503
        assert refused.header("retry-after") == "1"
        assert refused.header("x-frame-options") == "DENY"
        assert json.loads(refused.body)["error"]["type"] == "UNAVAILABLE"

        async def there_is_room() -> bool:
            return (await served.get("/api/word")).status == 200

        await wait_until(there_is_room, "nobody was served again")


async def test_an_idle_connection_is_closed_silently(tmp_path: Path) -> None:
    """`http.idle_time` after its last answer."""
    async with serving(tmp_path, {"idle_time": "1s"}) as served, served.connect() as connection:
        assert (await connection.get("/api/word")).status == 200
        assert await connection.rest() == b""
