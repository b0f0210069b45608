"""Answers that anybody's cache may keep: what a route says of it, and where it may not say so."""

from __future__ import annotations

from antiphon import Context, action, allow, anyone, get, signed_in
from antiphon.core.access import Rule


def refusals(rule: Rule) -> str:
    """What stops the start of an application whose only route is kept, under this rule."""

    @action("word:kept", get("/word", fresh_for="5m"), allow(rule))
    async def word(ctx: Context) -> str:
        """Give a word."""
        return "hello"

    return " ".join(get("/word", fresh_for="5m").problems(word))


def test_what_everybody_gets_may_be_kept() -> None:
    """Under `allow(anyone)` the answer is the same for all."""
    assert refusals(anyone) == ""
    assert get("/word", fresh_for="5m").fresh_seconds == 300


def test_what_depends_on_the_caller_may_not() -> None:
    """A cache would give one caller what another was told."""
    assert "allow(anyone) only" in refusals(signed_in)
