"""A handshake is answered as RFC 6455 §4.2 says, or refused with what was wrong."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from antiphon.wire.asgi_request import AsgiRequest
from antiphon.wire.faults import WireFault
from antiphon.wire.request import Request
from antiphon.wire.websocket.deflate import Deflate
from antiphon.wire.websocket.handshake import accept_key, agree

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
USUAL = {
    "host": "test",
    "upgrade": "websocket",
    "connection": "Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": KEY,
}


def asked(
    *more: tuple[str, str], without: str = "", method: str = "GET", version: str = "1.1", **changed: str
) -> Request:
    """A usual handshake, changed where the test says so; names with "_" for "-"."""
    headers = USUAL | {name.replace("_", "-"): value for name, value in changed.items()}
    headers.pop(without, None)
    return with_headers([*headers.items(), *more], method, version)


def with_headers(items: Iterable[tuple[str, str]], method: str = "GET", version: str = "1.1") -> Request:
    """A request with exactly these headers."""
    scope: dict[str, Any] = {
        "method": method,
        "path": "/ws",
        "raw_path": b"/ws",
        "query_string": b"",
        "http_version": version,
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in items],
    }
    return AsgiRequest(scope, _nothing)


async def _nothing() -> dict[str, Any]:
    raise AssertionError("A handshake reads no body.")


def refusal(request: Request, **options: Any) -> WireFault:
    """What the handshake is refused with."""
    with pytest.raises(WireFault) as fault:
        agree(request, **options)
    return fault.value


def test_the_proof_is_that_of_the_standard() -> None:
    """The example of RFC 6455 §1.3."""
    assert accept_key(KEY) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_a_usual_handshake_is_answered() -> None:
    """Upgrade, Connection and the proof; nothing else that was not asked for."""
    agreed = agree(asked())

    assert agreed.headers == [
        (b"upgrade", b"websocket"),
        (b"connection", b"upgrade"),
        (b"sec-websocket-accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ]
    assert agreed.subprotocol is None
    assert agreed.deflated is None


@pytest.mark.parametrize(
    "changed",
    [
        {"upgrade": "WebSocket"},
        {"upgrade": "WEBSOCKET"},
        {"upgrade": "h2c, websocket"},
        {"upgrade": "websocket , other/2"},
        {"connection": "upgrade"},
        {"connection": "keep-alive, Upgrade"},
        {"connection": "keep-alive,\tUPGRADE ,foo"},
        {"sec_websocket_version": " 13 "},
        {"sec_websocket_key": "AAAAAAAAAAAAAAAAAAAAAA=="},
        {"sec_websocket_key": "+/+/+/+/+/+/+/+/+/+/+w=="},
        {"content_length": "0"},
        {"sec_websocket_extensions": "this is: not; = readable"},
    ],
)
def test_it_may_be_said_in_other_words(changed: dict[str, str]) -> None:
    """Tokens in any case, among others; extensions are not looked at where none are offered."""
    assert agree(asked(**changed)).headers


@pytest.mark.parametrize(
    "request_",
    [
        asked(without="upgrade"),
        asked(without="connection"),
        asked(upgrade="h2c"),
        asked(upgrade="websockets"),
        asked(upgrade="websocket/13"),
        asked(connection="keep-alive"),
        asked(connection="upgrades"),
        asked(version="1.0"),
        asked(version="2"),
        asked(without="sec-websocket-version"),
        asked(sec_websocket_version="12"),
        asked(sec_websocket_version="8"),
        asked(sec_websocket_version="013"),
        asked(sec_websocket_version="13, 8"),
        asked(sec_websocket_version=""),
        asked(sec_websocket_version="x"),
    ],
)
def test_no_upgrade_and_other_versions_are_told_what_is_spoken(request_: Request) -> None:
    """426, with the protocol and its version."""
    fault = refusal(request_)

    assert fault.status == 426
    assert (b"upgrade", b"websocket") in fault.headers
    assert (b"sec-websocket-version", b"13") in fault.headers


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "OPTIONS", "CONNECT", "get"])
def test_another_method_is_refused(method: str) -> None:
    """405, and GET is named."""
    fault = refusal(asked(method=method))

    assert fault.status == 405
    assert (b"allow", b"GET") in fault.headers


@pytest.mark.parametrize(
    "request_",
    [
        asked(without="sec-websocket-key"),
        asked(("sec-websocket-key", KEY)),
        asked(("sec-websocket-version", "13")),
        asked(sec_websocket_key=""),
        asked(sec_websocket_key="short"),
        asked(sec_websocket_key=KEY[:-2]),
        asked(sec_websocket_key=KEY[:-1]),
        asked(sec_websocket_key=KEY + "="),
        asked(sec_websocket_key="A" + KEY),
        asked(sec_websocket_key="dGhlIHNhbXBsZSBub25jZS4="),
        asked(sec_websocket_key="dGhlIHNhbXBsZSBub25_ZQ=="),
        asked(sec_websocket_key="dGhlIHNhbXBsZSBub25 ZQ=="),
        asked(sec_websocket_key=KEY + "," + KEY),
        asked(content_length="5"),
        asked(transfer_encoding="chunked"),
        asked(sec_websocket_protocol=""),
        asked(sec_websocket_protocol="a,,b"),
        asked(sec_websocket_protocol="a b"),
        asked(sec_websocket_protocol="a, a"),
        asked(("sec-websocket-protocol", "a"), sec_websocket_protocol="a"),
    ],
)
def test_what_cannot_be_read_is_malformed(request_: Request) -> None:
    """400, and what was sent is not repeated."""
    fault = refusal(request_, subprotocols=["a"])

    assert fault.status == 400
    assert fault.type == "MALFORMED"
    assert "dGhl" not in fault.message


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ("antiphon.v1", "antiphon.v1"),
        ("graphql-ws, antiphon.v1", "antiphon.v1"),
        ("antiphon.v1,antiphon.v2", "antiphon.v2"),
        ("graphql-ws", None),
        ("Antiphon.v1", None),
    ],
)
def test_the_best_subprotocol_that_both_speak_is_confirmed(offered: str, chosen: str | None) -> None:
    """The server's order decides; without a common one the socket opens and none is named."""
    agreed = agree(asked(sec_websocket_protocol=offered), subprotocols=["antiphon.v2", "antiphon.v1"])

    assert agreed.subprotocol == chosen
    assert dict(agreed.headers).get(b"sec-websocket-protocol") == (chosen and chosen.encode())


