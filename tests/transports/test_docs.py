"""The documentation pages: whole from the package, locked down, and cheap to ask for again."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest

from antiphon.core.errors import CALL_ERRORS, Defect
from antiphon.testing.app import HttpAnswer, HttpClient
from antiphon.transports.http.openapi.errors import ErrorRow, error_rows
from antiphon.transports.http.pages import SWAGGER, errors_page
from antiphon.wire.faults import FAULTS
from tests.transports import openapi_actions
from tests.transports.openapi_document import actions, keyed_document
from tests.transports.served import served

BUNDLE = "/docs/swagger-ui-bundle.js"
ASSETS = ["/docs/favicon.png", "/docs/pages.css", "/docs/swagger-ui.css", BUNDLE]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[HttpClient]:
    """A client of an application with actions of every kind."""
    async with served(tmp_path, modules=[openapi_actions.__name__]) as client:
        yield client


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def values(self, attribute: str) -> list[str]:
        """Every value of an attribute."""
        return [value for _, attributes in self.found if (value := attributes.get(attribute))]


def nonce_of(answer: HttpAnswer) -> str:
    """The nonce that an answer's policy names."""
    found = re.search(r"script-src 'self' 'nonce-([\w-]{22})';", answer.header("content-security-policy") or "")
    assert found is not None
    return found[1]


# Swagger UI


async def test_every_script_of_the_page_carries_the_nonce(client: HttpClient) -> None:
    """The policy admits the scripts of the page, and no other that somebody could write into it."""
    answer = await client.get("/docs")
    assert answer.status == 200
    assert answer.header("content-type") == "text/html; charset=utf-8"
    scripts = [attributes for tag, attributes in Tags(answer.body).found if tag == "script"]
    assert [script.get("nonce") for script in scripts] == [nonce_of(answer)] * 2


async def test_no_two_answers_share_a_nonce(client: HttpClient) -> None:
    """Whoever reads one page knows nothing of the next one, and no cache keeps it."""
    first, second = await client.get("/docs"), await client.get("/docs")
    assert nonce_of(first) != nonce_of(second)
    assert first.header("cache-control") == "no-store"


