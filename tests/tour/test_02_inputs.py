"""Inputs are parameters: their types are checked, their defaults filled in, and all that is wrong is told at once."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from antiphon import App, Context, Email, Secret, Struct, action, allow, anyone, post
from tests.tour.start import Run


class Guest(Struct):
    """Somebody who comes, and how many with them. In JSON its names are in camelCase."""

    full_name: str
    email: str
    seats: int


@action("guest:invite", post("/guest"), allow(anyone))
def invite(
    ctx: Context,
    full_name: Annotated[str, Meta(min_length=3)],
    email: Email,
    door_code: Secret[str],
    seats: Annotated[int, Meta(ge=1, le=4)] = 1,
) -> Guest:
    """Invite a guest. A function that never waits may be a plain `def`."""
    return Guest(full_name, email, seats)


app = App("tour", modules=[__name__])
ADA = {"fullName": "Ada Lovelace", "email": "Ada@Example.com", "doorCode": "1815"}


async def test_inputs_come_as_their_types(run: Run) -> None:
    """An `Email` is checked and in lower case, and what nobody gave has its default."""
    running = await run(app)

    answer = await running.client().post("/api/guest", ADA)

    assert answer.json == {"fullName": "Ada Lovelace", "email": "ada@example.com", "seats": 1}


async def test_everything_that_is_wrong_is_told_at_once(run: Run) -> None:
    """One answer names every input that does not fit, in words, and repeats no value."""
    running = await run(app)

    answer = await running.client().post("/api/guest", {"fullName": "A", "email": "nobody", "seats": 5})

    assert answer.status == 422
    assert answer.error["fields"] == [
        {"name": "fullName", "message": "is not text of 3 characters or more"},
        {"name": "email", "message": "is not an email address"},
        {"name": "doorCode", "message": "is missing"},
        {"name": "seats", "message": "is not a whole number from 1 to 4"},
    ]


async def test_a_secret_stays_out_of_sight(run: Run) -> None:
    """On the command line a secret comes from standard input; printed, it is `***`."""
    running = await run(app)

    flags = ("--full-name", "Ada Lovelace", "--email", "ada@example.com", "--door-code", "-")
    command = await running.command("guest:invite", *flags, stdin="1815\n")

    assert command.result["seats"] == 1
    assert str(Secret("1815")) == "***"