def test_a_subprotocol_nobody_offered_is_not_named() -> None:
    """A client must fail the connection if it is (RFC 6455 §4.1)."""
    assert agree(asked(), subprotocols=["antiphon.v1"]).subprotocol is None


def test_compression_is_off_unless_asked_for() -> None:
    """An offer alone changes nothing."""
    assert agree(asked(sec_websocket_extensions="permessage-deflate")).deflated is None


@pytest.mark.parametrize(
    ("offers", "windows"),
    [
        ("permessage-deflate", "server_max_window_bits=12"),
        ("permessage-deflate; client_max_window_bits", "server_max_window_bits=12"),
        ("x-unknown, permessage-deflate; server_max_window_bits=10", "server_max_window_bits=10"),
        (
            "permessage-deflate; unknown, permessage-deflate; client_max_window_bits=9",
            "server_max_window_bits=12; client_max_window_bits=9",
        ),
    ],
)
def test_compression_is_agreed_without_context_takeover(offers: str, windows: str) -> None:
    """The first offer that can be met is taken, with what an idle socket needs no memory for."""
    agreed = agree(asked(sec_websocket_extensions=offers), deflate=Deflate())

    terms = f"permessage-deflate; server_no_context_takeover; client_no_context_takeover; {windows}"
    assert dict(agreed.headers)[b"sec-websocket-extensions"] == terms.encode()
    assert agreed.deflated is not None


@pytest.mark.parametrize(
    "offers",
    [
        "x-webkit-deflate-frame",
        "permessage-deflate; unknown",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
    ],
)
def test_an_offer_that_cannot_be_met_is_passed_over(offers: str) -> None:
    """The socket opens without compression."""
    agreed = agree(asked(sec_websocket_extensions=offers), deflate=Deflate())

    assert agreed.deflated is None
    assert b"sec-websocket-extensions" not in dict(agreed.headers)


def test_extensions_that_cannot_be_read_are_malformed() -> None:
    """400, where extensions are looked at."""
    assert refusal(asked(sec_websocket_extensions="a; b=, ="), deflate=Deflate()).status == 400


def test_another_client_takes_the_answer() -> None:
    """The sans-I/O client of `websockets` finds nothing wrong in it."""
    client = ClientProtocol(parse_uri("ws://test/ws"), subprotocols=[Subprotocol("antiphon.v1")])
    agreed = agree(with_headers(client.connect().headers.raw_items()), subprotocols=["antiphon.v1"])
    answer = Headers([(name.decode(), value.decode()) for name, value in agreed.headers])

    client.process_response(Response(101, "Switching Protocols", answer, b""))

    assert client.subprotocol == "antiphon.v1"
