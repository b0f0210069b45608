"""Browsers: no page of another site acts for somebody who is signed in, and pages of ours keep nothing."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from antiphon.testing.app import HOST, HttpClient
from antiphon.testing.engines import ValkeyServer
from tests.olympus_stage import PASSWORD, Olympus, Person, olympus_on

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "olympus" / "board" / "page"
SCRIPTS = [*sorted(PAGE.glob("*.js")), ROOT / "src" / "antiphon" / "client" / "antiphon.js"]

LISTED, EVIL = "https://shop.example", "https://evil.example"


@pytest.fixture
async def olympus(tmp_path: Path, olympus_url: str, valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[Olympus]:
    """Olympus on SQLite, with one listed origin and with cookies as in production."""
    settings = {"HTTP_ORIGINS": LISTED, "SESSION_COOKIE_SECURE": "true", "LIMITS_ENABLED": "false"}
    async with olympus_on(tmp_path, olympus_url, valkey.url, store_prefix, settings=settings) as running:
        yield running


async def posted(person: Person) -> int:
    """How many messages there are."""
    return (await person.client.get("/api/messages/list")).json["pagination"]["total"]


# Cookies


async def test_the_cookie_is_small_and_closed(olympus: Olympus) -> None:
    """The cookie of a session is of this host alone, unreadable for scripts, for https, and far under 4 KiB."""
    ada = await olympus.person("Ada", signed_in=False)

    answer = await ada.client.put("/api/session", {"email": ada.email, "password": PASSWORD})

    (cookie,) = answer.raw.header_values("set-cookie")
    name, *marks = (part.strip() for part in cookie.split(";"))
    assert re.fullmatch(r"__Host-session=[\w-]{43,128}", name)
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(marks)
    assert not [mark for mark in marks if mark.lower().startswith("domain")]
    assert len(cookie) < 512


# Pages of other sites

# Sec-Fetch-Site and Origin ("-" is not sent), and whether it passes. "own" is the origin of the server itself.
TABLE = [
    ("same-origin", "-", True),
    ("same-origin", "own", True),
    ("none", "-", True),
    ("same-site", "own", False),
    ("same-site", LISTED, True),
    ("cross-site", "-", False),
    ("cross-site", EVIL, False),
    ("cross-site", "null", False),
    ("cross-site", "own", False),
    ("cross-site", LISTED, True),
    ("-", "own", True),
    ("-", LISTED, True),
    ("-", EVIL, False),
    ("-", f"{LISTED}.evil.example", False),
    ("-", "null", False),
    ("-", "-", True),
]


def sent(client: HttpClient, site: str, origin: str) -> dict[str, str]:
    """The headers of a row of the table."""
    origin = f"http://localhost:{client.port}" if origin == "own" else origin
    pairs = {"Sec-Fetch-Site": site, "Origin": origin}
    return {name: value for name, value in pairs.items() if value != "-"}


async def test_no_page_of_another_site_acts_with_a_cookie(olympus: Olympus) -> None:
    """With a cookie, without one and with a dead one: what may not pass is a 403, and does nothing."""
    ada, reader = await olympus.person("Ada"), await olympus.person("Bea")
    stale = {"Cookie": f"__Host-session={'x' * 43}"}
    cookies: dict[str, tuple[HttpClient, dict[str, str], int]] = {
        "own": (ada.client, {}, 201),
        "none": (olympus.client(), {}, 401),
        "stale": (olympus.client(), stale, 401),
    }
    passed = 0

    for site, origin, passes in TABLE:
        for kind, (client, cookie, status) in cookies.items():
            answer = await client.put("/api/message", {"body": "hello"}, {**cookie, **sent(client, site, origin)})
            assert (site, origin, kind, answer.status) == (site, origin, kind, status if passes else 403)
            passed += answer.status == 201

    assert await posted(reader) == passed == sum(passes for *_, passes in TABLE)


async def test_no_page_of_another_site_signs_anybody_in_or_out(olympus: Olympus) -> None:
    """Signing in, up and out from another site is a 403, sets no cookie and ends nothing."""
    ada = await olympus.person("Ada")
    stranger = olympus.client()
    evil = sent(stranger, "cross-site", EVIL)
    asked = [
        ("PUT", "/api/session", {"email": ada.email, "password": PASSWORD}),
        ("PUT", "/api/user", {"name": "Eve", "email": "eve@example.com", "password": PASSWORD}),
        ("POST", "/api/password/reset", {"email": ada.email}),
        ("DELETE", "/api/session", None),
    ]

    for method, path, body in asked:
        client = ada.client if method == "DELETE" else stranger
        answer = await client.request(method, path, body, headers=evil)
        assert (path, answer.status, answer.raw.header_values("set-cookie")) == (path, 403, [])

    assert stranger.cookies == {}
    assert (await ada.client.get("/api/me")).status == 200


async def test_json_in_disguise_is_not_read(olympus: Olympus) -> None:
    """JSON that a form could send, as text or without a type, is a 415; a form of another site is a 403."""
    ada = await olympus.person("Ada")
    body = json.dumps({"body": "hello"}).encode()
    own = sent(ada.client, "same-origin", "own")

    for kind in ("text/plain", "text/plain; charset=utf-8", "text/html", "application/octet-stream", "json", ""):
        headers = {**own, "Content-Type": kind} if kind else own
        answer = await ada.client.request("PUT", "/api/message", headers=headers, raw=body)
        assert (kind, answer.status) == (kind, 415)
    form = {**sent(ada.client, "cross-site", EVIL), "Content-Type": "application/x-www-form-urlencoded"}
    answer = await ada.client.request("PUT", "/api/message", headers=form, raw=b"body=hello")

    assert answer.status == 403
    assert await posted(ada) == 0


@pytest.mark.parametrize("origin", [EVIL, "null", f"{LISTED}.evil.example", "http://shop.example"])
async def test_an_evil_handshake_opens_nothing(olympus: Olympus, origin: str) -> None:
    """A page of another site opens no socket with somebody's cookie, nor with their ticket, which is left unused."""
    ada = await olympus.person("Ada")
    cookie = "; ".join(f"{name}={value}" for name, value in ada.client.cookies.items())
    ticket = (await ada.client.post("/api/socket/ticket")).json["ticket"]
    address = f"ws://{HOST}:{olympus.running.port}/ws"

    for url, headers in ((address, {"Cookie": cookie}), (f"{address}?ticket={ticket}", {})):
        with pytest.raises(InvalidStatus) as refused:
            async with connect(url, origin=Origin(origin), additional_headers=headers, proxy=None):
                pass
        assert refused.value.response.status_code == 403

    async with connect(f"{address}?ticket={ticket}", origin=Origin(LISTED), proxy=None) as client:
        assert ada.id in str(await client.recv())


