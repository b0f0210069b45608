"""People of the bench: they sign up, sign in, and come with a cookie, a token or a key."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bench.auth.cases import CASES, Case, Shown
from bench.auth.serve import PASSWORD
from bench.http.proof import ANSWER_END
from bench.http.running import BenchFault, Running

HEADERS: dict[Shown, str] = {"": "", "cookie": "Cookie", "token": "Authorization", "key": "Authorization"}
UNKNOWN: dict[Shown, str] = {"cookie": "session=unknown", "token": "Bearer unknown", "key": "Bearer atk_unknown"}
PERMISSION = "order:edit:tenant"


@dataclass(frozen=True)
class Person:
    """Somebody with an account, and the header that each way of being known is sent in."""

    email: str
    shows: Mapping[Shown, str]

    def request(self, case: Case, port: int) -> bytes:
        """The bytes of one call."""
        lines = [f"GET {case.path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
        if case.shown:
            lines.append(f"{HEADERS[case.shown]}: {self.shows[case.shown]}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n"

    def sign_in(self, port: int) -> bytes:
        """The bytes of one sign-in."""
        body = json.dumps({"email": self.email, "password": PASSWORD}, separators=(",", ":")).encode()
        lines = ["PUT /api/session HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Type: application/json"]
        lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def sign_up(server: Running, count: int) -> list[str]:
    """The emails of so many people with accounts."""
    emails: list[str] = []
    for number in range(count):
        email = f"person{number}@example.com"
        given = {"name": f"Person {number}", "email": email, "password": PASSWORD}
        _said(server, "PUT", "/api/user", given, expects=201)
        emails.append(email)
    return emails


def somebody(server: Running) -> Person:
    """A person who may do what the cases ask for, known in each of the three ways."""
    given = {"name": "Hera", "email": "hera@example.com", "password": PASSWORD}
    made, _ = _said(server, "PUT", "/api/user", given, expects=201)
    _said(server, "PUT", "/api/promote", {"userId": made["id"]}, expects=204)
    signing = {"email": given["email"], "password": PASSWORD}
    _, cookie = _said(server, "PUT", "/api/session", signing, expects=201)
    wanted = {"name": "bench", "permissions": [PERMISSION]}
    key, _ = _said(server, "PUT", "/api/key", wanted, {"Cookie": cookie}, expects=201)
    return renewed(server, Person(given["email"], {"cookie": cookie, "key": f"Bearer {key['key']}"}))


def renewed(server: Running, person: Person) -> Person:
    """The same person with a new access token."""
    signing = {"email": person.email, "password": PASSWORD, "tokens": True}
    tokens, _ = _said(server, "PUT", "/api/session", signing, expects=201)
    return replace(person, shows={**person.shows, "token": f"Bearer {tokens['tokens']['accessToken']}"})


def prove(server: Running, person: Person) -> None:
    """Raise BenchFault unless each case answers as it should, and to nobody who only pretends."""
    for case in CASES:
        headers = {HEADERS[case.shown]: person.shows[case.shown]} if case.shown else {}
        answer, _ = _said(server, "GET", case.path, None, headers, expects=200)
        if answer.get("name") != "bench" or json.dumps(answer).encode().count(ANSWER_END) != 1:
            raise BenchFault(f"{case.path} answers in a form the load cannot count: {answer}")
        if case.shown:
            _said(server, "GET", case.path, None, {HEADERS[case.shown]: UNKNOWN[case.shown]}, expects=401)
            _said(server, "GET", case.path, None, {}, expects=401)


def _said(
    server: Running,
    method: str,
    path: str,
    body: object,
    headers: Mapping[str, str] | None = None,
    *,
    expects: int,
) -> tuple[Any, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        sent = None if body is None else json.dumps(body)
        kinds = {} if body is None else {"Content-Type": "application/json"}
        connection.request(method, path, sent, {**kinds, **(headers or {})})
        answer = connection.getresponse()
        received = answer.read()
    finally:
        connection.close()
    if answer.status != expects:
        raise BenchFault(f"{method} {path} was answered {answer.status} {received!r}, not {expects}; {server.said()}")
    cookie = (answer.getheader("set-cookie") or "").partition(";")[0]
    return json.loads(received) if received else None, cookie
