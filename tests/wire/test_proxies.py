"""Trusted proxies: their word counts, nobody else's, and a client cannot put words into their mouth."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.errors import SetupError
from antiphon.wire.faults import WireFault
from antiphon.wire.proxies import Client, TrustedProxies

PROXIES = TrustedProxies(["10.0.0.0/8", "2001:db8:f::/48", "192.0.2.7"])


def resolve(headers: Mapping[str, str], peer: str = "10.0.0.1", proxies: TrustedProxies = PROXIES) -> Client:
    return proxies.client(peer, "http", lambda name: headers.get(name.decode()))


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("6.6.6.6, 203.0.113.9, 192.0.2.7, 10.0.0.2", "203.0.113.9"),
        ("<script>, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.9, 10.0.0.2", "10.0.0.9"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711, 2001:db8:f::2", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("unknown", "10.0.0.1"),
        ("6.6.6.6, unknown, 10.0.0.2", "10.0.0.2"),
        (" , ", "10.0.0.1"),
    ],
)
def test_the_client_is_the_rightmost_address_that_is_not_trusted(header: str, address: str) -> None:
    """Trusted hops are passed over from the right; what the client itself sent stands left of its address."""
    assert resolve({"x-forwarded-for": header}).address == address


@pytest.mark.parametrize(
    ("header", "address"),
    [
        ("for=203.0.113.9", "203.0.113.9"),
        ("For=203.0.113.9;proto=https, for=10.0.0.2", "203.0.113.9"),
        ('for="203.0.113.9:4711"', "203.0.113.9"),
        ('for="[2001:db8::1]"', "2001:db8::1"),
        ('for="[2001:db8::1]:4711";by=10.0.0.1', "2001:db8::1"),
        ("for=6.6.6.6, for=203.0.113.9", "203.0.113.9"),
        ("nonsense;;=, for=203.0.113.9", "203.0.113.9"),
        ('for="6.6.6.6, for=203.0.113.9", for=203.0.113.8', "203.0.113.8"),
        ("for=_hidden, for=10.0.0.2", "10.0.0.2"),
        ("for=_hidden", "10.0.0.1"),
        ('for="unknown:_port"', "10.0.0.1"),
        ("proto=https", "10.0.0.1"),
        ("by=10.0.0.1, for=10.0.0.2", "10.0.0.2"),
    ],
)
def test_forwarded_is_read_alike(header: str, address: str) -> None:
    """RFC 7239 with quoted strings, bracketed IPv6, ports and hidden nodes."""
    assert resolve({"forwarded": header}).address == address


def test_host_and_scheme_are_those_the_client_used() -> None:
    """They come from the element with the client's address."""
    header = 'for=6.6.6.6;host=evil.org;proto=http, for=203.0.113.9;host="Shop.example:8443";proto=https, for=10.0.0.2'

    assert resolve({"forwarded": header}) == Client("203.0.113.9", "https", "shop.example:8443")


def test_what_the_outer_proxy_did_not_say_the_next_one_does() -> None:
    """Host and scheme missing beside the address are taken from the proxies nearer to us, never from the client."""
    header = "for=6.6.6.6;host=evil.org;proto=http, for=203.0.113.9;proto=https, for=10.0.0.2;host=shop.example"

    assert resolve({"forwarded": header}) == Client("203.0.113.9", "https", "shop.example")


@pytest.mark.parametrize(
    ("headers", "client"),
    [
        (("203.0.113.9", "shop.example", "https"), Client("203.0.113.9", "https", "shop.example")),
        (
            ("6.6.6.6, 203.0.113.9", "evil.org, shop.example", "x, https"),
            Client("203.0.113.9", "https", "shop.example"),
        ),
        (("203.0.113.9, 10.0.0.2", "shop.example", "https"), Client("203.0.113.9", "https", "shop.example")),
        (
            ("203.0.113.9, 10.0.0.2", "shop.example, in.ner", "https, http"),
            Client("203.0.113.9", "https", "shop.example"),
        ),
        (("", "shop.example", "wss"), Client("10.0.0.1", "https", "shop.example")),
        (("203.0.113.9", "", ""), Client("203.0.113.9", "http", None)),
    ],
)
def test_the_older_headers_follow_the_same_rule(headers: tuple[str, str, str], client: Client) -> None:
    """X-Forwarded-Host and -Proto are read as many from the right as the client's address stands."""
    names = ("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto")

    assert resolve(dict(zip(names, headers, strict=True))) == client


