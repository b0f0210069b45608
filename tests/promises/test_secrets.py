"""Secrets: what the settings keep, and what people show and are given, is nowhere where it can be read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from antiphon import Database
from antiphon.services.database import Schema
from antiphon.stores.base import Store
from antiphon.testing.app import HOST, HttpAnswer, TestApp
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.raw import RawHttp
from olympus.app import app
from tests.modules.identity_people import bearer, refreshed, with_tokens
from tests.modules.mails_stage import confirmed, mailed
from tests.olympus_stage import PASSWORD, Olympus, olympus_on

NEW_PASSWORD = "planted-password-of-tomorrow-1"
WRONG_PASSWORD = "planted-password-that-was-wrong-2"
IN_A_QUERY = "planted-in-a-query-3"
IN_A_HEADER = "planted-in-a-header-4"
IN_A_COOKIE = "planted-in-a-cookie-5"
IN_BROKEN_JSON = "planted-in-broken-json-6"
IN_AN_UNKNOWN_NAME = "planted-under-an-unknown-name-7"
ROOT = "planted-root-secret-8-of-more-than-thirty-two-bytes"


READ: dict[bytes, tuple[str, ...]] = {
    b"string": ("GET",),
    b"hash": ("HGETALL",),
    b"list": ("LRANGE", "0", "-1"),
    b"set": ("SMEMBERS",),
    b"zset": ("ZRANGE", "0", "-1"),
    b"stream": ("XRANGE", "-", "+"),
}
"""How each type of key is read whole."""


async def test_a_secret_of_the_settings_is_masked_in_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A password in a setting never reaches the log, not even inside a text that somebody else wrote."""
    url = f"sqlite:///{tmp_path}/pearls-of-the-deep.db"

    async with TestApp.start(app, tmp_path, {"DATABASE_URL": url, "LOG_LEVEL": "info"}) as running:
        running.runtime.log.info("something.happened", words=f"connecting to {url} failed")

    assert "something.happened" in (logged := capfd.readouterr().err)
    assert "connecting to *** failed" in logged


class Planted:
    """What was shown or given, by what it is, and the answers in which it must not stand."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {
            "the password": PASSWORD,
            "the next password": NEW_PASSWORD,
            "a wrong password": WRONG_PASSWORD,
            "in a query": IN_A_QUERY,
            "in a header": IN_A_HEADER,
            "in a cookie": IN_A_COOKIE,
            "in broken JSON": IN_BROKEN_JSON,
            "under an unknown name": IN_AN_UNKNOWN_NAME,
            "the root secret": ROOT,
        }
        self.answers: list[HttpAnswer] = []

    def told(self, answer: HttpAnswer) -> HttpAnswer:
        """An answer that gives no secret."""
        self.answers.append(answer)
        return answer

    def found_in(self, place: str, text: str) -> list[str]:
        """Which of them stand in a text, and where that is."""
        return [f"{what} in {place}" for what, secret in self.secrets.items() if secret in text]


@pytest.mark.lasting_keys("{jobs.*", "{known}*", "{events.*}:log")
async def test_no_planted_secret_is_found_anywhere(
    tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Passwords, cookies, tokens, keys and tickets: not in the log, errors, audit, queue, store, database or URLs."""
    planted = Planted()
    settings = {"LOG_LEVEL": "debug", "IDENTITY_SECRET": ROOT}
    # Not in a fixture: what is logged would go past `capfd`.
    async with olympus_on(tmp_path, database_url, valkey.url, store_prefix, settings=settings) as olympus:
        await use_everything(olympus, planted)
        await show_to_the_wrong_place(olympus, planted)
        database, store = await database_of(olympus), await store_of(olympus)

    log = capfd.readouterr().err
    found = [
        *planted.found_in("the log", log),
        *planted.found_in("the database", database),
        *planted.found_in("the database's file", files_of(tmp_path)),
        *planted.found_in("the store", store),
        *(line for each in planted.answers for line in planted.found_in("an answer", whole(each))),
    ]

    # What is no secret is found there, so whatever is would be too.
    assert ("session:create" in log, "ada@example.com" in database, "session" in store) == (True, True, True)
    assert len(planted.secrets) == 17
    assert all(len(secret) >= 16 for secret in planted.secrets.values())
    assert found == []


