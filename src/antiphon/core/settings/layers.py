"""Where settings come from: environment variables and tables, each a layer that finds settings and knows strangers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, cast

import msgspec

from antiphon.core.settings.declare import Setting
from antiphon.core.settings.dotenv import Line
from antiphon.core.settings.files import SettingsFile
from antiphon.core.settings.values import takes_empty_text, unknown


class Source(msgspec.Struct, frozen=True):
    """Where a value came from: the kind of place, and the place itself (`HTTP_PORT`, `settings.toml:4`)."""

    kind: Literal["environment", "dotenv", "file", "application", "default"]
    place: str

    def __str__(self) -> str:
        return self.place


class Found(NamedTuple):
    """A value as it was written, and its source; `text` when it was read from text, where `"5"` may be 5."""

    value: Any
    source: Source
    text: bool


class Unusable(Exception):
    """The layer has the setting, and its value cannot be had; the message says where and why."""


class Layer(Protocol):
    """One place that settings come from."""

    def find(self, setting: Setting) -> Found | None:
        """The value of a setting, or None when this layer has none. Raises Unusable."""
        ...

    def strangers(self, settings: Sequence[Setting]) -> Iterable[str]:
        """What stands in this layer, is meant for us and is no setting."""
        ...


class VariableLayer:
    """Environment variables, of the process or of a `.env` file."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = variables

    def find(self, setting: Setting) -> Found | None:
        for name in setting.variables:
            value, file = self.variables.get(name), self.variables.get(f"{name}_FILE")
            if value and file:
                raise Unusable(f"{self._place(name)} and {name}_FILE are both set. Unset one of them.")
            if file:
                return Found(self._read(f"{name}_FILE", file), self._source(f"{name}_FILE"), text=True)
            # Deployments pass variables on empty when nobody set them: empty is "not set" wherever it is no value.
            if value or (value is not None and takes_empty_text(setting.type)):
                return Found(value, self._source(name), text=True)
        return None

    def strangers(self, settings: Sequence[Setting]) -> Iterable[str]:
        """Variables one slip away from a setting's.

        Other programs own variables under our prefixes (HTTP_PROXY, DATABASE_HOST, and in Kubernetes REDIS_PORT when a
        service is called redis), so a prefix alone proves nothing: only a name close to a setting's is reported.
        """
        known = {name for setting in settings for name in setting.variables}
        # Most variables are none of ours, and every command has to look at all of them.
        ours = tuple({f"{setting.section.section.upper()}_" for setting in settings})
        for name in self.variables:
            bare = name.removesuffix("_FILE")
            if not bare.startswith(ours) or name in known or bare in known:
                continue
            nearest = max(((_likeness(bare, setting), setting.variables[0]) for setting in settings), default=(0.0, ""))
            if nearest[0] >= 0.8:
                meant = nearest[1] + name[len(bare) :]
                yield f"{self._place(name)}: is not a setting; did you mean {meant}?"

    def _place(self, name: str) -> str:
        return name

    def _source(self, name: str) -> Source:
        return Source("environment", self._place(name))

    def _read(self, name: str, path: str) -> str:
        # The path is not told: somebody may have put the secret itself where the path belongs.
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise Unusable(f"{self._place(name)}: the file it names cannot be read: {reason}.") from None
        if not text.strip():
            raise Unusable(f"{self._place(name)}: the file it names is empty.")
        return text.rstrip("\r\n")


class DotenvLayer(VariableLayer):
    """The variables of a `.env` file; the environment of the process stands over it."""

    def __init__(self, lines: Mapping[str, Line]) -> None:
        super().__init__({name: line.value for name, line in lines.items()})
        self.lines = lines

    def _place(self, name: str) -> str:
        return f"{self.lines[name].place} {name}"

    def _source(self, name: str) -> Source:
        return Source("dotenv", self._place(name))


class TableLayer:
    """Sections as tables: the application's own defaults."""

    kind: Literal["file", "application"] = "application"

    def __init__(self, tables: Mapping[str, object]) -> None:
        self.tables = tables

    def find(self, setting: Setting) -> Found | None:
        section = setting.section.section
        table = self.tables.get(section)
        if not isinstance(table, Mapping) or setting.field not in table:
            return None
        place = self._place(section, setting.field)
        return Found(cast("Mapping[str, object]", table)[setting.field], Source(self.kind, place), text=False)

    def strangers(self, settings: Sequence[Setting]) -> Iterable[str]:
        sections = {setting.section.section: setting.section for setting in settings}
        for section, table in self.tables.items():
            if section not in sections:
                yield f"{section} ({self._place(section)}): {unknown(section, sections, kind='section')}"
            elif not isinstance(table, Mapping):
                yield f"{section} ({self._place(section)}): is a section; write its settings in a table of this name."
            else:
                known = {setting.field: setting for setting in settings if setting.section is sections[section]}
                for name in cast("Mapping[object, object]", table):
                    if name not in known:
                        place = self._place(section, str(name))
                        yield f"{section}.{name} ({place}): {unknown(str(name), known, prefix=f'{section}.')}"

    def _place(self, section: str, name: str | None = None) -> str:
        return "the application's settings"


class FileLayer(TableLayer):
    """The sections of a settings file."""

    kind = "file"

    def __init__(self, file: SettingsFile) -> None:
        super().__init__(file.tables)
        self.file = file

    def _place(self, section: str, name: str | None = None) -> str:
        return self.file.place(section, name)


def _likeness(variable: str, setting: Setting) -> float:
    """How close a variable is to a setting of its section, from 0 to 1; 0 under another prefix."""
    prefix = f"{setting.section.section.upper()}_"
    if not variable.startswith(prefix):
        return 0.0
    return SequenceMatcher(None, variable.removeprefix(prefix), setting.field.upper()).ratio()