@pytest.mark.parametrize(
    "headers",
    [
        {"forwarded": "nonsense"},
        {"forwarded": 'for="'},
        {"forwarded": 'for=", for="[2001:db8::1]:4711"'},
        {"forwarded": "for=not-an-address"},
        {"forwarded": "for=203.0.113.9;for=6.6.6.6"},
        {"forwarded": "for=203.0.113.9;proto=ftp"},
        {"forwarded": 'for=203.0.113.9;host="a b"'},
        {"x-forwarded-for": "not-an-address"},
        {"x-forwarded-for": "300.0.0.1"},
        {"x-forwarded-for": "6.6.6.6, 1.2.3.4.5"},
        {"x-forwarded-proto": "ftp"},
        {"x-forwarded-host": "a/b"},
    ],
)
def test_a_malformed_word_of_a_trusted_proxy_is_refused(headers: dict[str, str]) -> None:
    """What cannot be read in one way is 400, never a guess."""
    with pytest.raises(WireFault) as fault:
        resolve(headers)

    assert fault.value.status == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"forwarded": "for=203.0.113.9", "x-forwarded-for": "203.0.113.8"},
        {"forwarded": "for=203.0.113.9;proto=http", "x-forwarded-proto": "https"},
        {"forwarded": "for=203.0.113.9;host=a", "x-forwarded-for": "203.0.113.9", "x-forwarded-host": "b"},
    ],
)
def test_two_kinds_of_headers_that_differ_are_refused(headers: dict[str, str]) -> None:
    """One of them is the client's, and nobody can say which: 400."""
    with pytest.raises(WireFault, match="differ"):
        resolve(headers)


def test_two_kinds_of_headers_that_agree_are_fine() -> None:
    """What only one of them says is taken from it."""
    headers = {
        "forwarded": 'for="[2001:db8::1]:9";host=a',
        "x-forwarded-for": "2001:DB8::1",
        "x-forwarded-host": "A",
        "x-forwarded-proto": "https",
    }

    assert resolve(headers) == Client("2001:db8::1", "https", "a")


@pytest.mark.parametrize("peer", ["203.0.113.1", "11.0.0.1", "2001:db8::1", "", "not-an-address"])
def test_an_untrusted_peer_says_nothing(peer: str) -> None:
    """Its headers are not even read, however malformed."""

    def header(name: bytes) -> str:
        raise AssertionError(name)

    assert PROXIES.client(peer, "https", header) == Client(peer, "https", None)


def test_without_proxies_nothing_is_trusted() -> None:
    """The default list is empty, and an IPv4 client of a socket for both families has its own address."""
    nobody = TrustedProxies()

    assert not nobody.trusts("10.0.0.1")
    assert resolve({"x-forwarded-for": "6.6.6.6"}, "::ffff:10.0.0.1", nobody) == Client("10.0.0.1", "http", None)


def test_a_mapped_peer_is_trusted_as_what_it_is() -> None:
    """A proxy's IPv4 address is found also on a socket for both families."""
    assert resolve({"x-forwarded-for": "203.0.113.9"}, "::ffff:10.0.0.1").address == "203.0.113.9"


def test_a_local_socket_is_trusted_when_it_is_named() -> None:
    """A proxy on a unix socket has no address; the list calls it "unix"."""
    proxies = TrustedProxies(["unix"])

    assert proxies.trusts("")
    assert not PROXIES.trusts("")
    assert resolve({"x-forwarded-for": "203.0.113.9"}, "", proxies).address == "203.0.113.9"
    assert resolve({"x-forwarded-for": "6.6.6.6"}, "not-an-address", proxies).address == "not-an-address"


def test_a_flood_of_peers_is_still_told_apart() -> None:
    """More peers than are remembered change no answer."""
    proxies = TrustedProxies(["10.0.0.0/8"])
    strangers = [proxies.trusts(f"203.0.{number // 256}.{number % 256}") for number in range(2000)]

    assert not any(strangers)
    assert proxies.trusts("10.1.2.3")


def test_a_bad_network_stops_the_start() -> None:
    """A slip in the list is named before anything is served."""
    with pytest.raises(SetupError, match="trusted_proxies"):
        TrustedProxies(["10.0.0.1/8"])


@pytest.mark.parametrize(
    ("peer", "sent", "taken"),
    [
        ("10.0.0.1", "abcDEF-1", True),
        ("10.0.0.1", "a.b_c-d9" * 16, True),
        ("10.0.0.1", "a" * 7, False),
        ("10.0.0.1", "a" * 129, False),
        ("10.0.0.1", "abcdefg\n", False),
        ("10.0.0.1", "abcd efgh", False),
        ("10.0.0.1", "grüße-123", False),
        ("10.0.0.1", None, False),
        ("203.0.113.1", "abcDEF-1", False),
    ],
)
def test_a_request_id_is_taken_from_a_trusted_proxy(peer: str, sent: str | None, taken: bool) -> None:
    """It is 8 to 128 plain characters; anybody else's is not taken."""
    assert PROXIES.request_id(peer, sent) == (sent if taken else None)


@given(st.lists(st.text(alphabet='=",;[]:. forhstp_1a\\', max_size=15), max_size=3), st.integers(0, 255))
def test_a_client_cannot_choose_its_address(sent: list[str], last: int) -> None:
    """Whatever a client sends before the proxy's own element, its address is the proxy's, or the request is refused."""
    real = f"203.0.113.{last}"

    def seen(name: str, said: str) -> str | int:
        try:
            return resolve({name: ", ".join([*sent, said])}).address
        except WireFault as fault:
            return fault.status

    assert seen("forwarded", f'for="{real}:1";proto="https"') in (real, 400)
    assert seen("x-forwarded-for", real) == real
