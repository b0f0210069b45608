"""Errors: the one object, its statuses, problem details, and which of several faults is told."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path

import pytest

from antiphon.core.errors import CALL_ERRORS, Defect
from antiphon.transports.http.errors import STATUS
from tests.transports.serving import Served, form, serving

PROBLEM = "application/problem+json"

ERRORS: list[tuple[str, int, str, dict[str, str]]] = [
    ("input", 422, "INVALID_INPUT", {}),
    ("unknown", 401, "NOT_SIGNED_IN", {"www-authenticate": "Bearer"}),
    ("refused", 403, "FORBIDDEN", {}),
    ("missing", 404, "NOT_FOUND", {}),
    ("conflict", 409, "CONFLICT", {}),
    ("often", 429, "TOO_MANY_CALLS", {"retry-after": "3"}),
    ("large", 413, "TOO_LARGE", {}),
    ("late", 504, "TIMED_OUT", {}),
    ("away", 503, "UNAVAILABLE", {"retry-after": "7"}),
    ("defect", 500, "DEFECT", {}),
    ("other", 500, "DEFECT", {}),
    ("promise", 500, "DEFECT", {}),
]


def test_every_error_has_its_status() -> None:
    """The table misses none, and has nothing else."""
    assert set(STATUS) == {*CALL_ERRORS, Defect}


@pytest.mark.parametrize(("kind", "status", "type", "headers"), ERRORS)
async def test_every_error_is_the_same_object(
    served: Served, kind: str, status: int, type: str, headers: dict[str, str]
) -> None:
    """Its type, a message, the request's id and the time; under its status and with its headers."""
    answer = await served.get(f"/api/error/{kind}")

    error = answer.error
    assert (answer.status, error["type"]) == (status, type)
    assert answer.header("content-type") == "application/json"
    assert answer.header("cache-control") == "no-store"
    assert error["requestId"] == answer.header("x-request-id")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", error["timestamp"])
    assert datetime.fromisoformat(error["timestamp"]).tzinfo
    assert error["message"]
    assert {name: answer.header(name) for name in headers} == headers


async def test_fields_are_there_where_inputs_are_to_blame(served: Served) -> None:
    """For INVALID_INPUT, and for CONFLICT where one input is; not elsewhere."""
    assert (await served.get("/api/error/input")).error["fields"] == [{"name": "name", "message": "is not liked"}]
    assert (await served.get("/api/error/conflict")).error["fields"] == [{"name": "name", "message": "is taken"}]
    assert "fields" not in (await served.get("/api/error/missing")).error


async def test_retry_after_is_in_the_object_as_well(served: Served) -> None:
    """In whole seconds, rounded up, for TOO_MANY_CALLS and UNAVAILABLE only."""
    assert (await served.get("/api/error/often")).error["retryAfter"] == 3
    assert (await served.get("/api/error/away")).error["retryAfter"] == 7
    assert "retryAfter" not in (await served.get("/api/error/late")).error


@pytest.mark.parametrize(("kind", "status", "type", "headers"), ERRORS)
async def test_errors_are_problem_details_for_who_prefers_them(
    served: Served, kind: str, status: int, type: str, headers: dict[str, str]
) -> None:
    """The same facts as RFC 9457 has them."""
    answer = await served.get(f"/api/error/{kind}", accept=PROBLEM)

    problem = answer.json
    assert (answer.status, answer.header("content-type")) == (status, PROBLEM)
    assert problem["status"] == status
    assert problem["type"] == f"/docs/errors#{type}"
    assert problem["instance"] == f"urn:uuid:{answer.header('x-request-id')}"
    assert problem["title"]
    assert problem["detail"]
    assert {name: answer.header(name) for name in headers} == headers


async def test_problem_details_name_fields_and_the_public_url(tmp_path: Path) -> None:
    """The type is a link to the documentation, under the address that clients know."""
    async with serving(tmp_path, {"public_url": "https://example.org"}) as served:
        problem = (await served.get("/api/error/input", accept=f"{PROBLEM}, */*;q=0.1")).json
        later = (await served.get("/api/error/away", accept=PROBLEM)).json

    assert problem["type"] == "https://example.org/docs/errors#INVALID_INPUT"
    assert problem["fields"] == [{"name": "name", "message": "is not liked"}]
    assert later["retryAfter"] == 7


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "application/json, application/problem+json", "text/html"]
)
async def test_errors_are_our_own_object_for_everybody_else(served: Served, accept: str) -> None:
    """An error is told in any case, whatever the client would rather have."""
    answer = await served.get("/api/error/missing", accept=accept)

    assert answer.header("content-type") == "application/json"


@pytest.mark.parametrize("path", ["/api/error/other", "/api/error/promise", "/api/instant", "/api/file?missing=true"])
async def test_a_defect_shows_nothing_of_itself(served_anyhow: Served, path: str) -> None:
    """Not its text, its SQL, its stack or its place; the id leads to the log."""
    for accept in ("application/json", PROBLEM):
        answer = await served_anyhow.get(path, accept=accept)
        assert answer.status == 500
        for word in (b"SELECT", b"password", b"Traceback", b"ValueError", b".py", b"surface"):
            assert word not in answer.body


