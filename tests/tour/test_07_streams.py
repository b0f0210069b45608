"""An async generator is a stream: every transport passes its items on one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator

from antiphon import App, Context, Struct, action, allow, anyone, get
from tests.tour.start import Run


class Line(Struct):
    """A line of a song."""

    text: str


@action("song:sing", get("/song"), allow(anyone))
async def sing(ctx: Context, verses: int = 2) -> AsyncIterator[Line]:
    """Sing, line by line."""
    for verse in range(1, verses + 1):
        yield Line(f"Verse {verse}")


app = App("tour", modules=[__name__])


async def test_code_iterates_over_it(run: Run) -> None:
    """Called directly, a stream is an async iterator."""
    running = await run(app)

    lines = [line.text async for line in await running.stream(sing, verses=3)]

    assert lines == ["Verse 1", "Verse 2", "Verse 3"]


async def test_browsers_get_events(run: Run) -> None:
    """Over HTTP it is server-sent events, one for each item, and `done` at the end."""
    running = await run(app)

    answer = await running.client().get("/api/song?verses=1")

    assert answer.body.decode().startswith('event: Line\nid: 1\ndata: {"text":"Verse 1"}\n\nevent: done')


async def test_programs_get_lines(run: Run) -> None:
    """Whoever prefers `application/jsonl` gets a line of JSON for each item; so does the command line."""
    running = await run(app)

    answer = await running.client().get("/api/song", {"Accept": "application/jsonl"})
    command = await running.command("song:sing")

    assert answer.body.decode() == command.out == '{"text":"Verse 1"}\n{"text":"Verse 2"}\n'
