"""Actions of every kind that an OpenAPI document has something to say about; none of them does anything."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from antiphon.core.access import Verdict, allow, anyone
from antiphon.core.action import action
from antiphon.core.context import Context
from antiphon.core.errors import Conflict, NotFound
from antiphon.core.inputs.kinds import Email, Struct, Upload
from antiphon.core.results import Download
from antiphon.core.secrets import Secret
from antiphon.core.traits import deprecated, raises
from antiphon.transports.http.routes import delete, etag, get, patch, post, put

type Password = Secret[Annotated[str, Meta(min_length=8, max_length=99)]]


class Sold(Conflict):
    """Somebody else was faster."""

    type = "SOLD"
    default = "This is sold."


class Address(Struct):
    """Where somebody lives."""

    street: str
    door_code: Password | None = None


class Person(Struct):
    """Somebody."""

    id: str
    email: Email
    born_at: datetime
    address: Address | None = None


class Circle(Struct, tag="circle"):
    """A round shape."""

    radius: float


class Square(Struct, tag="square"):
    """A shape with corners."""

    side: float


async def known(ctx: Context) -> Verdict:
    """A rule that is not `anyone`."""
    return Verdict(granted=True)


def _status(person: Person) -> Literal[200, 503]:
    return 200 if person.id else 503


@action("person:create", put("/person", status=201, location="/person/{id}"), allow(anyone), raises(Conflict))
async def create(
    ctx: Context,
    first_name: Annotated[str, Meta(min_length=1)],
    email: Email,
    password: Password,
    address: Address | None = None,
    tags: list[str] = [],  # noqa: B006  # the framework copies it for each call
    born_at: datetime | UnsetType = UNSET,
) -> Person:
    """Register somebody.

    The address may follow later.
    """
    raise NotImplementedError


@action("person:view", get("/person/{person_id}"), get("/people/{person_id}"), allow(known), raises(NotFound), etag())
async def view(
    ctx: Context, person_id: str, with_tags: bool = False, since: datetime | None = None, near: Address | None = None
) -> Person:
    """Look at somebody."""
    raise NotImplementedError


@action("person:edit", patch("/person/{person_id}"), post("/person/{person_id}"), allow(known), raises(NotFound, Sold))
async def edit(ctx: Context, person_id: str, shape: Circle | Square | UnsetType = UNSET) -> Person | None:
    """Change somebody."""
    raise NotImplementedError


@action("person:delete", delete("/person/{person_id}"), allow(known), deprecated("Use person:edit."))
async def remove(ctx: Context, person_id: str, *, for_good: bool = False) -> None:
    """Remove somebody."""


@action("shape:any", get("/shape"), allow(anyone))
async def any_shape(ctx: Context) -> Person | Address | None:
    """Give one or the other."""
    raise NotImplementedError


@action("person:check", get("/check", status=_status), allow(anyone))
async def check(ctx: Context) -> Person:
    """Whether somebody is there."""
    raise NotImplementedError


@action("photo:upload", post("/photo"), allow(known))
async def upload(ctx: Context, photo: Upload, more: list[Upload] = [], *, title: str = "") -> None:  # noqa: B006  # as above
    """Upload a photo."""


@action("photo:download", get("/photo/{photo_id}"), allow(known))
async def download(ctx: Context, photo_id: str) -> Download:
    """Download a photo."""
    raise NotImplementedError


@action("count", get("/count"), allow(anyone))
async def count(ctx: Context, to: Annotated[int, Meta(ge=1, le=100)] = 5) -> AsyncIterator[Circle]:
    """Count."""
    yield Circle(to)


@action("page:show", get(re.compile(r"/page/(?P<year>\d{4})-(?P<slug>[a-z()]+)\.html$"), outside=True), allow(anyone))
async def page(ctx: Context, year: int, slug: str) -> str:
    """Show a page."""
    raise NotImplementedError


@action("inner", allow(anyone))
async def inner(ctx: Context) -> None:
    """Has no route, so it is in no document."""
