"""Heads of ASGI requests: shared by those of one connection that carry the same fields, and by no others."""

from __future__ import annotations

from typing import Any

from antiphon.wire.asgi_head import REMEMBERED, REMEMBERED_BYTES, UNKNOWN, AsgiHead, AsgiHeads
from antiphon.wire.head import Field
from tests.wire.test_asgi_scopes import http

CLIENT = ("192.0.2.1", 40_000)


def scope(*fields: tuple[bytes, bytes], **keys: Any) -> dict[str, Any]:
    """A scope with these fields, as new as a server makes them."""
    return http(headers=[(bytes(bytearray(name)), bytes(bytearray(value))) for name, value in fields], **keys)


def test_the_same_fields_of_one_connection_share_a_head() -> None:
    """What was noted about them is found again."""
    heads = AsgiHeads()
    first = heads.of(scope((b"host", b"a"), client=CLIENT))
    first.notes = 3

    assert heads.of(scope((b"host", b"a"), client=("192.0.2.1", 40_000))) is first


def test_any_difference_makes_another_head() -> None:
    """Another value, another order, one field more, another scheme: nothing that was noted is true of them."""
    heads = AsgiHeads()
    both = (b"host", b"a"), (b"accept", b"*/*")
    first = heads.of(scope(*both, client=CLIENT))
    others = [
        scope((b"host", b"b"), (b"accept", b"*/*"), client=CLIENT),
        scope(*reversed(both), client=CLIENT),
        scope(*both, (b"origin", b"http://b"), client=CLIENT),
        scope(*both, client=CLIENT, scheme="https"),
        scope(*both, client=("192.0.2.1", 40_001)),
    ]

    for other in others:
        first.notes = 3
        head = heads.of(other)
        assert head is not first
        assert (head.notes, list(head.items())) == (0, other["headers"])


def test_a_client_that_cannot_be_told_apart_shares_nothing() -> None:
    """A Unix socket has no client, and a list can be no key."""
    heads = AsgiHeads()

    for client in (None, ["192.0.2.1", 40_000]):
        assert heads.of(scope((b"host", b"a"), client=client)) is not heads.of(scope((b"host", b"a"), client=client))


def test_only_so_many_connections_are_remembered() -> None:
    """One more than the bound, and all begin anew: what is kept never grows beyond it."""
    heads = AsgiHeads()
    first = heads.of(scope((b"host", b"a"), client=CLIENT))
    for port in range(1, REMEMBERED):
        heads.of(scope((b"host", b"a"), client=("192.0.2.2", port)))
    assert heads.of(scope((b"host", b"a"), client=CLIENT)) is first

    heads.of(scope((b"host", b"a"), client=("192.0.2.3", 1)))

    assert heads.of(scope((b"host", b"a"), client=CLIENT)) is not first


def test_large_heads_are_not_remembered() -> None:
    """Neither one long field nor many short ones stay when their request is over."""
    room = REMEMBERED_BYTES - 100
    for fields, kept in (
        ([(b"x", b"v" * (room - 1))], True),
        ([(b"x", b"v" * room)], False),
        ([(b"x", b"")] * (REMEMBERED_BYTES // 101), True),
        ([(b"x", b"")] * (REMEMBERED_BYTES // 101 + 1), False),
    ):
        heads = AsgiHeads()
        assert (heads.of(scope(*fields, client=CLIENT)) is heads.of(scope(*fields, client=CLIENT))) is kept


def test_the_length_of_a_body_is_read_once() -> None:
    """A number, none, or one that nobody can know."""
    framing: list[tuple[list[Field], int]] = [
        ([], 0),
        ([(b"content-length", b"0")], 0),
        ([(b"content-length", b"12")], 12),
        ([(b"content-length", b"9" * 30)], 10**18),
        ([(b"content-length", b"+5")], UNKNOWN),
        ([(b"transfer-encoding", b"chunked")], UNKNOWN),
        ([(b"content-length", b"0"), (b"transfer-encoding", b"chunked")], UNKNOWN),
    ]

    assert [AsgiHead(fields).length for fields, _ in framing] == [length for _, length in framing]
