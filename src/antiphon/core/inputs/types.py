"""Looks into annotations: what an input's type is made of, and which of our own kinds it holds."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAliasType, cast, get_args, get_origin

import msgspec
from msgspec import UnsetType

from antiphon.core.inputs.kinds import Email, Upload
from antiphon.core.secrets import Secret

TEXT_TYPES = (str, Email)
UNIONS = (UnionType, get_origin(Literal[0] | None))
"""What `get_origin` says of a union: of plain classes, and of whatever else (one and the same from Python 3.14 on)."""


def plain(annotation: Any) -> Any:
    """The type without `Annotated` and type aliases around it."""
    while True:
        if isinstance(annotation, TypeAliasType):
            annotation = annotation.__value__
        elif get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif isinstance(get_origin(annotation), TypeAliasType):
            annotation = get_origin(annotation).__value__[get_args(annotation)]
        else:
            return annotation


def metas(annotation: Any) -> tuple[msgspec.Meta, ...]:
    """Every `Meta` around the type, outermost first."""
    found: list[msgspec.Meta] = []
    while True:
        if isinstance(annotation, TypeAliasType):
            annotation = annotation.__value__
        elif get_origin(annotation) is Annotated:
            inner, *notes = get_args(annotation)
            found += [note for note in notes if isinstance(note, msgspec.Meta)]
            annotation = inner
        elif isinstance(get_origin(annotation), TypeAliasType):
            annotation = get_origin(annotation).__value__[get_args(annotation)]
        else:
            return tuple(found)


def alternatives(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the type itself."""
    bare = plain(annotation)
    if get_origin(bare) in UNIONS:
        return get_args(bare)
    return (annotation,)


def without(annotation: Any, *left_out: Any) -> Any:
    """The type without these members of its union; notes around the union stay."""
    bare = plain(annotation)
    if get_origin(bare) not in UNIONS:
        return annotation
    kept = tuple(arg for arg in get_args(bare) if arg not in left_out)
    if len(kept) == len(get_args(bare)):
        return annotation
    union = _union(kept)
    for meta in reversed(metas(annotation)):
        union = Annotated[union, meta]
    return union


def compiled(annotation: Any) -> Any:
    """The type as the decoder is given it: UNSET is a default and no alternative, and every time carries an offset."""
    annotation = without(annotation, UnsetType)
    bare = plain(annotation)
    if bare is datetime:
        said = any(meta.tz is not None for meta in metas(annotation))
        return annotation if said else Annotated[annotation, msgspec.Meta(tz=True)]
    if get_origin(bare) in UNIONS and datetime in map(plain, get_args(bare)):
        return _union(tuple(compiled(arg) for arg in get_args(bare)))
    return annotation


def _union(members: tuple[Any, ...]) -> Any:
    joined = members[0]
    for member in members[1:]:
        joined = joined | member
    return joined


def takes_none(annotation: Any) -> bool:
    """Whether `null` is a value of this type."""
    return NoneType in map(plain, alternatives(annotation))


def is_list(annotation: Any) -> bool:
    """Whether the type is a list, set or tuple, apart from `None`."""
    kinds = [get_origin(plain(arg)) or plain(arg) for arg in alternatives(annotation) if plain(arg) is not NoneType]
    return bool(kinds) and all(kind in (list, set, frozenset, tuple) for kind in kinds)


def is_structure(annotation: Any) -> bool:
    """Whether the type is an object in JSON: a Struct or a dict."""
    return any(
        get_origin(bare) is dict or bare is dict or is_struct(bare) for bare in map(plain, alternatives(annotation))
    )


def is_struct(bare: Any) -> bool:
    """Whether this is a Struct class, plain or of given parameters."""
    origin = get_origin(bare) or bare
    return isinstance(origin, type) and issubclass(origin, msgspec.Struct)


def is_text(annotation: Any) -> bool:
    """Whether an empty string is a value of this type."""
    return any(bare in TEXT_TYPES or is_secret(bare) for bare in map(plain, alternatives(annotation)))


def is_file(annotation: Any) -> bool:
    """Whether the type is an upload, or a list of them."""
    inner: list[Any] = []
    for bare in map(plain, alternatives(annotation)):
        inner += [bare, *map(plain, get_args(bare))]
    return Upload in inner


def is_secret(annotation: Any) -> bool:
    """Whether the type is `Secret[…]`, apart from `None`."""
    return any((get_origin(plain(arg)) or plain(arg)) is Secret for arg in alternatives(annotation))


def convert_kind(annotation: Any, value: object) -> Any:
    """msgspec's `dec_hook`: reads our own kinds. Raises ValueError with words that follow the input's name."""
    kind = get_origin(annotation) or annotation
    if kind is Email:
        return Email.read(value)
    if kind is Secret:
        inner = get_args(annotation)[0] if get_args(annotation) else str
        revealed = value.reveal() if isinstance(value, Secret) else value  # pyright: ignore[reportUnknownVariableType]  # it is checked by the next line
        try:
            return Secret(msgspec.convert(revealed, inner, dec_hook=convert_kind))
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
    if kind is Upload and isinstance(value, Upload):
        return value
    raise ValueError("is not a file" if kind is Upload else "does not fit")


def encode_kind(value: object) -> Any:
    """msgspec's `enc_hook`: writes our own kinds. A Secret is refused."""
    if isinstance(value, Email):
        return str.__str__(value)
    if isinstance(value, Secret):
        raise TypeError(
            "A Secret never leaves the program; reveal() it where it is used, or leave it out of the result."
        )
    raise TypeError(f"{type(value).__name__} has no form in JSON. Return a Struct, or a type that JSON knows.")


def spelled(value: Any) -> Any:
    """A value with members of enums as their values where the decoder knows a member only by its value."""
    if isinstance(value, Enum) and not isinstance(value, int | str):
        return value.value
    if isinstance(value, list | tuple | set | frozenset):
        items = cast("Collection[Any]", value)
        return [spelled(item) for item in items] if any(isinstance(item, _SPELLED) for item in items) else items
    if isinstance(value, dict):
        pairs = cast("dict[Any, Any]", value)
        return {key: spelled(held) for key, held in pairs.items()}
    return value


_SPELLED = (Enum, list, tuple, set, frozenset, dict)


class _Absent:
    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Any = _Absent()
"""Stands for an input that nobody gave, while inputs are being read."""