# Pages of ours


class Fields(HTMLParser):
    """The input fields of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "input":
            self.found.append(dict(attrs))


def test_a_password_field_hides_and_takes_from_a_manager() -> None:
    """It is a field for passwords, names what a manager fills in, takes 256 characters, and nothing hinders pasting."""
    page = (PAGE / "index.html").read_text(encoding="utf-8")
    fields = [field for field in Fields(page).found if "password" in str(field.get("name"))]

    assert fields
    for field in fields:
        assert (field["type"], field["maxlength"]) == ("password", "256")
        assert field["autocomplete"] in ("current-password", "new-password")
        assert not [name for name in field if name.startswith("on")]
    assert not [
        script
        for script in SCRIPTS
        if re.search(
            r"[\"'.]on(paste|copy|drop)|[\"'](paste|copy|drop)[\"']\s*,\s*\(?\w*\)?\s*=>\s*\w+\.preventDefault",
            script.read_text(encoding="utf-8"),
        )
    ]


BANNED = (
    "localStorage", "sessionStorage", "indexedDB", "document.cookie", "innerHTML", "outerHTML", "insertAdjacentHTML",
    "document.write", "eval(", "new Function", "postMessage", "window.open", "setAttribute(\"on", "srcdoc", "DOMParser",
)  # fmt: skip


def test_pages_keep_nothing_and_build_no_markup() -> None:
    """No script of ours stores anything in the browser, reads cookies, makes markup of texts or talks to frames."""
    found = {(script.name, word) for script in SCRIPTS for word in BANNED if word in script.read_text(encoding="utf-8")}

    assert found == set()
