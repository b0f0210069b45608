"""A service lives as long as the application, a scoped thing as long as a call. Both are found by their type."""

from __future__ import annotations

from collections.abc import AsyncIterator

from antiphon import App, Context, action, allow, anyone, scoped, service
from tests.tour.start import Run


class Library:
    """Books that are there as long as the application runs."""

    def __init__(self) -> None:
        self.is_open = True
        self.lent: list[str] = []


class Desk:
    """Where one visitor borrows; what was asked for is lent when the call ends well."""

    def __init__(self, ctx: Context, library: Library) -> None:
        self._wanted: list[str] = []
        self._library = library
        ctx.at_end(self._lend)

    def ask_for(self, title: str) -> None:
        """Put a book on the desk."""
        self._wanted.append(title)

    async def _lend(self, error: BaseException | None) -> None:
        if error is None:
            self._library.lent += self._wanted


@service
async def library() -> AsyncIterator[Library]:
    """Opened at the start, closed at the end, in the order of need."""
    opened = Library()
    yield opened
    opened.is_open = False


@scoped
def desk(ctx: Context, library: Library) -> Desk:
    """Made once per call, when the call first asks for it. Its needs are its parameters."""
    return Desk(ctx, library)


@action("book:borrow", allow(anyone))
async def borrow(ctx: Context, title: str) -> None:
    """Borrow a book."""
    ctx.get(Desk).ask_for(title)


app = App("tour", modules=[__name__])


async def test_a_call_uses_what_stands_by(run: Run) -> None:
    """`ctx.get(T)` gives the call's own desk, and the desk the one library."""
    running = await run(app)

    await running.call(borrow, "The Odyssey")

    library = running.runtime.require(Library, "the tour")
    assert library.is_open
    assert library.lent == ["The Odyssey"]