@pytest.mark.parametrize(("method", "path"), [("PUT", "/api/location"), ("GET", "/api/instant")])
async def test_an_answer_that_cannot_be_made_is_a_defect_with_its_id(
    served_anyhow: Served, method: str, path: str
) -> None:
    """What goes wrong after the action is told like every other error."""
    answer = await served_anyhow.ask(method, path)

    assert (answer.status, answer.type) == (500, "DEFECT")
    assert answer.error["requestId"] == answer.header("x-request-id")
    assert answer.header("x-content-type-options") == "nosniff"


async def test_a_head_request_that_fails_has_no_body(served: Served) -> None:
    """The status and the headers say it."""
    answer = await served.ask("HEAD", "/api/error/missing")

    assert (answer.status, answer.body) == (404, b"")


# Order. Each request has every fault from its own on: the first is told, and the rest is not looked at.

CROSS_SITE = {"Sec-Fetch-Site": "cross-site"}
BAD_BODY = b"no json"


async def refused(served: Served, method: str, path: str, headers: dict[str, str], body: bytes = BAD_BODY) -> int:
    """The status of a request, sent on a connection of its own."""
    async with served.connect() as connection:
        answer = await connection.request(method, path, {"Host": "ours", "Content-Type": "text/plain", **headers}, body)
    assert json.loads(answer.body)["error"]["requestId"] == answer.header("x-request-id")
    return answer.status


async def test_the_first_of_several_faults_is_told(tmp_path: Path) -> None:
    """400, 414 and 431 before 421, 404, 405, 403, 401, 403, then what is wrong with the body, and 422."""
    eve, ada = {"Authorization": "Bearer eve"}, {"Authorization": "Bearer ada"}
    json_type = {"Content-Type": "application/json"}
    async with serving(tmp_path, {"hosts": ["ours"], "url_bytes": 200, "body_bytes": 100}) as served:
        elsewhere = {"Host": "elsewhere", **CROSS_SITE}
        assert await refused(served, "FETCH", "/api/x", elsewhere) == 400
        assert await refused(served, "DELETE", "/api/%zz", elsewhere) == 400
        assert await refused(served, "DELETE", "/api/" + "x" * 200, elsewhere) == 414
        assert await refused(served, "DELETE", "/api/nothing", {**elsewhere, "X": "x" * 9000}) == 431
        assert await refused(served, "DELETE", "/api/nothing", elsewhere) == 421
        assert await refused(served, "DELETE", "/api/nothing", CROSS_SITE) == 404
        assert await refused(served, "DELETE", "/api/secret", CROSS_SITE) == 405
        assert await refused(served, "PUT", "/api/secret", CROSS_SITE) == 403
        assert await refused(served, "PUT", "/api/secret", {}) == 401
        assert await refused(served, "PUT", "/api/secret", eve) == 403
        assert await refused(served, "PUT", "/api/secret", ada, b"x" * 101) == 413
        assert await refused(served, "PUT", "/api/secret", ada) == 415
        assert await refused(served, "PUT", "/api/secret", {**ada, **json_type}) == 400
        assert await refused(served, "PUT", "/api/secret", {**ada, **json_type}, b"{}") == 422


async def test_permission_comes_before_inputs(served: Served) -> None:
    """Nobody learns what an action takes by sending it bad inputs."""
    kind, body = form(('name="file"; filename="a"', b"x"))

    assert (await served.ask("PUT", "/api/secret", {"text": 1})).status == 401
    assert (await served.ask("PUT", "/api/file/secret", raw=body, content_type=kind)).status == 401
    assert served.uploads == []


async def test_faults_of_the_wire_are_the_same_object(served_anyhow: Served) -> None:
    """Found before there is a call, and told like an error of one; also as problem details."""
    for path in ("/api/nothing", "/api/%zz"):
        answer = await served_anyhow.get(path)
        assert set(answer.error) == {"type", "message", "requestId", "timestamp"}
        problem = await served_anyhow.get(path, accept=PROBLEM)
        assert problem.json["status"] == problem.status


async def test_bytes_that_are_no_request_get_the_same_object(served: Served) -> None:
    """400 and close, with an id, from the listener itself."""
    async with served.connect() as connection:
        await connection.send(b"\x16\x03\x01 what is this\r\n\r\n")
        answer = await connection.answer()
        assert await connection.rest() == b""

    error = json.loads(answer.body)["error"]
    assert (answer.status, error["type"]) == (400, "MALFORMED")
    assert error["requestId"] == answer.header("x-request-id")
    assert answer.header("connection") == "close"
    assert answer.header("date")
    assert answer.header("x-frame-options") == "DENY"


async def test_bytes_that_are_no_request_never_end_up_in_another_answer(served: Served) -> None:
    """While an answer is on its way, nothing is written into it; the refusal follows it, and the connection ends."""
    watch = served.watch
    async with served.connect() as connection:
        await connection.send(
            b"PUT /api/slow HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n\x00 garbage \x00\r\n\r\n"
        )
        await watch.event("put began").wait()
        watch.event("go on").set()
        answer = await connection.answer("PUT")
        refusal = await connection.answer()
        assert await connection.rest() == b""

    assert (answer.status, refusal.status, refusal.header("connection")) == (200, 400, "close")
