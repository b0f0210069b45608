"""Finds every fault in inputs that did not fit. Slow, and only run after a failure: the decoder stops at the first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast, get_args, get_origin

import msgspec

from antiphon.core.errors import Fault
from antiphon.core.inputs.describe import describe
from antiphon.core.inputs.kinds import Email
from antiphon.core.inputs.types import alternatives, convert_kind, is_struct, plain

MOST_FAULTS = 100
"""No answer names more faults than this; a list of thousands of bad items would be an answer of megabytes."""


def faults_in(annotation: Any, value: object, name: str, *, strict: bool) -> list[Fault]:
    """What does not fit in one input, as `name`, `name.field` or `name.0`. Empty when it fits."""
    found: list[Fault] = []
    for fault in _walk(annotation, value, name, strict=strict):
        found.append(fault)
        if len(found) >= MOST_FAULTS:
            break
    return found


def _walk(annotation: Any, value: object, name: str, *, strict: bool) -> Iterator[Fault]:
    try:
        msgspec.convert(value, annotation, strict=strict, dec_hook=convert_kind)
    except (msgspec.ValidationError, ValueError, RecursionError):
        inner = list(_inside(annotation, value, name, strict=strict))
        yield from inner or [Fault(name, f"is not {describe(annotation)}")]


def _inside(annotation: Any, value: object, name: str, *, strict: bool) -> Iterator[Fault]:
    """The faults of the parts, when the whole has the right shape."""
    options = [plain(option) for option in alternatives(annotation)]
    for bare in options:
        if isinstance(value, dict):
            held = cast("dict[str, object]", value)
            if is_struct(bare) and _tag_fits(bare, held):
                yield from _inside_struct(bare, held, name, strict=strict)
                return
            if get_origin(bare) is dict:
                for item in held.values():
                    # The key is the caller's own text, so it is not repeated.
                    yield from _walk(get_args(bare)[1], item, f"{name}.*", strict=strict)
                return
        if _lists_one_kind(bare) and isinstance(value, list):
            for index, item in enumerate(cast("list[object]", value)):
                yield from _walk(get_args(bare)[0], item, f"{name}.{index}", strict=strict)
            return
        if bare is Email and isinstance(value, str):
            yield Fault(name, "is not an email address")
    if isinstance(value, dict):
        yield from _unknown_tag(list(filter(is_struct, options)), cast("dict[str, object]", value), name)


def _lists_one_kind(bare: Any) -> bool:
    kind = get_origin(bare)
    return kind in (list, set, frozenset) or (kind is tuple and get_args(bare)[1:] == (...,))


def _unknown_tag(structs: list[Any], value: dict[str, object], name: str) -> Iterator[Fault]:
    """The fault of an object whose tag is that of none of these: it says which there are."""
    tags: dict[str, list[str]] = {}
    for bare in structs:
        config = _config(bare)
        if config.tag is not None:
            tags.setdefault(config.tag_field, []).append(str(config.tag))
    for field, known in tags.items():
        message = f"is not one of {', '.join(known)}" if field in value else "is missing"
        yield Fault(f"{name}.{field}", message)


def _inside_struct(bare: Any, value: dict[str, object], name: str, *, strict: bool) -> Iterator[Fault]:
    for field in msgspec.structs.fields(bare):
        path = f"{name}.{field.encode_name}"
        if field.encode_name in value:
            yield from _walk(field.type, value[field.encode_name], path, strict=strict)
        elif field.required:
            yield Fault(path, "is missing")


def _tag_fits(bare: Any, value: dict[str, object]) -> bool:
    config = _config(bare)
    return config.tag is None or value.get(config.tag_field) == config.tag


def _config(bare: Any) -> Any:
    return (get_origin(bare) or bare).__struct_config__
