"""Trace context: a valid trace goes on, anything else begins a new one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.wire.trace import Trace, join_trace, new_trace, read_trace

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


def test_the_senders_span_is_read() -> None:
    """Ids, the sampled mark and what other systems added are kept."""
    assert read_trace(PARENT, "congo=t61rcWkgMzE,rojo=1") == Trace(TRACE, SPAN, True, "congo=t61rcWkgMzE,rojo=1")


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True)])
def test_the_sampled_mark_is_one_bit(flags: str, sampled: bool) -> None:
    """Other bits do not count."""
    trace = read_trace(f"00-{TRACE}-{SPAN}-{flags}")

    assert trace is not None
    assert trace.sampled is sampled


@pytest.mark.parametrize("parent", [f"01-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01-what-comes-later"])
def test_a_later_version_is_read_as_far_as_we_know_it(parent: str) -> None:
    """More at the end is allowed from version 01 on."""
    trace = read_trace(parent)

    assert trace is not None
    assert trace.trace_id == TRACE


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "00",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01-",
        f"01-{TRACE}-{SPAN}-01more",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-0g",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"{PARENT},{PARENT}",
        f"{PARENT}, {PARENT}",
    ],
)
def test_an_invalid_parent_begins_a_new_trace(parent: str) -> None:
    """Nothing of an invalid parent is used, nor of the state beside it."""
    assert read_trace(parent, "a=1") is None
    joined = join_trace(parent, "a=1")
    assert joined.trace_id != TRACE
    assert joined.state == ""


@pytest.mark.parametrize(
    "state", ["a", "A=1", "a=", "a=1,a=2", "a=1\t2", "a=b=c", "=1", "1=1", "a b=1", "a=ü", "a@b@c=1"]
)
def test_an_invalid_state_is_dropped_alone(state: str) -> None:
    """The trace goes on without it."""
    assert read_trace(PARENT, state) == Trace(TRACE, SPAN, True)


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        ("a=1 , b=2\t,,c=3", "a=1,b=2,c=3"),
        ("fw529a3039@dt=FfAAAAC, a-b*c/d_e=x y", "fw529a3039@dt=FfAAAAC,a-b*c/d_e=x y"),
        (",".join(f"k{n}=1" for n in range(32)), ",".join(f"k{n}=1" for n in range(32))),
        (",".join(f"k{n}=1" for n in range(33)), ""),
    ],
)
def test_a_valid_state_is_carried_on(state: str, kept: str) -> None:
    """Up to 32 members, in their order, without the space around them."""
    trace = read_trace(PARENT, state)

    assert trace is not None
    assert trace.state == kept


def test_a_long_state_loses_its_oldest_members() -> None:
    """What is carried has a bound, and members are never cut."""
    trace = read_trace(PARENT, ",".join(f"k{n}={'x' * 100}" for n in range(10)))

    assert trace is not None
    assert trace.state == ",".join(f"k{n}={'x' * 100}" for n in range(4))


def test_a_call_is_a_child_of_its_sender() -> None:
    """The trace, its mark and its state go on; the span is new."""
    joined = join_trace(PARENT, "a=1", sampled=False)

    assert (joined.trace_id, joined.sampled, joined.state) == (TRACE, True, "a=1")
    assert joined.span_id != SPAN


def test_without_a_sender_a_new_trace_begins() -> None:
    """It is recorded when we say so."""
    assert [join_trace(None, "a=1").sampled, join_trace(None, sampled=True).sampled] == [False, True]


def test_a_state_alone_is_nothing() -> None:
    """Without a parent there is nobody to have sent the state."""
    assert join_trace(None, "a=1").state == ""


@given(st.booleans())
def test_what_is_sent_is_read_as_the_same_span(sampled: bool) -> None:
    """Our own header is a valid one, and leads back to the span that sent it."""
    trace = new_trace(sampled=sampled).child()

    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", trace.parent)
    assert read_trace(trace.parent) == trace


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_pair_of_headers_gives_a_trace(parent: str, state: str) -> None:
    """Nothing a client sends breaks the trace."""
    assert read_trace(join_trace(parent, state).parent) is not None