async def use_everything(olympus: Olympus, planted: Planted) -> None:
    """Sign in, refresh, open a ticket, make a key, forget the password and set another, as people do."""
    ada = await olympus.holder("customer", "Ada")
    tokens = await with_tokens(olympus, ada)
    planted.secrets["a session id"] = next(iter(ada.client.cookies.values()))
    planted.secrets["an access token"] = tokens["accessToken"]
    planted.secrets["a refresh token"] = tokens["refreshToken"]
    planted.secrets["the next refresh token"] = (await refreshed(olympus, tokens["refreshToken"])).json["refreshToken"]
    planted.secrets["a ticket"] = (await ada.client.post("/api/socket/ticket")).json["ticket"]
    made = await ada.client.put("/api/key", {"name": "a key", "permissions": ["task:*:own"]})
    key = made.json["key"]
    planted.secrets["an API key"] = key
    planted.secrets["its secret part"] = key.split("_", 2)[2]
    headers = {**bearer(tokens["accessToken"]), "Idempotency-Key": "a-key-of-a-client"}
    planted.told(await olympus.client().put("/api/message", {"body": "hello"}, headers))
    planted.told(await ada.client.get("/api/keys"))
    planted.told(await ada.client.get("/api/sessions"))
    planted.told(await ada.client.get("/api/me"))
    token = await mailed(olympus, ada)
    planted.secrets["a reset token"] = token.reveal()
    reset = planted.told(await confirmed(olympus, token, NEW_PASSWORD))
    assert reset.status == 204, reset.body


async def show_to_the_wrong_place(olympus: Olympus, planted: Planted) -> None:
    """Put secrets where they do not belong, and see what comes back."""
    client = olympus.client()
    wrong = {"email": "ada@example.com", "password": WRONG_PASSWORD}
    planted.told(await client.put("/api/session", wrong))
    planted.told(await client.put("/api/session", {**wrong, "email": WRONG_PASSWORD, "secret": IN_AN_UNKNOWN_NAME}))
    planted.told(await client.get("/api/me", {"Authorization": f"Bearer {IN_A_HEADER}"}))
    planted.told(await client.get("/api/me", {"Authorization": f"Basic {IN_A_HEADER}"}))
    planted.told(await client.get("/api/me", {"Cookie": f"session={IN_A_COOKIE}; other={IN_A_COOKIE}"}))
    for name in ("token", "access_token", "ticket", "password", "key"):
        planted.told(await client.get(f"/api/me?{name}={IN_A_QUERY}"))
        planted.told(await client.get(f"/api/messages/list?limit=x&{name}={IN_A_QUERY}"))
    broken = f'{{"email": "ada@example.com", "password": "{IN_BROKEN_JSON}'.encode()
    kind = {"Content-Type": "application/json"}
    planted.told(await client.request("PUT", "/api/session", headers=kind, raw=broken))
    planted.told(await client.request("PUT", "/api/user", headers=kind, raw=broken + b'", "name": 1, "email": 2}'))
    async with RawHttp.to(HOST, olympus.running.port) as connection:
        await connection.send(f"GET /api/me HTTP/1.1\r\nHost: a\r\nCookie {IN_A_COOKIE}\r\n\r\n".encode())
        planted.told(HttpAnswer(await connection.answer()))


def whole(answer: HttpAnswer) -> str:
    """An answer with its headers."""
    return f"{answer.raw.headers} {answer.body.decode('utf-8', 'replace')}"


async def database_of(olympus: Olympus) -> str:
    """Every row of every table, the audit log and the outbox among them."""
    runtime = olympus.running.runtime
    tables = runtime.require(Schema, "the test").metadata.tables.values()
    async with runtime.require(Database, "the test").transaction() as work:
        reader = work.unscoped("a test")
        return "".join([repr((await reader.execute(select(table))).all()) for table in tables])


def files_of(folder: Path) -> str:
    """The bytes of the database's files, those of rows that are gone among them."""
    return "".join(path.read_bytes().decode("latin-1") for path in folder.glob("*.db*"))


async def store_of(olympus: Olympus) -> str:
    """Every key of the store with what it holds: sessions, limits, queues, logs of events, kept answers."""
    store = olympus.running.runtime.require(Store, "the test")
    shown: list[Any] = []
    names: list[bytes] = await store.client.execute_command("KEYS", f"{store.key('')}*")
    for name in names:
        kind: bytes = await store.client.execute_command("TYPE", name)
        word, *rest = READ[bytes(kind)]
        shown += [name, await store.client.execute_command(word, name, *rest)]
    assert len(names) > 10
    return repr(shown)
