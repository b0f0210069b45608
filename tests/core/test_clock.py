"""Ids: UUIDs of version 7, in the order in which they were made, however fast that was."""

from __future__ import annotations

import time
import uuid

from antiphon.core.clock import RandomIds

MILLI = 1_000_000


class Hand:
    """A clock that a test moves; nanoseconds."""

    def __init__(self) -> None:
        self.now = time.time_ns()

    def read(self) -> int:
        """What time it is."""
        return self.now


def test_an_id_is_a_uuid_of_version_7() -> None:
    """With the time in front (RFC 9562 §5.7), and the form that every reader of UUIDs writes."""
    hand = Hand()

    text = RandomIds(hand.read).uuid7()

    read = uuid.UUID(text)
    assert (str(read), read.version, read.variant) == (text, 7, uuid.RFC_4122)
    assert read.int >> 80 == hand.now // MILLI


def test_ids_of_one_millisecond_are_in_their_order() -> None:
    """Also more of them than three digits can count: all different, all of that millisecond, all in their form."""
    hand = Hand()
    ids = RandomIds(hand.read)

    made = [ids.uuid7() for _ in range(10_000)]

    assert made == sorted(set(made))
    assert {uuid.UUID(text).int >> 80 for text in made} == {hand.now // MILLI}
    assert {(len(text), uuid.UUID(text).version) for text in made} == {(36, 7)}


def test_each_millisecond_begins_anew() -> None:
    """With other bits, so that nobody can tell the next id; and behind those of the one before."""
    hand = Hand()
    ids = RandomIds(hand.read)
    made: list[str] = []
    for _ in range(100):
        made.append(ids.uuid7())
        hand.now += MILLI

    assert made == sorted(made)
    assert len({text[15:] for text in made}) == 100


def test_two_sources_do_not_meet() -> None:
    """Each has bits of its own, also within the same millisecond."""
    hand = Hand()
    sources = [RandomIds(hand.read) for _ in range(20)]

    assert len({source.uuid7() for source in sources for _ in range(100)}) == 2000
