"""The queue of one connection: what is kept, merged, dropped and refused as it fills."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from antiphon.services.channels.frames import Change, Frame, Kind, ephemeral_frame, presence_frame, topic_head
from antiphon.services.channels.outbox import Fate, Outbox


def frame(kind: Kind, size: int = 100) -> Frame:
    """A frame of this size."""
    return Frame(kind, b"x" * size)


def typing(who: str, topic: str = "board", event: str = "Typing") -> Frame:
    """An ephemeral event."""
    entry = b'{"event":"' + event.encode() + b'","data":{"userId":"' + who.encode() + b'"}}'
    return ephemeral_frame(topic_head(topic), entry, topic, who)


def change(version: int, *, joined: str = "", left: str = "", topic: str = "board") -> Frame:
    """A presence frame; each letter is a member."""
    members = {
        kind: {who: json.dumps({"id": who}).encode() for who in text} for kind, text in (("j", joined), ("l", left))
    }
    return presence_frame(topic, Change(version, members["j"], members["l"]))


def presence(shown: Frame) -> tuple[int, str, str]:
    """Version, who joined, who left."""
    data = json.loads(shown.data)["presence"]
    joined, left = ("".join(each["id"] for each in data[name]) for name in ("joined", "left"))
    return data["version"], joined, left


def filled(outbox: Outbox, kind: Kind = Kind.EVENT, *, frames: int) -> Outbox:
    """The same queue with some frames more."""
    for _ in range(frames):
        assert outbox.put(frame(kind), 0.0) is Fate.KEPT
    return outbox


def everything(outbox: Outbox) -> list[Frame]:
    """What comes out."""
    taken: list[Frame] = []
    while (next_one := outbox.take()) is not None:
        taken.append(next_one)
    return taken


def test_frames_leave_in_the_order_they_came() -> None:
    """Whatever their kind, while there is room."""
    outbox = Outbox(10_000, 100)
    frames = [frame(Kind.EVENT), frame(Kind.REPLY), typing("a"), change(1, joined="a"), frame(Kind.EVENT)]

    assert [outbox.put(each, 0.0) for each in frames] == [Fate.KEPT] * 5
    assert everything(outbox) == frames
    assert (outbox.bytes, len(outbox)) == (0, 0)


def test_a_full_queue_overflows_by_bytes() -> None:
    """The byte that is too many is told; the bound itself still fits."""
    outbox = filled(Outbox(1_000, 100), frames=9)

    assert outbox.put(frame(Kind.EVENT, 100), 0.0) is Fate.KEPT
    assert outbox.put(frame(Kind.EVENT, 1), 0.0) is Fate.OVERFLOW
    assert outbox.put(frame(Kind.REPLY, 1), 0.0) is Fate.OVERFLOW
    assert outbox.bytes == 1_000


def test_a_full_queue_overflows_by_frames() -> None:
    """However small they are."""
    outbox = filled(Outbox(1_000_000, 10), frames=10)

    assert outbox.put(frame(Kind.EVENT, 1), 0.0) is Fate.OVERFLOW


def test_items_of_streams_wait_from_half_on() -> None:
    """So one stream leaves room for everything else."""
    outbox = filled(Outbox(1_000, 100), frames=6)

    assert outbox.put(frame(Kind.ITEM), 0.0) is Fate.WAIT
    outbox.take()
    assert outbox.put(frame(Kind.ITEM), 0.0) is Fate.KEPT


def test_presence_is_merged_over_half() -> None:
    """One waiting frame per topic, which says what all of them said."""
    outbox = filled(Outbox(2_000, 100), frames=11)
    outbox.put(change(1, joined="ab"), 0.0)

    outbox.put(change(2, left="a", joined="c"), 0.0)
    outbox.put(change(3, left="d"), 0.0)
    outbox.put(change(9, joined="x", topic="other"), 0.0)

    first, second = everything(outbox)[-2:]
    assert presence(first) == (3, "bc", "d")
    assert presence(second) == (9, "x", "")


def test_a_list_takes_the_place_of_what_waits() -> None:
    """And a change after it is put into it."""
    outbox = filled(Outbox(2_000, 100), frames=11)
    outbox.put(change(1, joined="a"), 0.0)
    whole = presence_frame("board", Change(5, {}, {}, members=(b'{"id": "b"}', b'{"id": "c"}')))

    outbox.put(whole, 0.0)
    outbox.put(change(6, joined="d", left="b"), 0.0)

    shown = json.loads(everything(outbox)[-1].data)["presence"]
    assert (shown["version"], [each["id"] for each in shown["members"]]) == (6, ["c", "d"])


def test_presence_still_has_its_place_when_full_but_not_for_ever() -> None:
    """One frame per topic goes in; at twice the bound the connection is too slow."""
    outbox = filled(Outbox(1_000, 100), frames=10)

    fates = [outbox.put(change(1, joined="a", topic=f"topic{n}"), 0.0) for n in range(30)]

    assert fates[0] is Fate.KEPT
    assert fates[-1] is Fate.OVERFLOW
    assert outbox.bytes <= 2_000


def test_only_the_newest_ephemeral_event_waits_over_half() -> None:
    """Of its kind, topic and sender; the others are not touched."""
    outbox = filled(Outbox(2_000, 100), frames=11)
    kept = [typing("a"), typing("b"), typing("a", "other"), typing("a", event="Stopped")]
    for each in kept:
        outbox.put(each, 0.0)

    newest = typing("a")
    assert outbox.put(newest, 0.0) is Fate.KEPT

    assert everything(outbox)[-4:] == [newest, *kept[1:]]


def test_ephemeral_events_are_dropped_when_full() -> None:
    """They never close a connection."""
    outbox = filled(Outbox(1_000, 100), frames=10)

    assert outbox.put(typing("a"), 0.0) is Fate.DROPPED


def test_it_says_how_long_the_oldest_has_waited() -> None:
    """A frame that is replaced keeps the time of the first one in its place."""
    outbox = Outbox(1_000, 100)
    empty = outbox.waited(50.0)
    outbox.put(frame(Kind.EVENT), 1.0)
    outbox.put(frame(Kind.EVENT), 3.0)

    waits = [outbox.waited(11.0)]
    outbox.take()
    waits.append(outbox.waited(11.0))

    assert (empty, waits) == (0.0, [10.0, 8.0])


def joining(who: str) -> Frame:
    """Somebody comes."""
    return change(next(_versions), joined=who)


ANY_FRAME = st.one_of(
    st.builds(frame, st.sampled_from([Kind.REPLY, Kind.EVENT, Kind.ITEM]), st.integers(1, 400)),
    st.builds(typing, st.sampled_from("abc")),
    st.builds(joining, st.sampled_from("abc")),
)
_versions = count(1)


@given(st.lists(st.one_of(ANY_FRAME, st.none()), max_size=200))
def test_it_never_holds_more_than_it_may(steps: list[Any]) -> None:
    """Twice the bytes at the very most, whatever comes, and its own count of them is right."""
    outbox = Outbox(1_000, 20)
    for step in steps:
        if step is None:
            outbox.take()
        else:
            outbox.put(step, 0.0)
        assert outbox.bytes <= 2_000

    held = outbox.bytes
    assert held == sum(len(each.data) for each in everything(outbox))
