"""The documentation that an application serves of itself: Swagger UI at `/docs`, and what each error means."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from antiphon.core.action import AnyAction
from antiphon.core.errors import Conflict
from antiphon.transports.http.answers import NO_STORE, REVALIDATE, VARY
from antiphon.transports.http.connection import NO_PATH_INPUTS
from antiphon.transports.http.errors import PRECONDITION_FAILED
from antiphon.transports.http.kept import SHARED, Kept
from antiphon.transports.http.openapi.document import openapi
from antiphon.transports.http.openapi.errors import ErrorRow, Ground, error_rows
from antiphon.transports.http.page_policy import page_headers
from antiphon.wire.request import Request
from antiphon.wire.response import REQUEST_ID, Answer, Headers, Response

if TYPE_CHECKING:
    from antiphon.transports.http.server import Page, Server

ASSETS = Path(__file__).parent / "assets"
SWAGGER = ASSETS / "vendor" / "swagger-ui"

HTML = "text/html; charset=utf-8"
# As long as a build serves, the document stays the same; the next build may stand behind the same address.
_REVALIDATE = (b"cache-control", b"no-cache")
# What stands behind a rule is kept by the browser that was let in, and by nothing on the way to it.
_PRIVATE = (b"cache-control", b"private, max-age=3600")
_NONCE_BYTES = 16
_CODE = re.compile("`([^`]+)`")

# The stylesheet of Swagger UI has its icons in it as data. Styles need no loosening: it sets them through the DOM.
_SWAGGER_SOURCES = "img-src 'self' data:; "

# Addresses are relative, so that the pages also work in an application that is mounted under a path.
_SWAGGER_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" type="image/png" href="docs/favicon.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<noscript>This page needs JavaScript. The document it shows is <a href="docs/openapi.json">here</a>.</noscript>
<div id="swagger-ui"></div>
<script nonce="{nonce}" src="docs/swagger-ui-bundle.js"></script>
<script nonce="{nonce}">
SwaggerUIBundle({{url: "docs/openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null}});
</script>
</body>
</html>
"""

_ERRORS_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: errors</title>
<link rel="icon" type="image/png" href="favicon.png">
<link rel="stylesheet" href="pages.css">
</head>
<body>
<h1>Errors of {title}</h1>
<p>Every error has a type, which stays the same, and a message for people. Programs go by the type.</p>
{errors}</body>
</html>
"""

_ERROR = """\
<section id="{type}">
<h2><a href="#{type}">{type}</a> <span>{status}</span></h2>
<p>{message}</p>
{meaning}</section>
"""


class DocsPages:
    """The pages under `/docs` of one server."""

    def __init__(self, server: Server, *, shared: bool) -> None:
        """With `shared` everybody may see them, and caches between here and there may keep them."""
        self._server = server
        self._shared = shared

    def pages(self) -> list[tuple[str, Page]]:
        """Each page with its path."""
        runtime = self._server.runtime
        info, ground = runtime.info, Ground.of(runtime)
        actions = list[AnyAction](runtime.actions.values())
        return [
            ("/docs", SwaggerPage(self._server)),
            ("/docs/openapi.json", self._page("application/json", lambda: openapi(info, actions, ground))),
            ("/docs/errors", self._page(HTML, lambda: errors_page(info.name, error_rows(actions)))),
            ("/docs/pages.css", self._asset(ASSETS / "pages.css", "text/css; charset=utf-8")),
            ("/docs/favicon.png", self._asset(SWAGGER / "favicon-32x32.png", "image/png")),
            ("/docs/swagger-ui.css", self._asset(SWAGGER / "swagger-ui.css", "text/css; charset=utf-8")),
            (
                "/docs/swagger-ui-bundle.js",
                self._asset(SWAGGER / "swagger-ui-bundle.js", "text/javascript; charset=utf-8"),
            ),
        ]

    def _page(self, kind: str, make: Callable[[], bytes]) -> Page:
        return Kept(self._server, kind, [*page_headers(), _REVALIDATE if self._shared else REVALIDATE], make)

    def _asset(self, path: Path, kind: str) -> Page:
        return Kept(self._server, kind, [*page_headers(), SHARED if self._shared else _PRIVATE], path.read_bytes)


class SwaggerPage:
    """The page that shows the document and lets people try it out. It loads nothing from anywhere else."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._title = escape(server.runtime.info.name)

    def respond(self, request: Request, path_inputs: Mapping[str, str] = NO_PATH_INPUTS, /) -> Answer:
        """The page, with a nonce that no other answer has."""
        nonce = token_urlsafe(_NONCE_BYTES)
        headers: Headers = [
            (REQUEST_ID, self._server.request_id(request).encode()),
            (b"content-type", HTML.encode()),
            *page_headers(nonce=nonce, sources=_SWAGGER_SOURCES),
            NO_STORE,
            VARY,
        ]
        body = _SWAGGER_PAGE.format(title=self._title, nonce=nonce).encode()
        return self._server.finish(request, Response(200, headers, body))


def errors_page(title: str, rows: Mapping[str, ErrorRow]) -> bytes:
    """The page that the `type` of problem details points to: every error under its type as an anchor."""
    errors = "".join(_error(row) for row in rows.values())
    return _ERRORS_PAGE.format(title=escape(title), errors=errors).encode()


def _error(row: ErrorRow) -> str:
    status = f"{row.status}, or {PRECONDITION_FAILED} with If-Match" if row.type == Conflict.type else row.status
    meaning = _CODE.sub(r"<code>\1</code>", escape(row.meaning))
    meaning = f"<p>{meaning}</p>\n" if meaning else ""
    return _ERROR.format(type=escape(row.type), status=status, message=escape(row.message), meaning=meaning)
