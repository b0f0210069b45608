"""Browsers: who may ask from which page, what pages may read, and the headers that guard every answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.transports.serving import Served, serving

PAGE = "https://shop.example"
OTHER = "https://evil.example"
HOST = {"host": "api.example"}
OWN = "http://api.example"

SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
}

# Sec-Fetch-Site, Origin, and whether an unsafe request with them passes. "-" stands for a header that is not sent.
SITES = [
    ("same-origin", "-", True),
    ("same-origin", OWN, True),
    ("same-origin", OTHER, True),
    ("none", "-", True),
    ("same-site", "-", False),
    ("same-site", OWN, False),
    ("same-site", PAGE, True),
    ("same-site", "null", False),
    ("cross-site", "-", False),
    ("cross-site", OTHER, False),
    ("cross-site", OWN, False),
    ("cross-site", "null", False),
    ("cross-site", PAGE, True),
    ("nonsense", "-", False),
    ("-", "-", True),
    ("-", OWN, True),
    ("-", "http://api.example:80", False),
    ("-", "http://API.example", False),
    ("-", "https://api.example", False),
    ("-", "http://api.example:8080", False),
    ("-", "http://x.api.example", False),
    ("-", PAGE, True),
    ("-", f"{PAGE}.evil.example", False),
    ("-", PAGE.upper(), False),
    ("-", f"{PAGE}:443", False),
    ("-", f"{PAGE}/", False),
    ("-", "http://shop.example", False),
    ("-", OTHER, False),
    ("-", "null", False),
]


def sent(site: str, origin: str) -> dict[str, str]:
    """The headers of a row."""
    headers = dict(HOST)
    if site != "-":
        headers["sec_fetch_site"] = site
    if origin != "-":
        headers["origin"] = origin
    return headers


@pytest.mark.parametrize(("site", "origin", "passes"), SITES)
async def test_an_unsafe_request_of_another_site_is_403(
    tmp_path: Path, site: str, origin: str, *, passes: bool
) -> None:
    """Fetch metadata decides where it is sent, the origin where it is not; the list lets pages in."""
    async with serving(tmp_path, {"origins": [PAGE]}) as served:
        for method, path in (("PUT", "/api/error/missing"), ("DELETE", "/api/word/7"), ("PATCH", "/api/word/7")):
            answer = await served.ask(method, path, raw=None, **sent(site, origin))
            assert (answer.status != 403) is passes
            assert passes or answer.type == "FORBIDDEN"


@pytest.mark.parametrize(("site", "origin"), [("cross-site", OTHER), ("-", "null"), ("-", OTHER)])
async def test_a_safe_request_passes_from_anywhere(served: Served, site: str, origin: str) -> None:
    """GET, HEAD and OPTIONS change nothing."""
    for method in ("GET", "HEAD", "OPTIONS"):
        assert (await served.ask(method, "/api/word", raw=None, **sent(site, origin))).status in (200, 204)


async def test_the_session_is_guarded_like_everything_else(served_anyhow: Served) -> None:
    """Signing somebody in from another site is refused before anything is read."""
    answer = await served_anyhow.ask("POST", "/api/session", raw=b"not read", **sent("cross-site", OTHER))

    assert (answer.status, answer.type) == (403, "FORBIDDEN")
    assert answer.header("set-cookie") is None


# CORS


async def test_a_listed_origin_may_read(tmp_path: Path) -> None:
    """It is named, with credentials, and told which headers it may see."""
    async with serving(tmp_path, {"origins": [PAGE]}) as served:
        answer = await served.get("/api/word", origin=PAGE)

    assert answer.header("access-control-allow-origin") == PAGE
    assert answer.header("access-control-allow-credentials") == "true"
    assert answer.header("access-control-expose-headers") == (
        "buffer-pressure, data-age, etag, idempotent-replayed, link, location, ratelimit, ratelimit-policy, "
        "retry-after, x-request-id, x-total-count"
    )
    assert answer.header("vary") == "origin"


@pytest.mark.parametrize(
    "origin",
    [OTHER, "null", f"{PAGE}:443", f"{PAGE}.evil.example", "https://x.shop.example", "http://shop.example", ""],
)
async def test_an_unlisted_origin_is_told_nothing(tmp_path: Path, origin: str) -> None:
    """Suffixes, prefixes, ports and schemes are other origins; `null` is nobody even when it is listed."""
    async with serving(tmp_path, {"origins": [PAGE, "null"]}) as served:
        for method in ("GET", "OPTIONS"):
            answer = await served.ask(method, "/api/word", origin=origin, access_control_request_method="GET")
            assert not [name for name, _ in answer.raw.headers if name.startswith("access-control-")]
            assert answer.header("vary") == "origin"


async def test_without_a_list_no_origin_may_read(served: Served) -> None:
    """It is empty by default."""
    answer = await served.get("/api/word", origin=PAGE)

    assert answer.header("access-control-allow-origin") is None
    assert answer.header("vary") == "origin"


async def test_any_origin_may_read_without_credentials(tmp_path: Path) -> None:
    """`*` never reflects an origin, is not for `null`, and lets no page change anything."""
    async with serving(tmp_path, {"origins": ["*"]}) as served:
        answer = await served.get("/api/word", origin=OTHER)
        nobody = await served.get("/api/word", origin="null")
        unsafe = await served.ask("DELETE", "/api/word/7", origin=OTHER)

    assert answer.header("access-control-allow-origin") == "*"
    assert answer.header("access-control-allow-credentials") is None
    assert nobody.header("access-control-allow-origin") is None
    assert unsafe.status == 403


async def test_a_preflight_tells_what_may_be_asked(tmp_path: Path) -> None:
    """The methods of that path, the headers, and for how long; 204, without asking who it is."""
    async with serving(tmp_path, {"origins": [PAGE]}) as served:
        answer = await served.ask("OPTIONS", "/api/secret", origin=PAGE, access_control_request_method="PUT")

    assert answer.status == 204
    assert answer.header("access-control-allow-origin") == PAGE
    assert answer.header("access-control-allow-credentials") == "true"
    assert answer.header("access-control-allow-methods") == "GET, HEAD, OPTIONS, PUT"
    assert answer.header("access-control-max-age") == "600"
    assert answer.header("access-control-allow-headers") == (
        "authorization, consistency, content-type, idempotency-key, if-match, if-none-match, "
        "traceparent, tracestate, x-request-timeout"
    )


async def test_options_that_is_no_preflight_may_be_read_as_well(tmp_path: Path) -> None:
    """A page of a listed origin reads its `Allow`; nothing is said of what may be asked."""
    async with serving(tmp_path, {"origins": [PAGE]}) as served:
        answer = await served.ask("OPTIONS", "/api/word", origin=PAGE)

    assert answer.header("access-control-allow-origin") == PAGE
    assert answer.header("access-control-allow-methods") is None


# (method, path, status): one for each way in which an answer is made.
ANSWERS = [
    ("GET", "/api/word", 200),
    ("GET", "/api/word/fast", 200),
    ("HEAD", "/api/word", 200),
    ("DELETE", "/api/word/7", 204),
    ("GET", "/api/big", 200),
    ("GET", "/api/tag", 200),
    ("GET", "/api/count", 200),
    ("OPTIONS", "/api/word", 204),
    ("GET", "/healthz", 200),
    ("GET", "/readyz", 200),
    ("GET", "/metrics", 200),
    ("GET", "/api/nothing", 404),
    ("GET", "/api/%zz", 400),
    ("POST", "/api/word", 405),
    ("GET", "/api/secret", 401),
    ("GET", "/api/query?number=x", 422),
    ("GET", "/api/error/other", 500),
    ("GET", "/api/instant", 500),
    ("PUT", "/api/location", 500),
]


@pytest.mark.parametrize(("method", "path", "status"), ANSWERS)
async def test_every_answer_carries_its_guards(tmp_path: Path, method: str, path: str, status: int) -> None:
    """The security headers, the id and what CORS says, on errors as on results, 500 included."""
    async with serving(tmp_path, {"origins": [PAGE]}) as served:
        answer = await served.ask(method, path, origin=PAGE)

    assert answer.status == status
    assert {name: answer.header(name) for name in SECURITY} == SECURITY
    assert answer.header("x-request-id")
    assert answer.header("access-control-allow-origin") == PAGE
    assert "origin" in (answer.header("vary") or "").split(", ")
    assert answer.header("strict-transport-security") is None
    assert answer.header("server") is None


async def test_a_file_carries_its_guards(served: Served) -> None:
    """Its policy is a sandbox; the rest is that of every answer."""
    answer = await served.get("/api/file")

    expected = {**SECURITY, "content-security-policy": "sandbox"}
    assert {name: answer.header(name) for name in expected} == expected


@pytest.mark.parametrize(
    "path", ["/api/word", "/api/nothing", "/api/error/other", "/healthz", "/api/count", "/api/file"]
)
async def test_over_https_browsers_are_told_to_stay_there(tmp_path: Path, path: str) -> None:
    """When a trusted proxy says that its client used https."""
    async with serving(tmp_path, {"trusted_proxies": ["127.0.0.1"]}) as served:
        secure = await served.get(path, x_forwarded_proto="https")
        plain = await served.get(path)
    assert secure.header("strict-transport-security") == "max-age=31536000; includeSubDomains"
    assert plain.header("strict-transport-security") is None


async def test_the_word_of_a_proxy_that_is_not_trusted_makes_no_https(served: Served) -> None:
    """Anybody can send the header."""
    answer = await served.get("/api/word", x_forwarded_proto="https")

    assert answer.header("strict-transport-security") is None


async def test_the_own_origin_is_the_one_that_the_client_used(tmp_path: Path) -> None:
    """Behind a proxy: its client's scheme and host."""
    async with serving(tmp_path, {"trusted_proxies": ["127.0.0.1"]}) as served:
        forwarded = {"x_forwarded_proto": "https", "x_forwarded_host": "www.example"}
        own = await served.ask("DELETE", "/api/word/7", raw=None, origin="https://www.example", **forwarded)
        inner = await served.ask("DELETE", "/api/word/7", raw=None, origin="http://test", **forwarded)

    assert (own.status, inner.status) == (204, 403)
