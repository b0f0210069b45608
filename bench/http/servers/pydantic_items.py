"""The item of work (b) as pydantic models, for the frameworks whose documentation reads bodies with pydantic."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field


class Status(BaseModel):
    """The answer of works (a) and (c)."""

    name: str
    count: int


class Item(BaseModel):
    """The body of work (b)."""

    title: Annotated[str, Field(min_length=1, max_length=100)]
    quantity: Annotated[int, Field(ge=1, le=1000)]
    price: Annotated[float, Field(ge=0)]
    active: bool
    tags: Annotated[list[str], Field(max_length=8)]


class Saved(BaseModel):
    """The answer of work (b)."""

    id: int
    notify: bool
    title: str
    quantity: int
    price: float
    active: bool
    tags: list[str]
