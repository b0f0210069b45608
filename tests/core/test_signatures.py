"""A signature that cannot be a contract stops the start, and the message says where and what to write instead."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from msgspec import Meta

from antiphon.core.access import allow, anyone
from antiphon.core.action import action
from antiphon.core.context import Context
from antiphon.core.errors import SetupError
from antiphon.core.inputs.kinds import Email, Struct
from tests.core.stage import app_of

if TYPE_CHECKING:
    from decimal import Decimal


class Priced(Struct):
    price: Decimal


class Dated(Struct):
    made_at: datetime


class Untagged(Struct):
    a: int


class AlsoUntagged(Struct):
    b: int


async def no_context() -> None: ...
async def other_first(name: str) -> None: ...
async def untyped_context(ctx) -> None: ...  # type: ignore  # pyright: ignore  # replaced below


async def no_return(ctx: Context): ...
async def untyped(ctx: Context, name: Any = 1) -> None: ...
async def many(ctx: Context, *names: str) -> None: ...
async def keywords(ctx: Context, **names: str) -> None: ...
async def only_by_place(ctx: Context, name: str, /) -> None: ...
async def checked_only(ctx: Context, price: Decimal) -> None: ...
async def checked_only_result(ctx: Context) -> Decimal: ...
async def checked_only_inside(ctx: Context, priced: Priced) -> None: ...
