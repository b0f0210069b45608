"""Which `Authorization` headers are a bearer token."""

from __future__ import annotations

import pytest

from antiphon.transports.http.answers import Cookies
from antiphon.transports.http.connection import HttpConnection
from antiphon.transports.http.peers import Peers
from antiphon.transports.http.settings import HttpSettings
from antiphon.wire.asgi_request import AsgiRequest
from antiphon.wire.lifespan import Receive


class Server:
    """What a connection asks of its server."""

    def __init__(self) -> None:
        self.peers = Peers(HttpSettings())
        self.cookies = Cookies(secure=False)


async def nothing() -> dict[str, object]:
    """A body that is never asked for."""
    raise AssertionError("the body was read")


def bearer(*values: bytes) -> str | None:
    """What a connection makes of these headers."""
    scope = {
        "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"", "http_version": "1.1",
        "headers": [(b"host", b"x"), *((b"authorization", value) for value in values)],
    }  # fmt: skip
    receive: Receive = nothing
    return HttpConnection(AsgiRequest(scope, receive), Server(), {}).bearer


@pytest.mark.parametrize(
    ("value", "token"),
    [
        (b"Bearer abc.def", "abc.def"),
        (b"bearer abc", "abc"),
        (b"BEARER  abc ", "abc"),
        (b"Bearer", ""),
        (b"Bearer ", ""),
    ],
)
def test_a_bearer_token_is_read(value: bytes, token: str) -> None:
    """The scheme has no case (RFC 9110 §11.1); one without a token is still one."""
    assert bearer(value) == token


@pytest.mark.parametrize("values", [(), (b"Basic YTpi",), (b"Bearerabc",)])
def test_anything_else_is_no_bearer_token(values: tuple[bytes, ...]) -> None:
    """Without the header, or with another scheme, the cookie counts."""
    assert bearer(*values) is None


@pytest.mark.parametrize("values", [(b"Bearer abc", b"Bearer abc"), (b"Basic YTpi", b"Bearer abc")])
def test_two_authorization_headers_are_a_token_that_cannot_be_read(values: tuple[bytes, ...]) -> None:
    """Nobody can tell which of them was meant, so none of them, and no cookie, makes somebody the caller."""
    assert bearer(*values) == ""
