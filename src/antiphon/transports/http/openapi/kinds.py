"""Says our own kinds of input and result in types that have a JSON Schema: Secret, Email, Upload, Download, times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import Meta

from antiphon.core.inputs.kinds import Email, Upload
from antiphon.core.inputs.types import UNIONS, is_struct, metas, plain
from antiphon.core.results import Download
from antiphon.core.secrets import Secret

BINARY = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
"""The bytes of a file. OpenAPI 3.1 goes by the media type; older tools and Swagger UI by the format."""

_FILE = Annotated[Any, Meta(extra_json_schema=BINARY)]
_SECRET = Meta(extra_json_schema={"writeOnly": True})
_PASSWORD = Meta(extra_json_schema={"writeOnly": True, "format": "password"})
_TIME = Annotated[datetime, Meta(tz=True)]
_CONTAINERS: tuple[Any, ...] = (list, set, frozenset, tuple, dict)


def shown(annotation: Any) -> Any:
    """The same type with our kinds replaced, at any depth outside Structs."""
    bare, notes = plain(annotation), metas(annotation)
    # A time that says already whether it has an offset must not be told twice.
    replaced = bare if any(note.tz is not None for note in notes) else _shown_bare(bare)
    if replaced == bare:
        return annotation
    for note in reversed(notes):
        replaced = Annotated[replaced, note]
    return replaced


def _shown_bare(bare: Any) -> Any:
    origin, args = get_origin(bare), get_args(bare)
    if (origin or bare) is Secret:
        inner = shown(args[0]) if args else str
        return Annotated[inner, _PASSWORD if plain(inner) is str else _SECRET]
    if bare in (Upload, Download):
        return _FILE
    if bare is datetime:
        return _TIME
    if origin in UNIONS:
        return _union(tuple(map(shown, args)))
    if origin in _CONTAINERS:
        return origin[tuple(arg if arg is ... else shown(arg) for arg in args)]
    return bare


def _union(members: tuple[Any, ...]) -> Any:
    joined = members[0]
    for member in members[1:]:
        joined = joined | member
    return joined


def schema_of_kind(kind: type) -> dict[str, Any]:
    """msgspec's `schema_hook`: what is left of our kinds. A type that nobody can describe may be anything."""
    if kind is Email:
        return {"type": "string", "format": "email"}
    return {"title": kind.__name__}


def structs_in(annotation: Any, seen: set[Any]) -> Iterator[Any]:
    """Every Struct that a type is made of, those inside other Structs included. `seen` is added to."""
    bare = plain(annotation)
    if is_struct(bare):
        if bare not in seen:
            seen.add(bare)
            yield bare
            for field in msgspec.structs.fields(bare):
                yield from structs_in(field.type, seen)
        return
    for arg in get_args(bare):
        yield from structs_in(arg, seen)
