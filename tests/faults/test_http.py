"""A served application is stopped, crowded, lied to, and loses what it leans on; callers are told, nothing is lost."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from signal import Signals
from time import monotonic

import pytest

from antiphon.testing.engines import PostgresServer, ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.faults.http_process import AppProcess, checked
from tests.faults.http_writer import Writer

LONG = 20.0
"""Seconds that prove by far that somebody was answered, and did not wait for what is away."""


@pytest.mark.parametrize("signal", [Signals.SIGTERM, Signals.SIGINT])
async def test_a_stop_under_load_loses_no_accepted_call(tmp_path: Path, signal: Signals) -> None:
    """Every write that was acknowledged is there, every call that was taken is answered, and the exit code is 0."""
    async with AppProcess.run(tmp_path) as app:
        await app.listens()
        writers = [Writer(app, first) for first in range(0, 8_000_000, 1_000_000)]
        writing = [asyncio.create_task(writer.write()) for writer in writers]
        await wait_until(
            lambda: all(len(writer.acknowledged) > 5 for writer in writers), "the load never began", within=30.0
        )
        app.send(signal)
        code = await app.ended()
        await asyncio.gather(*writing)

    with closing(sqlite3.connect(tmp_path / "var" / "suffering.db")) as database:
        rows = {row for (row,) in database.execute("SELECT id FROM counters")}
    acknowledged = {number for writer in writers for number in writer.acknowledged}
    assert code == 0
    assert acknowledged <= rows
    # At most the one call that each writer sent while its connection was being closed can be without an answer.
    assert len(rows - acknowledged) <= sum(writer.broken for writer in writers)


async def test_a_second_signal_exits_at_once(tmp_path: Path) -> None:
    """With 1, whatever still runs."""
    async with AppProcess.run(tmp_path) as app:
        await app.listens()
        async with app.connect() as connection:
            await connection.send(b"PUT /api/wait HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")
            await wait_until(lambda: app.status("GET", "/healthz"), "it never answered")
            app.send(Signals.SIGTERM)
            await wait_until(lambda: "app.draining" in app.said, "it never began to drain")
            app.send(Signals.SIGTERM)
            assert await app.ended() == 1


async def test_what_stands_at_the_start_is_not_walked_through_again(tmp_path: Path) -> None:
    """The collector has only what came since to look at, however large the application is."""
    async with AppProcess.run(tmp_path) as app:
        await app.listens()
        async with app.connect() as connection:
            answer = await connection.get("/api/heap")
        heap = json.loads(answer.body)

    assert heap["settled"] > 10 * heap["walked"] > 0


async def test_a_port_that_is_taken_is_exit_78_with_a_clear_message(tmp_path: Path) -> None:
    """It says which port, and what to do."""
    async with AppProcess.run(tmp_path / "one") as first:
        await first.listens()
        port = first.port
        async with AppProcess.run(tmp_path / "two", {"PORT": str(port)}) as second:
            assert await second.ended() == 78
            assert f"port {port}" in second.said
            assert "PORT" in second.said
            assert "Traceback" not in second.said
        assert await first.status("GET", "/healthz") == 200


# Bytes that are no request, or more than one

GET = b"GET /api/rows HTTP/1.1\r\nHost: test\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: test\r\n\r\n"
GARBAGE = {
    "nothing": b"",
    "half a line": b"GET /api",
    "half a head": GET + b"X: y",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    "zeros": bytes(10_000),
    "every byte": bytes(range(256)) * 50,
    "a long line": b"A" * 200_000,
    "nul in a header": GET + b"X: a\0b\r\n\r\n",
    "nul in the path": b"GET /\0 HTTP/1.1\r\nHost: test\r\n\r\n",
    "a bare lf": b"GET /api/rows HTTP/1.1\nHost: test\n\n",
    "a bare cr": GET + b"X: a\rY: b\r\n\r\n",
    "a folded line": GET + b"X: a\r\n b\r\n\r\n",
    "a space before the colon": GET + b"X : a\r\n\r\n",
    "no version": b"GET /api/rows\r\nHost: test\r\n\r\n",
    "http 9": b"GET /api/rows HTTP/9.9\r\nHost: test\r\n\r\n",
    "connect": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "an absolute target": b"GET http:///// HTTP/1.1\r\nHost: test\r\n\r\n",
    "a bad length": b"PUT /api/row HTTP/1.1\r\nHost: test\r\nContent-Length: -1\r\n\r\n",
    "a huge length": b"PUT /api/row HTTP/1.1\r\nHost: test\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    "a bad chunk": b"PUT /api/row HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "many heads": GET * 50,
}


@pytest.fixture
async def listening(tmp_path: Path) -> AsyncIterator[AppProcess]:
    """One that listens."""
    async with AppProcess.run(tmp_path) as app:
        await app.listens()
        yield app


async def test_garbage_never_ends_the_server(tmp_path: Path) -> None:
    """Whatever comes is answered with 400 or not at all, and the next connection is served."""
    async with AppProcess.run(tmp_path) as app:
        await app.listens()
        for name, data in GARBAGE.items():
            async with app.connect() as connection:
                await connection.send(data)
                connection.finish_sending()
                if name in ("tls", "zeros", "every byte", "nul in a header", "a space before the colon", "http 9"):
                    answer = checked(await connection.answer())
                    assert answer.status == 400, name
                    assert json.loads(answer.body)["error"]["type"] == "MALFORMED"
            async with app.connect() as connection:
                await connection.send(data)
                connection.reset()
            assert await app.status("GET", "/api/rows") == 200, name
        app.send(Signals.SIGTERM)
        assert await app.ended() == 0
    assert "Traceback" not in app.said


SMUGGLED = {
    "both lengths": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two lengths": b"Content-Length: 5\r\nContent-Length: 0\r\n\r\n" + HIDDEN,
    "a signed length": b"Content-Length: +0\r\n\r\n" + HIDDEN,
    "a length in hex": b"Content-Length: 0x0\r\n\r\n" + HIDDEN,
    "a list of lengths": b"Content-Length: 0, 0\r\n\r\n" + HIDDEN,
    "another coding last": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a strange coding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a space before the colon": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a bad chunk size": b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + HIDDEN,
    "a signed chunk size": b"Transfer-Encoding: chunked\r\n\r\n-0\r\n\r\n" + HIDDEN,
    "an upgrade with a body": b"Connection: upgrade\r\nUpgrade: x\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "a body nobody read": b"Content-Type: text/plain\r\nContent-Length: 2000000\r\n\r\n" + HIDDEN,
}


@pytest.mark.parametrize("name", SMUGGLED)
async def test_no_byte_of_a_broken_request_becomes_the_next_one(listening: AppProcess, name: str) -> None:
    """What two servers could read differently is never answered twice."""
    async with listening.connect() as connection:
        await connection.send(b"PUT /api/row HTTP/1.1\r\nHost: test\r\n" + SMUGGLED[name])
        connection.finish_sending()
        try:
            came = await connection.rest()
        except ConnectionResetError:
            came = b""

    assert came.count(b"HTTP/1.1 ") <= 1, came
    assert b"HTTP/1.1 404" not in came


# What it leans on goes away


async def seen_away(app: AppProcess, method: str, path: str) -> None:
    """Callers are told 503 and when to ask again, within bounds; the process itself is well."""
    for number in range(3):
        began = monotonic()
        answer = await app.ask(method, path, {"number": 1000 + number})
        assert monotonic() - began < LONG
        assert answer.status == 503, answer
        assert answer.header("retry-after")
        assert json.loads(answer.body)["error"]["type"] == "UNAVAILABLE"
    assert await app.status("GET", "/healthz") == 200


async def serves_again(app: AppProcess, method: str, path: str) -> None:
    """Soon after its return everything works, and nobody restarted anything."""
    number = iter(range(10_000, 20_000))

    async def works() -> bool:
        return await app.status(method, path, {"number": next(number)}) == 201

    await wait_until(works, "it never served again", within=30.0)
    assert await app.status(method, path, {"number": next(number)}) == 201


@pytest.mark.parametrize("how", ["killed", "hanging"])
async def test_the_database_goes_and_comes_back(tmp_path: Path, how: str) -> None:
    """503 with Retry-After while it is away, killed or silent, and 201 again afterwards; what was written is there."""
    async with PostgresServer() as server:
        url = await server.create_database()
        async with AppProcess.run(tmp_path, {"DATABASE_URL": url}) as app:
            await app.listens()
            assert await app.status("PUT", "/api/row", {"number": 1}) == 201
            await (server.kill() if how == "killed" else _pause(server))
            await seen_away(app, "PUT", "/api/row")
            await (server.start() if how == "killed" else _resume(server))
            await serves_again(app, "PUT", "/api/row")
            count = json.loads((await app.ask("GET", "/api/rows")).body)["number"]
            app.send(Signals.SIGTERM)
            assert await app.ended() == 0
    assert count >= 2


@pytest.mark.parametrize("how", ["killed", "hanging"])
async def test_the_store_goes_and_comes_back(tmp_path: Path, how: str) -> None:
    """The same of the store; meanwhile the process is not ready, and calls that do not need it are served."""
    async with ValkeyServer() as server, AppProcess.run(tmp_path, {"REDIS_URL": server.url}) as app:
        await app.listens()
        assert await app.status("PUT", "/api/key", {"number": 1}) == 201
        await (server.kill() if how == "killed" else _pause(server))
        await seen_away(app, "PUT", "/api/key")
        ready = await app.ask("GET", "/readyz")
        other = await app.status("PUT", "/api/row", {"number": 1})
        await (server.start() if how == "killed" else _resume(server))
        await serves_again(app, "PUT", "/api/key")
        again = await app.status("GET", "/readyz")
        app.send(Signals.SIGTERM)
        assert await app.ended() == 0

    assert (ready.status, json.loads(ready.body)["checks"]["store"]) == (503, "down")
    assert (other, again) == (201, 200)


async def _pause(server: PostgresServer | ValkeyServer) -> None:
    server.pause()


async def _resume(server: PostgresServer | ValkeyServer) -> None:
    server.resume()
