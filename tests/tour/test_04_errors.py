"""Errors are conditions with a name. Each transport has its own word for each of them, and the object is the same."""

from __future__ import annotations

import pytest

from antiphon import App, Conflict, Context, NotFound, action, allow, anyone, get, put, raises
from tests.tour.start import Run

SEATS = {"front": "Ada", "back": ""}


@action("seat:view", get("/seat/{row}"), allow(anyone), raises(NotFound))
def view_seat(ctx: Context, row: str) -> str:
    """Say who sits there."""
    if row not in SEATS:
        raise NotFound("There is no such row.")
    return SEATS[row]


@action("seat:take", put("/seat/{row}"), allow(anyone), raises(Conflict))
def take_seat(ctx: Context, row: str, name: str) -> None:
    """Take a seat that is free."""
    if SEATS.get(row):
        raise Conflict("is taken already", field="row")


app = App("tour", modules=[__name__])


async def test_code_catches_it_by_name(run: Run) -> None:
    """Called directly, the error is an exception."""
    running = await run(app)

    with pytest.raises(NotFound, match="no such row"):
        await running.call(view_seat, "gallery")


async def test_http_has_a_status_for_it(run: Run) -> None:
    """Over HTTP a conflict is 409, and the error object names the input to blame."""
    running = await run(app)

    answer = await running.client().put("/api/seat/front", {"name": "Eve"})

    assert answer.status == 409
    assert answer.error["type"] == "CONFLICT"
    assert answer.error["fields"] == [{"name": "row", "message": "is taken already"}]


async def test_the_command_line_has_an_exit_code_for_it(run: Run) -> None:
    """On the command line it is exit code 6, with the same object on standard error."""
    running = await run(app)

    command = await running.command("seat:take", "--row", "front", "--name", "Eve", "--output", "json")

    assert (command.code, command.error["type"]) == (6, "CONFLICT")
