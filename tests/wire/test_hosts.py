"""Hosts: one well-formed name, and one we answer for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.errors import SetupError
from antiphon.wire.faults import WireFault
from antiphon.wire.hosts import Host, Hosts, parse_host


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("example.com", Host("example.com", None)),
        ("Example.COM:8080", Host("example.com", 8080)),
        ("example.com.", Host("example.com", None)),
        ("example.com:", Host("example.com", None)),
        ("localhost:0", Host("localhost", 0)),
        ("127.0.0.1:65535", Host("127.0.0.1", 65535)),
        ("[::1]", Host("[::1]", None)),
        ("[2001:DB8:0:0::1]:443", Host("[2001:db8::1]", 443)),
        ("my_app", Host("my_app", None)),
        ("a%20b", Host("a%20b", None)),
    ],
)
def test_a_host_is_read(text: str, host: Host) -> None:
    """A name, an IPv4 address or a bracketed IPv6 address, with a port or without."""
    assert parse_host(text) == host


MALFORMED = [
    *("", ".", ":80", "a b", " a", "a,b", "a, b", "a/b", "a?b", "a#b", "user@a", "a\\b", "a\0", "ä", "a%2", "a%zz"),
    *(
        "a:b",
        "a:-1",
        "a:65536",
        "a:000080",
        "a:80:80",
        "::1",
        "[::1",
        "::1]",
        "[]",
        "[::1]a",
        "[1.2.3.4]",
        "[::1%25eth0]",
    ),
    *("[v1.a]", "[::1::]", "a" * 300, "a\n", "a:٨"),
]


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_host_is_refused(text: str) -> None:
    """What two servers could read differently is 400."""
    with pytest.raises(WireFault) as fault:
        Hosts().check([text], "http")

    assert fault.value.status == 400


@pytest.mark.parametrize("values", [[], ["a", "a"], ["a", "b"]])
def test_there_is_exactly_one_host(values: list[str]) -> None:
    """None and two are 400, also when both are the same."""
    with pytest.raises(WireFault) as fault:
        Hosts().check(values, "http")

    assert fault.value.status == 400


@given(st.text(max_size=40))
def test_any_text_is_a_host_or_none(text: str) -> None:
    """A host that is read is in lower case and reads the same again."""
    host = parse_host(text)

    if host is not None:
        again = parse_host(host.name if host.port is None else f"{host.name}:{host.port}")
        assert again == host or host.name.endswith(".")


@pytest.mark.parametrize(
    ("entry", "text", "scheme", "admitted"),
    [
        ("example.com", "example.com", "https", True),
        ("Example.com", "EXAMPLE.com", "https", True),
        ("example.com", "example.com.", "https", True),
        ("example.com", "example.com:443", "https", True),
        ("example.com", "example.com:80", "http", True),
        ("example.com", "example.com:80", "https", False),
        ("example.com", "example.com:8080", "https", False),
        ("example.com:443", "example.com", "https", True),
        ("example.com:443", "example.com", "http", False),
        ("example.com:8080", "example.com:8080", "http", True),
        ("example.com:8080", "example.com", "http", False),
        ("example.com:*", "example.com:8080", "http", True),
        ("example.com:*", "example.com", "http", True),
        ("example.com", "example.com.evil.org", "https", False),
        ("example.com", "notexample.com", "https", False),
        ("example.com", "www.example.com", "https", False),
        ("*.example.com", "www.example.com", "https", True),
        ("*.example.com", "a.b.example.com", "https", True),
        ("*.example.com", "example.com", "https", False),
        ("*.example.com", "badexample.com", "https", False),
        ("*.example.com", "www.example.com:8080", "https", False),
        ("*.example.com:*", "www.example.com:8080", "https", True),
        ("*", "anything.org:1", "https", True),
        ("[::1]:8080", "[0:0::1]:8080", "http", True),
        ("[0:0:0::1]", "[::1]", "http", True),
        ("127.0.0.1", "127.0.0.1", "http", True),
        ("127.0.0.1", "localhost", "http", False),
    ],
)
def test_the_list_says_for_whom_we_answer(entry: str, text: str, scheme: str, admitted: bool) -> None:
    """Names are compared in lower case, ports with the scheme's own; a star stands for every name below."""
    host = parse_host(text)
    assert host is not None

    assert Hosts([entry, "other.org"]).admits(host, scheme) is admitted


def test_a_host_outside_the_list_is_misdirected() -> None:
    """It is 421: this server does not answer for it."""
    with pytest.raises(WireFault) as fault:
        Hosts(["example.com"]).check(["evil.org"], "http")

    assert fault.value.status == 421


def test_without_a_list_any_host_is_fine() -> None:
    """An empty list admits every well-formed host."""
    assert Hosts().check(["anything.org"], "http") == Host("anything.org", None)


def test_a_host_is_read_the_same_again() -> None:
    """The second time gives what the first did."""
    hosts = Hosts(["example.com:8080"])

    assert hosts.check(["Example.com:8080"], "http") == hosts.check(["Example.com:8080"], "http")


def test_a_host_that_was_admitted_is_refused_under_another_scheme() -> None:
    """What is remembered of one scheme says nothing of another."""
    hosts = Hosts(["example.com"])
    hosts.check(["example.com:443"], "https")

    with pytest.raises(WireFault, match="host"):
        hosts.check(["example.com:443"], "http")


def test_a_flood_of_names_is_still_answered() -> None:
    """More names than are remembered change no answer."""
    hosts = Hosts()

    assert [hosts.check([f"h{number}"], "http").name for number in range(1000)] == [f"h{n}" for n in range(1000)]


@pytest.mark.parametrize(
    "entry", ["", "http://example.com", "a/b", "*example.com", "a.*.com", "::1", "[::g]", "a:b", "[:::]"]
)
def test_a_bad_entry_stops_the_start(entry: str) -> None:
    """A slip in the list is named before anything is served."""
    with pytest.raises(SetupError, match=r"http\.hosts"):
        Hosts([entry])


@pytest.mark.parametrize(
    ("host", "scheme", "authority"),
    [
        (Host("a", None), "http", "a"),
        (Host("a", 80), "http", "a"),
        (Host("a", 443), "https", "a"),
        (Host("a", 80), "https", "a:80"),
        (Host("[::1]", 8080), "http", "[::1]:8080"),
    ],
)
def test_one_place_has_one_spelling(host: Host, scheme: str, authority: str) -> None:
    """The scheme's own port is left out, so that origins can be compared."""
    assert host.authority(scheme) == authority
