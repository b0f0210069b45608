"""Before anything is timed: every server answers the same bytes, and refuses the same bad inputs."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Generator
from contextlib import contextmanager

from bench.http.running import BenchFault, NotHere, Running
from bench.http.works import (
    BAD_PUTS,
    BLOCKED_AGENT,
    FEW,
    ITEM,
    ITEM_PATH,
    MANY,
    OTHER_ITEM,
    OTHER_SAVED,
    SAVED,
    STATUS_PATH,
    TALLY_PATH,
    WORKS,
    Work,
    status_answer,
)

ANSWER_END = b"}"
"""The last byte of every good answer, and nowhere else in it: how the load generator counts answers."""


def prove(server: Running) -> None:
    """Raise BenchFault, with what was asked and what came back, unless the server does the works as agreed."""
    with _connection(server) as connection:
        for count in (1, 2):
            _expect(server, connection, "GET", STATUS_PATH, answer=status_answer(count))
        if server.layered:
            _prove_layers(server, connection)
        else:
            _prove_puts(server, connection)
    _prove_framing(server)


def _prove_puts(server: Running, connection: http.client.HTTPConnection) -> None:
    _expect(server, connection, "PUT", ITEM_PATH, ITEM, answer=SAVED)
    for path in ("/api/items/7?notify=false", "/api/items/7"):
        _expect(server, connection, "PUT", path, OTHER_ITEM, answer=OTHER_SAVED)
    for words, (path, body) in BAD_PUTS.items():
        status, _, answer = _ask(connection, "PUT", path, body)
        if not 400 <= status < 500:
            raise BenchFault(
                f"{server.peer.name} accepts {words}: PUT {path} {body!r} was answered {status} {answer!r}"
            )


def _prove_layers(server: Running, connection: http.client.HTTPConnection) -> None:
    status, _, answer = _ask(connection, "GET", STATUS_PATH, agent=BLOCKED_AGENT)
    if status != 403:
        raise BenchFault(f"{server.peer.name} does not check: a blocked agent was answered {status} {answer!r}")
    before = _tally(connection)
    ids = {_ask(connection, "GET", STATUS_PATH)[1].get("x-request-id") for _ in range(3)}
    after = _tally(connection)
    if len(ids) != 3 or None in ids:
        raise BenchFault(f"{server.peer.name} does not give every answer its own X-Request-Id: {ids}")
    # Three calls, and one of the two questions themselves.
    for what in ("counted", "timed"):
        if after[what] - before[what] != 4:
            raise BenchFault(f"{server.peer.name} does not count every call as {what}: {before}, then {after}")


def _prove_framing(server: Running) -> None:
    # By bytes: what the load generator relies on.
    for work in WORKS.values():
        for headers in (FEW, MANY):
            if work.layered is server.layered:
                received = _sent(server, work.request(server.port, headers), answers=1)
                if not received.startswith(b"HTTP/1.1 200") or received.count(ANSWER_END) != 1:
                    raise BenchFault(
                        f"{server.peer.name} answers {work.words} in a form the load cannot count: {received!r}"
                    )


def prove_pipelining(server: Running, work: Work, pipeline: int) -> None:
    """Raise NotHere unless so many requests, sent at once on one connection, are all answered."""
    try:
        received = _sent(server, work.request(server.port) * pipeline, answers=pipeline)
    except (OSError, BenchFault) as fault:
        raise NotHere(f"it does not answer {pipeline} requests that are sent at once: {fault}") from fault
    if received.count(b"HTTP/1.1 200") != pipeline:
        raise NotHere(f"it does not answer each of {pipeline} requests that are sent at once: {received[:200]!r}")


def _sent(server: Running, request: bytes, *, answers: int) -> bytes:
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
        raw.sendall(request)
        while received.count(ANSWER_END) < answers:
            piece = raw.recv(65536)
            if not piece:
                raise BenchFault(f"{server.peer.name} closed the connection after {received!r}")
            received += piece
    return received


def _expect(
    server: Running,
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    answer: bytes,
) -> None:
    status, headers, received = _ask(connection, method, path, body)
    if status != 200 or received != answer or not headers.get("content-type", "").startswith("application/json"):
        raise BenchFault(
            f"{server.peer.name} answers {method} {path} with {status} {headers.get('content-type')} {received!r} "
            f"where 200 application/json {answer!r} was agreed"
        )


def _tally(connection: http.client.HTTPConnection) -> dict[str, int]:
    return json.loads(_ask(connection, "GET", TALLY_PATH)[2])


def _ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes = b"", *, agent: str = "proof"
) -> tuple[int, dict[str, str], bytes]:
    headers = {"User-Agent": agent} | ({"Content-Type": "application/json"} if body else {})
    connection.request(method, path, body or None, headers)
    answer = connection.getresponse()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


@contextmanager
def _connection(server: Running) -> Generator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        yield connection
    finally:
        connection.close()
