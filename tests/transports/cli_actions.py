"""Actions to try the command line on: one input of each kind, and one ending of each kind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from antiphon import (
    App,
    Context,
    Defect,
    Email,
    Secret,
    Struct,
    TooLarge,
    Upload,
    action,
    allow,
    anyone,
    deprecated,
    get,
    signed_in,
)
from antiphon.core.errors import CALL_ERRORS, SetupError


class Point(Struct):
    """A point."""

    x: int
    y: int = 0


class Said(Struct):
    """What was understood."""

    text: str
    max_count: int
    ratio: float
    loud: bool
    mail: str | None
    tags: list[str]
    numbers: list[int]
    point: Point | None
    points: list[Point]


class Lengths(Struct):
    """How long secrets are."""

    password: int
    old_password: int


class FileFacts(Struct):
    """What is known of a file."""

    name: str
    sniffed: str | None
    size_bytes: int
    sha256: str


@action("say:all", allow(anyone))
def say_all(
    ctx: Context,
    text: str,
    max_count: Annotated[int, Meta(ge=1, le=9)] = 5,
    ratio: float = 0.5,
    loud: bool = False,
    mail: Email | None = None,
    tags: list[str] = [],  # noqa: B006  # an input's default is copied
    numbers: list[int] = [],  # noqa: B006  # as above
    point: Point | None = None,
    points: list[Point] = [],  # noqa: B006  # as above
) -> Said:
    """Say what was understood.

    Everything that was given comes back.
    """
    return Said(text, max_count, ratio, loud, mail, tags, numbers, point, points)


@action("say:secret", allow(anyone))
def say_secret(ctx: Context, password: Secret[str], old_password: Secret[str] | UnsetType = UNSET) -> Lengths:
    """Say how long the secrets are."""
    return Lengths(len(password.reveal()), 0 if old_password is UNSET else len(old_password.reveal()))


@action("say:file", allow(anyone))
def say_file(ctx: Context, file: Upload) -> FileFacts:
    """Say what is known of a file, and take it away."""
    file.path.rename(file.path.with_suffix(".taken"))
    return FileFacts(file.name, file.sniffed, file.size_bytes, file.sha256)


@action("say:count", get("/count"), allow(anyone))
async def say_count(ctx: Context, to: int = 3) -> AsyncIterator[Point]:
    """Count, and fail behind the tenth number."""
    for number in range(1, to + 1):
        if number > 10:
            raise TooLarge
        yield Point(number)


@action("say:error", allow(anyone))
def say_error(ctx: Context, type: str) -> None:
    """Fail with this error."""
    by_name: dict[str, type[Exception]] = {kind.type: kind for kind in CALL_ERRORS}
    raise by_name.get(type, {"DEFECT": Defect, "SETUP": SetupError}.get(type, ZeroDivisionError))


@action("say:nothing", allow(anyone))
def say_nothing(ctx: Context) -> None:
    """Say nothing."""


@action("say:rows", allow(anyone))
def say_rows(ctx: Context) -> list[Point]:
    """Say rows."""
    return [Point(1, 2), Point(30, 40)]


@action("say:anything", allow(anyone))
def say_anything(ctx: Context, value: dict[str, Any]) -> dict[str, Any]:
    """Say what was given."""
    return value


@action("say:private", allow(signed_in), deprecated("Use say:all instead."))
def say_private(ctx: Context, text: str) -> str:
    """Say who calls."""
    return ctx.caller.kind


app = App("words", version="1.2.3", modules=[__name__])
