"""Documentation and counters behind a rule: who is let in, with what, and what everybody else is told."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from antiphon import ANONYMOUS, App, Caller, Context, Http, Module, SetupError, anyone, service, signed_in
from antiphon.core.session import Identifier
from antiphon.modules import status
from antiphon.testing.app import BASE, HttpClient

PRODUCTION = {
    "ANTIPHON_ENV": "production",
    "HTTP_HOSTS": "*",
    "SESSION_COOKIE_SECURE": "true",
    "HTTP_DOCS": "true",
    "HTTP_METRICS": "true",
}
TOKEN = "a-token-of-more-than-thirty-two-characters"
DOCS = ["/docs", "/docs/openapi.json", "/docs/errors", "/docs/swagger-ui-bundle.js", "/api/swagger"]


class Names(Identifier):
    """Knows whoever shows a name, as `Authorization: Bearer ada`; Hera is an admin."""

    async def identify(self, ctx: Context) -> Caller:
        name = ctx.connection.bearer
        if name not in ("ada", "hera"):
            return ANONYMOUS
        return Caller(kind="user", id=name, roles=frozenset({"admin"} if name == "hera" else ()))


@service
async def names() -> AsyncIterator[Names]:
    """The callers of these tests."""
    yield Names()


def application(folder: Path, http: Http | None = None) -> App:
    """An application that knows callers and describes itself."""
    people = Module(__name__, needs=[Names])
    return App("people", modules=[people, status], transports=[http or Http()], folder=folder)


@asynccontextmanager
async def open_to(folder: Path, environ: Mapping[str, str], http: Http | None = None) -> AsyncGenerator[HttpClient]:
    """A client of it."""
    app = application(folder, http)
    async with app.running(environ={**BASE, **environ}, listen=True):
        yield HttpClient(app.transport(Http).port or 0)


def bearer(token: str) -> dict[str, str]:
    """The header that shows a token."""
    return {"Authorization": f"Bearer {token}"}


# The rule


@pytest.mark.parametrize("path", [*DOCS, "/metrics"])
async def test_in_production_admins_are_let_in_and_nobody_else(tmp_path: Path, path: str) -> None:
    """Who is not signed in gets 401, who is no admin 403, both as ordinary errors."""
    async with open_to(tmp_path, PRODUCTION) as client:
        nobody, ada, hera = (
            await client.get(path),
            await client.get(path, bearer("ada")),
            await client.get(path, bearer("hera")),
        )

    assert (nobody.status, nobody.error["type"]) == (401, "NOT_SIGNED_IN")
    assert (nobody.header("www-authenticate") or "").startswith("Bearer")
    assert (ada.status, ada.error["type"]) == (403, "FORBIDDEN")
    assert hera.status == 200


@pytest.mark.parametrize("path", [*DOCS, "/metrics"])
async def test_outside_production_everybody_is_let_in(tmp_path: Path, path: str) -> None:
    """Nothing has to be said at home."""
    async with open_to(tmp_path, {}) as client:
        assert (await client.get(path)).status == 200


async def test_the_application_says_which_rules(tmp_path: Path) -> None:
    """`Http(docs=…, metrics=…)` take any rule, and count in every environment."""
    http = Http(docs=signed_in, metrics=anyone)
    async with open_to(tmp_path, PRODUCTION, http) as client:
        docs = [(await client.get("/docs", headers)).status for headers in (None, bearer("ada"))]
        swagger = [(await client.get("/api/swagger", headers)).status for headers in (None, bearer("ada"))]
        metrics = (await client.get("/metrics")).status
    async with open_to(tmp_path, {}, http.fresh()) as client:
        at_home = (await client.get("/docs")).status

    assert (docs, swagger, metrics, at_home) == ([401, 200], [401, 200], 200, 401)


async def test_head_is_refused_as_get_is(tmp_path: Path) -> None:
    """It would tell the length otherwise."""
    async with open_to(tmp_path, PRODUCTION) as client:
        refused = await client.request("HEAD", "/docs")
        shown = await client.request("HEAD", "/docs", headers=bearer("hera"))

    assert (refused.status, refused.body) == (401, b"")
    assert shown.status == 200


@pytest.mark.parametrize("path", DOCS[:4])
async def test_no_shared_cache_keeps_what_is_behind_a_rule(tmp_path: Path, path: str) -> None:
    """A cache on the way would show it to the next one, whoever that is."""
    async with open_to(tmp_path, PRODUCTION) as client:
        kept = (await client.get(path, bearer("hera"))).header("cache-control") or ""

    assert kept == "no-store" or "private" in kept


async def test_what_is_off_is_not_there_for_admins_either(tmp_path: Path) -> None:
    """The switch comes before the rule: 404, whoever asks."""
    async with open_to(tmp_path, {**PRODUCTION, "HTTP_DOCS": "false", "HTTP_METRICS": "false"}) as client:
        statuses = [(await client.get(path, bearer("hera"))).status for path in (*DOCS, "/metrics")]

    assert statuses == [404] * 6


@pytest.mark.parametrize("part", ["docs", "metrics"])
async def test_a_rule_that_nobody_could_pass_stops_the_start(tmp_path: Path, part: str) -> None:
    """Without sign-in there is no admin; the message says what to write instead."""
    app = App("people", folder=tmp_path)
    environ = {**BASE, **PRODUCTION, "HTTP_DOCS": "false", "HTTP_METRICS": "false", f"HTTP_{part.upper()}": "true"}

    with pytest.raises(SetupError, match=rf"http\.{part} is on.*Http\({part}=anyone\)"):
        await app.start(environ=environ)


# The token


async def test_a_scraper_needs_no_session(tmp_path: Path) -> None:
    """With the token of the settings the counters are given out; an admin still sees them as well."""
    async with open_to(tmp_path, {**PRODUCTION, "HTTP_METRICS_TOKEN": TOKEN}) as client:
        statuses = [(await client.get("/metrics", bearer(token))).status for token in (TOKEN, "hera")]

    assert statuses == [200, 200]


@pytest.mark.parametrize(
    "headers",
    [{}, bearer(""), bearer(TOKEN[:-1]), bearer(TOKEN + "x"), {"Authorization": f"Basic {TOKEN}"}, {"Cookie": TOKEN}],
)
async def test_any_other_token_is_refused(tmp_path: Path, headers: dict[str, str]) -> None:
    """Also one that is nearly right, or that comes in another way."""
    async with open_to(tmp_path, {**PRODUCTION, "HTTP_METRICS_TOKEN": TOKEN}) as client:
        answer = await client.get("/metrics", headers)

    assert (answer.status, answer.error["type"]) == (401, "NOT_SIGNED_IN")


async def test_without_a_token_in_the_settings_an_empty_one_opens_nothing(tmp_path: Path) -> None:
    """No token is not the token of no characters."""
    async with open_to(tmp_path, PRODUCTION) as client:
        assert (await client.get("/metrics", bearer(""))).status == 401


async def test_the_token_is_for_the_counters_alone(tmp_path: Path) -> None:
    """A scraper's configuration lies in more hands than the documentation is for."""
    async with open_to(tmp_path, {**PRODUCTION, "HTTP_METRICS_TOKEN": TOKEN}) as client:
        assert (await client.get("/docs", bearer(TOKEN))).status == 401


