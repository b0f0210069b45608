"""The item of work (b) as msgspec Structs, for the servers that read their bodies with msgspec."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

type Title = Annotated[str, Meta(min_length=1, max_length=100)]
type Quantity = Annotated[int, Meta(ge=1, le=1000)]
type Price = Annotated[float, Meta(ge=0)]
type Tags = Annotated[list[str], Meta(max_length=8)]


class Status(Struct):
    """The answer of works (a) and (c)."""

    name: str
    count: int


class Item(Struct):
    """The body of work (b)."""

    title: Title
    quantity: Quantity
    price: Price
    active: bool
    tags: Tags


class Saved(Struct):
    """The answer of work (b)."""

    id: int
    notify: bool
    title: str
    quantity: int
    price: float
    active: bool
    tags: list[str]
