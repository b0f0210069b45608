"""What an action gives back: files to hand out, and the check that a result is what the signature promised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

import msgspec

from antiphon.core.inputs.types import alternatives, convert_kind, is_struct, plain

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

    A Struct must be of exactly the promised class: a wider one would show what the narrower was meant to hide.
    """
    checks = [_check_one(option) for option in alternatives(annotation)]
    if len(checks) == 1:
        return checks[0]
    return lambda value: any(check(value) for check in checks)


def _check_one(annotation: Any) -> Check:
    bare = plain(annotation)
    kind = get_origin(bare) or bare
    if bare is None or bare is NoneType:
        return lambda value: value is None
    if bare is Any or bare is object:
        return lambda value: True
    if is_struct(bare) or kind in (Download, msgspec.Raw):
        return lambda value: value.__class__ is kind
    if kind is list and get_args(bare):
        item = check_for(get_args(bare)[0])
        return lambda value: value.__class__ is list and all(map(item, value))
    if kind is dict and get_args(bare):
        held = check_for(get_args(bare)[1])
        return lambda value: value.__class__ is dict and all(map(held, value.values()))
    return lambda value: _converts(value, annotation)


def _converts(value: object, annotation: Any) -> bool:
    try:
        msgspec.convert(value, annotation, dec_hook=convert_kind)
    except (msgspec.ValidationError, ValueError, TypeError):
        return False
    return True
