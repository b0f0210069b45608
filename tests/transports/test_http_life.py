"""Life: readiness, clients that leave, connections that go on, and the drain."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from antiphon.testing.raw import RawHttp
from antiphon.testing.waiting import wait_until
from tests.transports.serving import Answered, Served, Way, serving


@asynccontextmanager
async def draining(served: Served) -> AsyncGenerator[asyncio.Task[None]]:
    """The application on its way to its end; at the end of the block it has ended."""
    ending = asyncio.create_task(served.app.stop())
    try:
        await asyncio.sleep(0)
        yield ending
    finally:
        await ending


async def ready(connection: RawHttp) -> tuple[int, dict[str, object]]:
    """What /readyz says on a connection that stays."""
    answer = await connection.get("/readyz")
    return answer.status, json.loads(answer.body)


async def test_healthz_is_200_while_the_loop_turns(served_anyhow: Served) -> None:
    """Without looking at anything else, and without a session."""
    answer = await served_anyhow.get("/healthz")

    assert answer.status == 200
    assert answer.header("set-cookie") is None


async def test_readyz_is_200_with_its_checks(served_anyhow: Served) -> None:
    """This application leans on nothing that could be away."""
    answer = await served_anyhow.get("/readyz")

    assert (answer.status, answer.json) == (200, {"ready": True, "checks": {}})


async def test_metrics_count_calls_without_their_paths(served: Served) -> None:
    """By action, transport and outcome."""
    await served.get("/api/word/secret-id")
    await served.get("/api/error/conflict")
    answer = await served.get("/metrics")

    assert (answer.header("content-type") or "").startswith("text/plain")
    assert b'antiphon_calls_total{action="word:view",outcome="OK",transport="http"} 1.0' in answer.body
    assert b'antiphon_calls_total{action="error:raise",outcome="CONFLICT",transport="http"} 1.0' in answer.body
    assert b"secret-id" not in answer.body


async def test_metrics_are_off_in_production_and_the_probes_are_not(tmp_path: Path) -> None:
    """Until a setting switches them on; whoever looks after the process can always ask how it is."""
    secure = {"cookie_secure": True}
    async with serving(tmp_path, {"hosts": ["*"]}, environment="production", session=secure) as served:
        assert (await served.get("/metrics")).status == 404
        assert (await served.get("/healthz")).status == 200


# Clients that leave


async def test_a_client_that_leaves_cancels_its_get(served_anyhow: Served) -> None:
    """At its next wait: nobody wants its answer."""
    async with served_anyhow.connect() as connection:
        await connection.send(b"GET /api/slow HTTP/1.1\r\nHost: test\r\n\r\n")
        await wait_until(served_anyhow.watch.event("get began").is_set, "the call never began")
        connection.reset()

    await wait_until(lambda: served_anyhow.watch.seen == ["get cancelled"], "the call was never cancelled")
    await wait_until(lambda: not len(served_anyhow.runtime.calls), "the call never ended")
    assert dict(served_anyhow.runtime.runner("slow:get").tallies["http"].outcomes) == {"LEFT": 1}


async def test_a_client_that_leaves_does_not_stop_its_put(served_anyhow: Served) -> None:
    """It runs to its end; its result is dropped."""
    async with served_anyhow.connect() as connection:
        await connection.send(b"PUT /api/slow HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")
        await wait_until(served_anyhow.watch.event("put began").is_set, "the call never began")
        connection.reset()
    # A GET of the same client would have been cancelled by now: sweeps come once a second.
    async with served_anyhow.connect() as other:
        await other.send(b"GET /api/slow HTTP/1.1\r\nHost: test\r\n\r\n")
        await wait_until(served_anyhow.watch.event("get began").is_set, "the other call never began")
        other.reset()
    await wait_until(lambda: served_anyhow.watch.seen == ["get cancelled"], "the other call was never cancelled")
    served_anyhow.watch.event("go on").set()

    await wait_until(lambda: "put done" in served_anyhow.watch.seen, "the call never came to its end")


# Connections that go on


async def test_a_connection_goes_on_after_faults(served_anyhow: Served) -> None:
    """Where nothing of the request stays unread, there is no reason to close."""
    async with served_anyhow.connect() as connection:
        for method, path, status in (
            ("GET", "/api/nothing", 404),
            ("GET", "/api/%zz", 400),
            ("POST", "/api/word", 405),
            ("PUT", "/api/secret", 401),
            ("GET", "/api/query?number=x", 422),
            ("GET", "/api/error/other", 500),
            ("GET", "/api/error/away", 503),
            ("GET", "/api/count", 200),
            ("DELETE", "/api/word/7", 204),
        ):
            answer = await connection.request(method, path)
            assert answer.status == status
            assert answer.header("connection") is None


async def test_pipelined_requests_are_answered_in_their_order(served_anyhow: Served) -> None:
    """One after the other."""
    async with served_anyhow.connect() as connection:
        await connection.send(b"".join(b"GET /api/word/%d HTTP/1.1\r\nHost: test\r\n\r\n" % n for n in range(5)))
        answers = [Answered(await connection.answer()) for _ in range(5)]

    assert [answer.json["id"] for answer in answers] == ["0", "1", "2", "3", "4"]


# The drain


async def test_readiness_is_off_before_the_listener_closes(tmp_path: Path) -> None:
    """For `http.drain_delay` calls are served as ever, so that who asks /readyz can look elsewhere."""
    async with serving(tmp_path, {"drain_delay": "300ms"}) as served, served.connect() as connection:
        async with draining(served) as ending:
            status, told = await ready(connection)
            fresh = await served.get("/api/word")
            assert not ending.done()

    assert (status, told["ready"]) == (503, False)
    assert fresh.status == 200
    assert fresh.header("connection") is None


async def test_a_drain_waits_for_running_calls(tmp_path: Path) -> None:
    """Their answers come whole, with `Connection: close`; new connections are not taken meanwhile."""
    async with serving(tmp_path) as served:
        asked = asyncio.create_task(served.ask("PUT", "/api/slow"))
        await wait_until(served.watch.event("put began").is_set, "the call never began")
        async with draining(served) as ending:

            async def closed() -> bool:
                try:
                    async with served.connect():
                        return False
                except (ConnectionRefusedError, ConnectionResetError):
                    # Reset: it was on its way when the listener closed.
                    return True

            await wait_until(closed, "the listener never closed")
            assert not ending.done()
            served.watch.event("go on").set()
            answer = await asked

    assert answer.status == 200
    assert answer.header("connection") == "close"
    assert served.watch.seen == ["put done"]


async def test_an_open_connection_is_served_until_the_last_call_has_ended(tmp_path: Path) -> None:
    """Its next answer closes it, and /readyz on it says why."""
    async with serving(tmp_path) as served, served.connect() as connection:
        assert (await connection.get("/api/word")).status == 200
        asked = asyncio.create_task(served.ask("PUT", "/api/slow"))
        await wait_until(served.watch.event("put began").is_set, "the call never began")
        async with draining(served):
            answer = await connection.get("/readyz")
            assert await connection.rest() == b""
            served.watch.event("go on").set()
            await asked

    assert answer.status == 503
    assert answer.header("connection") == "close"
    assert json.loads(answer.body) == {"ready": False, "checks": {"draining": "yes"}}


async def test_what_a_drain_has_no_time_for_is_told_so(tmp_path: Path) -> None:
    """After `http.drain_time` a call is cancelled: 503 and when to ask again, not a broken connection."""
    async with serving(tmp_path, {"drain_time": "100ms"}) as served:
        asked = asyncio.create_task(served.ask("PUT", "/api/slow"))
        await wait_until(served.watch.event("put began").is_set, "the call never began")
        async with draining(served):
            answer = await asked

    assert (answer.status, answer.type) == (503, "UNAVAILABLE")
    assert answer.header("retry-after") == "1"
    assert served.watch.seen == ["put cancelled"]


async def test_events_end_with_a_retry(tmp_path: Path) -> None:
    """So that the client comes back, to whoever serves then; the action is closed."""
    async with serving(tmp_path) as served, served.connect() as connection:
        await connection.send(b"GET /api/endless HTTP/1.1\r\nHost: test\r\n\r\n")
        await connection.head()
        assert (await connection.chunk()).startswith(b"event: Word")
        async with draining(served):
            assert await connection.chunk() == b"retry: 2000\n\n"
            assert await connection.chunk() == b""

    assert served.watch.event("closed").is_set()


async def test_lines_that_were_cut_short_say_so(tmp_path: Path) -> None:
    """A stream of JSON lines that just ended would be taken for whole."""
    async with serving(tmp_path) as served, served.connect() as connection:
        await connection.send(b"GET /api/endless HTTP/1.1\r\nHost: test\r\nAccept: application/jsonl\r\n\r\n")
        await connection.head()
        assert (await connection.chunk()).startswith(b'{"text"')
        async with draining(served):
            last = await connection.chunk()
            assert await connection.chunk() == b""

    assert json.loads(last)["error"]["type"] == "UNAVAILABLE"


async def test_idle_connections_do_not_hold_a_drain_up(tmp_path: Path, way: Way) -> None:
    """They are closed when the last call has ended."""
    async with serving(tmp_path, way=way) as served, served.connect() as connection:
        assert (await connection.get("/api/word")).status == 200
        if way == "listener":
            async with draining(served):
                assert await connection.rest() == b""


async def test_a_client_that_takes_nothing_does_not_hold_a_drain_up(tmp_path: Path) -> None:
    """Its connection is cut after a moment."""
    async with serving(tmp_path) as served, served.connect(receive_bytes=4096) as slow:
        await slow.send(b"GET /api/endless?size=500000 HTTP/1.1\r\nHost: test\r\n\r\n")
        await slow.head()
        async with draining(served):
            pass

    assert served.watch.event("closed").is_set()


async def test_an_application_can_start_again(tmp_path: Path) -> None:
    """Nothing of its first life is left in the second."""
    async with serving(tmp_path) as served:
        await served.app.stop()
        async with served.app.running(environ={"ANTIPHON_ENV": "test"}, listen=True):
            again = Served(served.app, served.http.port, served.watch, tmp_path)
            assert (await again.get("/readyz")).status == 200
            assert (await again.get("/api/word")).header("connection") is None
