"""Streaming actions: events, JSON lines, how they end, and who holds back whom."""

from __future__ import annotations

import json
from pathlib import Path

from antiphon.testing.raw import BrokenAnswer
from antiphon.testing.waiting import wait_until
from tests.transports.serving import Served, form, serving
from tests.transports.surface import Watch

LINES = {"Accept": "application/jsonl"}


async def test_a_stream_is_server_sent_events(served_anyhow: Served) -> None:
    """Each item with its type, its number and its JSON; `done` at the end."""
    answer = await served_anyhow.get("/api/count?to=2")

    assert answer.status == 200
    assert answer.header("content-type") == "text/event-stream; charset=utf-8"
    assert answer.header("cache-control") == "no-store"
    assert answer.header("content-length") is None
    assert answer.body == (
        b'event: Tick\nid: 1\ndata: {"n":1}\n\n'
        b'event: Tick\nid: 2\ndata: {"n":2}\n\n'
        b"event: done\ndata: {}\n\n"
    )  # fmt: skip


async def test_a_stream_is_json_lines_for_who_prefers_them(served_anyhow: Served) -> None:
    """Under either of their names."""
    for kind in ("application/jsonl", "application/x-ndjson"):
        answer = await served_anyhow.get("/api/count?to=2", accept=f"{kind}, text/event-stream;q=0.5")
        assert answer.header("content-type") == kind
        assert answer.body == b'{"n":1}\n{"n":2}\n'


async def test_a_stream_in_no_form_that_the_client_takes_is_406(served: Served) -> None:
    """The answer says which there are."""
    answer = await served.get("/api/count", accept="text/html")

    assert (answer.status, answer.type) == (406, "NOT_ACCEPTABLE")
    assert "text/event-stream" in answer.error["message"]


async def test_bad_inputs_are_an_ordinary_422(served_anyhow: Served) -> None:
    """Before the stream begins."""
    answer = await served_anyhow.get("/api/count?to=0")

    assert (answer.status, answer.type) == (422, "INVALID_INPUT")


async def test_a_stream_is_refused_before_it_begins(served: Served) -> None:
    """401 to who is unknown, 403 to who may not; nothing was run."""
    assert (await served.get("/api/count/secret")).status == 401
    assert (await served.get("/api/count/secret", authorization="Bearer eve")).status == 403
    assert not served.watch.seen


async def test_a_failure_is_a_last_event(served_anyhow: Served) -> None:
    """With the error object, which has the request's id."""
    answer = await served_anyhow.get("/api/count/fail?kind=away")

    *_, kind, data, _, _ = answer.body.decode().split("\n")
    error = json.loads(data.removeprefix("data: "))["error"]
    assert kind == "event: error"
    assert (error["type"], error["retryAfter"]) == ("UNAVAILABLE", 7)
    assert error["requestId"] == answer.header("x-request-id")


async def test_a_failure_is_a_last_line(served_anyhow: Served) -> None:
    """`{"error": …}`, after the items that came before it."""
    answer = await served_anyhow.get("/api/count/fail?kind=conflict", accept="application/jsonl")

    first, last = answer.body.splitlines()
    assert first == b'{"n":1}'
    assert json.loads(last)["error"]["type"] == "CONFLICT"


async def test_a_defect_in_a_stream_tells_nothing_of_itself(served_anyhow: Served) -> None:
    """Not its text, not its place."""
    for accepted in ("text/event-stream", "application/jsonl"):
        answer = await served_anyhow.get("/api/count/fail", accept=accepted)
        assert b"DEFECT" in answer.body
        assert b"SELECT" not in answer.body
        assert b"Traceback" not in answer.body


async def test_an_item_that_is_no_json_is_a_defect_in_the_stream(served: Served) -> None:
    """The stream ends as every other that fails, and not with a broken connection."""
    answer = await served.get("/api/count/odd", accept="application/jsonl")

    assert json.loads(answer.body)["error"]["type"] == "DEFECT"


async def test_a_silent_stream_sends_comments(tmp_path: Path) -> None:
    """Every `http.comment_time`, so that no proxy takes it for dead; nothing is lost of the action meanwhile."""
    async with serving(tmp_path, {"comment_time": "50ms"}) as served, served.connect() as connection:
        await connection.send(b"GET /api/patient HTTP/1.1\r\nHost: test\r\n\r\n")
        await connection.head()
        assert (await connection.chunk()).startswith(b"event: Tick\nid: 1")
        assert await connection.chunk() == b":\n\n"
        assert await connection.chunk() == b":\n\n"
        served.watch.event("go on").set()
        came = await connection.chunk()
        while came == b":\n\n":
            came = await connection.chunk()
        assert came.startswith(b"event: Tick\nid: 2")
        assert (await connection.chunk()).startswith(b"event: done")