async def test_the_page_has_the_policy_of_pages(client: HttpClient) -> None:
    """It may load from its own origin, be framed by nobody, and use nothing of what browsers ask people for."""
    answer = await client.get("/docs")
    policy = (answer.header("content-security-policy") or "").replace(nonce_of(answer), "…")
    assert policy == (
        "default-src 'self'; script-src 'self' 'nonce-…'; img-src 'self' data:; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    assert answer.header("cross-origin-opener-policy") == "same-origin"
    assert "camera=()" in (answer.header("permissions-policy") or "")
    assert answer.header("x-content-type-options") == "nosniff"


@pytest.mark.parametrize("page", ["/docs", "/docs/errors"])
async def test_a_page_loads_only_what_is_served_here(client: HttpClient, page: str) -> None:
    """Everything a page names is at a relative address, which answers."""
    tags = Tags((await client.get(page)).body)
    addresses = [address for address in tags.values("src") + tags.values("href") if not address.startswith("#")]
    assert addresses
    for address in addresses:
        assert not address.startswith(("/", "http"))
        assert (await client.get(urljoin(page, address))).status == 200


async def test_the_page_is_titled_as_the_application(client: HttpClient) -> None:
    """The name is text, whatever is in it."""
    page = (await client.get("/docs")).body
    assert b"<title>people &amp; &lt;places&gt;</title>" in page


async def test_the_document_of_the_page_is_served_beside_it(client: HttpClient) -> None:
    """The page works whether or not an action gives the document: it has its own address."""
    answer = await client.get("/docs/openapi.json")
    assert answer.header("content-type") == "application/json"
    assert answer.json["paths"] == keyed_document()["paths"]


# Assets


@pytest.mark.parametrize("path", ASSETS)
async def test_an_asset_may_be_kept_for_an_hour(client: HttpClient, path: str) -> None:
    """Browsers and caches ask again after that, with the tag of what they have."""
    answer = await client.get(path)
    assert (answer.status, answer.header("cache-control")) == (200, "public, max-age=3600")
    again = await client.get(path, {"If-None-Match": answer.header("etag") or ""})
    assert (again.status, again.body) == (304, b"")


async def test_an_asset_is_what_lies_in_the_package(client: HttpClient) -> None:
    """The bytes are those of the vendored file."""
    assert (await client.get(BUNDLE)).body == (SWAGGER / "swagger-ui-bundle.js").read_bytes()


async def test_an_asset_is_sent_compressed(client: HttpClient) -> None:
    """With a tag of its own for each coding, by which the client is known to have it."""
    plain, packed = await client.get(BUNDLE), await client.get(BUNDLE, {"Accept-Encoding": "gzip"})
    assert packed.header("content-encoding") == "gzip"
    assert packed.header("vary") == "origin, accept-encoding"
    assert gzip.decompress(packed.body) == plain.body
    assert packed.header("etag") != plain.header("etag")
    again = await client.get(BUNDLE, {"Accept-Encoding": "gzip", "If-None-Match": packed.header("etag") or ""})
    assert (again.status, again.header("etag")) == (304, packed.header("etag"))


async def test_a_picture_is_not_compressed(client: HttpClient) -> None:
    """It is compressed already."""
    answer = await client.get("/docs/favicon.png", {"Accept-Encoding": "gzip"})
    assert answer.header("content-encoding") is None


@pytest.mark.parametrize("path", ["/docs", "/docs/errors", BUNDLE])
async def test_head_tells_what_get_would(client: HttpClient, path: str) -> None:
    """The same length, and no body."""
    got, head = await client.get(path), await client.request("HEAD", path)
    assert (head.status, head.body) == (200, b"")
    assert head.header("content-length") == got.header("content-length")


def test_vendored_assets_come_with_their_licences() -> None:
    """Whoever gets the package gets the licence, the notice and the version of what is not ours."""
    assert "Apache License" in (SWAGGER / "LICENSE").read_text()
    assert "SmartBear" in (SWAGGER / "NOTICE").read_text()
    assert re.fullmatch(r"swagger-ui-dist \d+\.\d+\.\d+\n", (SWAGGER / "VERSION").read_text())


# Errors


async def test_every_error_has_an_anchor(client: HttpClient) -> None:
    """Those of calls, those of the wire, and those of the application's own code."""
    anchors = Tags((await client.get("/docs/errors")).body).values("id")
    known = {error.type for error in (*CALL_ERRORS, Defect)}
    assert set(anchors) == known | set(FAULTS) | {openapi_actions.Sold.type}
    assert len(anchors) == len(set(anchors))


async def test_the_type_of_a_problem_leads_to_the_page(client: HttpClient) -> None:
    """The address in problem details is that of the page, with the anchor of the error."""
    answer = await client.get("/nowhere", {"Accept": "application/problem+json"})
    page, _, anchor = answer.json["type"].partition("#")
    assert anchor in Tags((await client.get(page)).body).values("id")


async def test_the_page_of_errors_runs_no_inline_script(client: HttpClient) -> None:
    """It has no script, and its policy admits none but files."""
    answer = await client.get("/docs/errors")
    assert "script-src 'self';" in (answer.header("content-security-policy") or "")
    assert b"<script" not in answer.body


def test_words_of_an_error_are_text() -> None:
    """Nothing in a message or a meaning becomes markup, except code."""
    page = errors_page("<b>", {"ODD": ErrorRow("ODD", 400, "<i>", "`<u>` & more")})
    assert b"&lt;b&gt;" in page
    assert b"<p>&lt;i&gt;</p>" in page
    assert b"<p><code>&lt;u&gt;</code> &amp; more</p>" in page


def test_an_error_of_ones_own_is_listed_last() -> None:
    """The page begins with what all applications have."""
    rows = error_rows(actions())
    assert list(rows)[-1] == "SOLD"
    assert rows["SOLD"] == ErrorRow("SOLD", 409, "This is sold.", "Somebody else was faster.")


# Off


@pytest.mark.parametrize("path", ["/docs", "/docs/openapi.json", "/docs/errors", BUNDLE])
async def test_docs_can_be_switched_off(tmp_path: Path, path: str) -> None:
    """With `http.docs` off nothing of them is there."""
    async with served(tmp_path, environ={"HTTP_DOCS": "false"}) as client:
        assert (await client.get(path)).status == 404


async def test_docs_are_off_in_production(tmp_path: Path) -> None:
    """They are shown there only when that is said, and then to those whom a rule admits."""
    production = {"ANTIPHON_ENV": "production", "HTTP_HOSTS": "localhost", "SESSION_COOKIE_SECURE": "true"}
    async with served(tmp_path, environ=production) as client:
        assert (await client.get("/docs", {"Host": "localhost"})).status == 404
