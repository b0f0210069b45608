"""What an action gives back: files to hand out, and the check that a result is what the signature promised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from operator import attrgetter
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

import msgspec
from msgspec.inspect import CustomType, type_info

from antiphon.core.inputs.contents import walk
from antiphon.core.inputs.kinds import Email
from antiphon.core.inputs.types import alternatives, convert_kind, is_struct, plain, without
from antiphon.core.secrets import Secret

type Check = Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Download:
    """A file as a result. `name` is what the client should call it; `etag` is strong and without quotes."""

    path: Path
    name: str
    type: str
    size_bytes: int
    etag: str
    modified_at: datetime | None = None


def check_for(annotation: Any) -> Check:
    """A function that says whether a value is what the type promises.

    A Struct must be of exactly the promised class, at any depth: a wider one would show what the narrower was meant to
    hide. What a Struct of the right class holds besides Structs is believed: type checkers look at that.
    """
    return _check_any(annotation, {})


def exact_class(annotation: Any) -> type | None:
    """The class whose every value is what the type promises, and needs no further check; None for most types."""
    if is_struct(annotation) and isinstance(annotation, type) and not _check_fields(annotation, {}):
        return annotation
    return annotation if annotation in (bool, int, str, bytes) else None


def unsayable(annotation: Any) -> list[str]:
    """Why no caller could be given or told a result of this type, in words for a SetupError. Empty when it can."""
    try:
        kinds = [
            node.cls for node, _ in walk(type_info(_without_downloads(annotation))) if isinstance(node, CustomType)
        ]
    except NameError as error:
        gone = f"holds the type {error.name!r}, which does not exist when the program runs."
        return [f"{gone} Import it outside `if TYPE_CHECKING:`, and define it at the top of a module."]
    except (TypeError, ValueError):
        # What no decoder could tell apart, such as a union without tags, is written all the same.
        return []
    names = dict.fromkeys(kind.__name__ for kind in kinds if kind not in (Email, Secret))
    return [f"holds a {name}, which has no form in JSON. Use a Struct of what the caller may see." for name in names]


def _without_downloads(annotation: Any) -> Any:
    kept = without(annotation, Download)
    return NoneType if plain(kept) is Download else kept


type _Known = dict[Any, list[Check]]
"""The checks of the Struct types met so far, so that a type which holds itself is compiled once."""


def _check_any(annotation: Any, known: _Known) -> Check:
    checks = [_check_one(option, known) for option in alternatives(annotation)]
    if len(checks) == 1:
        return checks[0]
    return lambda value: any(check(value) for check in checks)


def _check_one(annotation: Any, known: _Known) -> Check:
    bare = plain(annotation)
    kind, args = get_origin(bare) or bare, get_args(bare)
    if bare is None or bare is NoneType:
        return lambda value: value is None
    if bare is Any or bare is object:
        return lambda value: True
    if is_struct(bare):
        return _check_struct(bare, kind, known)
    if kind in (Download, msgspec.Raw) or (isinstance(kind, type) and issubclass(kind, Enum)):
        return lambda value: value.__class__ is kind
    if kind is list and args:
        item = _check_any(args[0], known)
        return lambda value: value.__class__ is list and all(map(item, value))
    if kind is dict and args:
        held = _check_any(args[1], known)
        return lambda value: value.__class__ is dict and all(map(held, value.values()))
    if kind is tuple and args and ... not in args:
        places = [_check_any(arg, known) for arg in args]
        return lambda value: (
            value.__class__ is tuple
            and len(value) == len(places)
            and all(check(part) for check, part in zip(places, value, strict=True))
        )
    if kind in (set, frozenset) or (kind is tuple and args[1:] == (...,)):
        every = _check_any(args[0], known) if args else None
        return lambda value: value.__class__ is kind and (every is None or all(map(every, value)))
    return lambda value: _converts(value, annotation)


def _check_struct(bare: Any, kind: type, known: _Known) -> Check:
    if bare not in known:
        known[bare] = []
        known[bare] += _check_fields(bare, known)
    elif not known[bare]:
        # The type holds itself and is being compiled just now: its checks are looked up when they are there.
        own = known[bare]
        return lambda value: value.__class__ is kind and all(check(value) for check in own)
    checks = known[bare]
    if not checks:
        return lambda value: value.__class__ is kind
    return lambda value: value.__class__ is kind and all(check(value) for check in checks)


def _check_fields(bare: Any, known: _Known) -> list[Check]:
    """One check for each field in which a Struct can stand; a Struct of plain values costs nothing more."""
    checks: list[Check] = []
    for field in msgspec.structs.fields(bare):
        annotation = without(field.type, msgspec.UnsetType)
        if _holds_struct(annotation):
            checks.append(_check_field(field.name, _check_any(annotation, known)))
    return checks


def _check_field(name: str, check: Check) -> Check:
    read = attrgetter(name)

    def of_field(value: Any) -> bool:
        held = read(value)
        return held is msgspec.UNSET or check(held)

    return of_field


def _holds_struct(annotation: Any) -> bool:
    """Whether a Struct can stand in a value of this type."""
    return any(
        is_struct(bare) or any(map(_holds_struct, get_args(bare))) for bare in map(plain, alternatives(annotation))
    )


def _converts(value: object, annotation: Any) -> bool:
    try:
        msgspec.convert(value, annotation, dec_hook=convert_kind)
    except (msgspec.ValidationError, ValueError, TypeError):
        return False
    return True