async def test_head_on_a_stream_runs_nothing(served_anyhow: Served) -> None:
    """The same headers as GET and no body; who may not see the stream may not see them either."""
    head = await served_anyhow.ask("HEAD", "/api/count/secret", authorization="Bearer ada")

    assert (head.status, head.body) == (200, b"")
    assert head.header("content-type") == "text/event-stream; charset=utf-8"
    assert not served_anyhow.watch.seen
    assert (await served_anyhow.ask("HEAD", "/api/count/secret")).status == 401
    assert (await served_anyhow.ask("HEAD", "/api/count?to=0")).status == 422


async def test_the_stream_of_a_client_that_leaves_is_closed(served_anyhow: Served) -> None:
    """Its generator is closed at its next wait, with its own cleaning up."""
    async with served_anyhow.connect() as connection:
        await connection.send(b"GET /api/endless HTTP/1.1\r\nHost: test\r\n\r\n")
        await connection.head()
        await connection.chunk()
        connection.reset()

    await wait_until(served_anyhow.watch.event("closed").is_set, "the generator was never closed")
    await wait_until(lambda: not served_anyhow.http.server.streams, "the stream was never forgotten")


async def _until_it_stands(watch: Watch) -> None:
    """Return when nothing has been made for a while: what the sockets and the client still take has been taken."""
    made, rounds = -1, 0

    def stands() -> bool:
        nonlocal made, rounds
        rounds = rounds + 1 if made == len(watch.seen) else 0
        made = len(watch.seen)
        return rounds > 25

    await wait_until(stands, "the stream never waited for its reader", within=10.0)


async def test_a_slow_reader_holds_back_only_its_own_stream(served_anyhow: Served) -> None:
    """Its action waits; other calls go on; what is held for it is bounded."""
    watch = served_anyhow.watch
    async with served_anyhow.connect(receive_bytes=4096) as slow:
        await slow.send(b"GET /api/endless?size=50000 HTTP/1.1\r\nHost: test\r\n\r\n")
        await slow.head()
        await _until_it_stands(watch)
        made = len(watch.seen)
        for _ in range(20):
            assert (await served_anyhow.get("/api/word")).status == 200
        assert len(watch.seen) == made
        slow.reset()
    await wait_until(watch.event("closed").is_set, "the generator was never closed")


async def test_a_time_limit_inside_a_stream_works_across_its_items(served: Served) -> None:
    """The action runs in one task from its first item to its last."""
    answer_task = served.get("/api/patient", accept="application/jsonl")
    served.watch.event("go on").set()

    assert (await answer_task).body == b'{"n":1}\n{"n":2}\n'


async def test_uploads_stay_until_the_stream_has_ended(served_anyhow: Served) -> None:
    """A streaming action reads its file while it streams; then the file goes."""
    kind, body = form(('name="file"; filename="a.txt"', b"content"))
    answer = await served_anyhow.ask("POST", "/api/count/file", raw=body, content_type=kind, accept="application/jsonl")

    assert [json.loads(line)["text"] for line in answer.body.splitlines()] == ["begin", "content"]
    await wait_until(lambda: not served_anyhow.uploads, "the upload was never removed")


async def test_a_connection_goes_on_after_a_stream(served_anyhow: Served) -> None:
    """A stream that came to its end leaves the connection as any answer does."""
    async with served_anyhow.connect() as connection:
        assert (await connection.get("/api/count", LINES)).status == 200
        assert (await connection.get("/api/word")).status == 200


async def test_a_stream_over_http_1_0_ends_with_the_connection(served: Served) -> None:
    """HTTP/1.0 knows no chunks."""
    async with served.connect() as connection:
        await connection.send(b"GET /api/count?to=1 HTTP/1.0\r\nAccept: application/jsonl\r\n\r\n")
        try:
            answer = await connection.answer()
        except BrokenAnswer:
            answer = None

    assert answer is not None
    assert answer.body in (b'{"n":1}\n', b'8\r\n{"n":1}\n\r\n0\r\n\r\n')