async def test_a_token_counts_at_home_too(tmp_path: Path) -> None:
    """Whoever sets one wants to see that it is asked for."""
    async with open_to(tmp_path, {"HTTP_METRICS_TOKEN": TOKEN}) as client:
        assert [(await client.get("/metrics", headers)).status for headers in (None, bearer(TOKEN))] == [401, 200]


async def test_with_a_token_the_application_needs_no_callers(tmp_path: Path) -> None:
    """A service without any sign-in can be watched in production."""
    app = App("people", folder=tmp_path)
    environ = {**BASE, **PRODUCTION, "HTTP_DOCS": "false", "HTTP_METRICS_TOKEN": TOKEN}
    async with app.running(environ=environ, listen=True):
        client = HttpClient(app.transport(Http).port or 0)
        assert [(await client.get("/metrics", headers)).status for headers in (None, bearer(TOKEN))] == [401, 200]


@pytest.mark.parametrize(
    ("token", "environment", "fault"),
    [
        ("guessable", "production", "too short"),
        ("with a space, and long enough otherwise", "test", "cannot stand in a header"),
        ("ein-gehütetes-geheimnis-mit-genug-zeichen", "test", "cannot stand in a header"),
    ],
)
async def test_a_bad_token_stops_the_start_and_is_not_shown(
    tmp_path: Path, token: str, environment: str, fault: str
) -> None:
    """One that could be guessed, and one that no scraper could send."""
    environ = {**BASE, **PRODUCTION, "ANTIPHON_ENV": environment, "HTTP_METRICS_TOKEN": token}

    with pytest.raises(SetupError, match=fault) as refused:
        await application(tmp_path).start(environ=environ)

    assert token not in str(refused.value)
