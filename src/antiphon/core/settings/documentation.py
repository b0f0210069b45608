"""Lists every setting for the generated page: names, types, defaults and docs, with secrets left out."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from pathlib import PurePath
from typing import Any, cast

import msgspec

from antiphon.core.durations import format_duration
from antiphon.core.secrets import MASK, Secret
from antiphon.core.settings.declare import Setting, Settings, declared
from antiphon.core.settings.sizes import format_size
from antiphon.core.settings.values import LISTS, expectation, is_sized

_HEAD = ("| setting | environment | takes | default | what it does |", "|---|---|---|---|---|")


class SettingDoc(msgspec.Struct, frozen=True):
    """One setting as a reader sees it. `default` is None when the setting has to be given."""

    name: str
    env: tuple[str, ...]
    type: str
    default: str | None
    doc: str
    secret: bool

    @property
    def section(self) -> str:
        """The section it belongs to."""
        return self.name.partition(".")[0]


def describe(sections: Sequence[type[Settings]]) -> list[SettingDoc]:
    """Every setting of these sections, in order. Raises SetupError when one has no doc or cannot be read."""
    return [_describe(setting) for setting in declared(sections)]


def to_markdown(docs: Sequence[SettingDoc]) -> str:
    """The reference page: one table for each section, the same bytes for the same settings."""
    lines = [
        "# Settings",
        "",
        "A setting comes from the environment, else a settings file, else the application, else its default.",
        "Every variable can be read from a file: `NAME_FILE` names it.",
    ]
    for section, members in groupby(docs, key=lambda doc: doc.section):
        lines += ["", f"## {section}", "", *_HEAD]
        for doc in members:
            names = ", ".join(f"`{name}`" for name in doc.env) or "only in a file"
            default = "required" if doc.default is None else doc.default
            lines.append("| " + " | ".join(map(_cell, (f"`{doc.name}`", names, doc.type, default, doc.doc))) + " |")
    return "\n".join(lines) + "\n"


def _describe(setting: Setting) -> SettingDoc:
    kind = expectation(setting.type, sized=is_sized(setting.name))
    return SettingDoc(
        name=setting.name,
        env=() if setting.only_in_files else setting.variables,
        type=f"{kind} (secret)" if setting.secret else kind,
        default=None if setting.required else _written(setting.default, sized=is_sized(setting.name)),
        doc=setting.doc,
        secret=setting.secret,
    )


def _written(value: Any, *, sized: bool) -> str:
    """A default as it would be written in a file."""
    if value is None:
        return "not set"
    if isinstance(value, Secret):
        return MASK if cast("Secret[object]", value).reveal() else "empty"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, LISTS):
        return ", ".join(_written(item, sized=sized) for item in cast("Sequence[object]", value)) or "empty"
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, PurePath):
        return value.as_posix()
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        table = cast("Mapping[str, object]", value)
        return ", ".join(f"{name} = {_written(item, sized=is_sized(name))}" for name, item in table.items()) or "empty"
    return format_size(value) if sized and isinstance(value, int) else str(value) or "empty"


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")
