"""Reads settings files: TOML, YAML or JSON by their suffix, tables as sections, and the line a name stands on."""

from __future__ import annotations

import json
import os
import re
import stat
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import yaml

from antiphon.core.errors import SetupError
from antiphon.core.info import Environment


class SettingsFile(NamedTuple):
    """A file that was read: its top-level tables, its text for line numbers, and who may read it."""

    path: Path
    tables: dict[str, object]
    text: str
    readable_by_others: bool

    def place(self, section: str, name: str | None = None) -> str:
        """Where a section or setting stands: `settings.toml:4`, or the file alone when the line is not certain."""
        line = line_of(self.text, section, name)
        return f"{self.path}:{line}" if line else str(self.path)


def settings_files(folder: Path, environment: Environment) -> list[Path]:
    """The files called `settings` in this folder, to be given to `load`; an empty list when there is none."""
    paths = [folder / f"settings{suffix}" for suffix in _READERS]
    return [path for path in paths if path.exists() or beside(path, environment).exists()]


def beside(path: Path, environment: Environment) -> Path:
    """The file for one environment next to a general one: `settings.production.toml`."""
    return path.with_name(f"{path.stem}.{environment}{path.suffix}")


def read_files(paths: Sequence[Path], environment: Environment, problems: list[str]) -> list[SettingsFile]:
    """Every file that is there, the strongest first: those of the environment over general ones, later over earlier.

    A general file may be missing where the one of the environment is there. What cannot be read is a problem.
    """
    general: list[SettingsFile] = []
    special: list[SettingsFile] = []
    for path in paths:
        own = beside(path, environment)
        if not path.exists() and not own.exists():
            problems.append(f"{path}: there is no such settings file, and no {own.name} either.")
        for each, kind in ((path, general), (own, special)):
            try:
                kind.extend([read_file(each)] if each.exists() else [])
            except SetupError as error:
                problems += error.problems
    return [*reversed(special), *reversed(general)]


def read_file(path: Path) -> SettingsFile:
    """Read one file. Raises SetupError that names the line, and never shows it: it may hold a secret."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise SetupError(f"{path}: is no settings file; use one of {', '.join(_READERS)}.")
    try:
        with path.open(encoding="utf-8-sig") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read()
        tables = reader(text)
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise SetupError(f"{path}: cannot be read: it is not UTF-8.") from None
    except _Repeated as error:
        raise SetupError(f"{path}{error.place}: {error.name} stands there twice. Keep one.") from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        kind = path.suffix[1:].upper()
        raise SetupError(f"{path}{_place(error)}: cannot be read as {kind}. Mend what stands there.") from None
    if tables is None:  # an empty YAML file
        tables = {}
    if not isinstance(tables, dict):
        raise SetupError(f"{path}: has no sections. Write tables, such as `http`, with settings in them.")
    private = os.name != "posix" or not stat.S_IMODE(mode) & 0o077
    return SettingsFile(path, cast("dict[str, object]", tables), text, readable_by_others=not private)


def line_of(text: str, section: str, name: str | None = None) -> int | None:
    """The line of a section, or of a setting in it; None unless exactly one line can be meant.

    The parsers keep no lines, so the text is searched: first for the section's header (`[http]`, `http:`, `"http": {`),
    then inside it for the name. A wrong line is worse than none.
    """
    opening = re.compile(rf"""\s*(?:\[\s*{re.escape(section)}\s*\]|\{{?\s*["']?{re.escape(section)}["']?\s*[:=])""")
    lines = text.splitlines()
    headers = [number for number, line in enumerate(lines) if opening.match(line)]
    if len(headers) != 1 or name is None:
        return headers[0] + 1 if len(headers) == 1 else None
    start = headers[0]
    toml = lines[start].lstrip().startswith("[")
    indent = _indent(lines[start])
    end = start + 1
    while end < len(lines) and not _ends_section(lines[end], toml=toml, indent=indent):
        end += 1
    key = re.compile(rf"""(?:^|[\s{{,])["']?{re.escape(name)}["']?\s*[:=]""")
    found = [number for number in range(start, end) if not _comment(lines[number]) and key.search(lines[number])]
    return found[0] + 1 if len(found) == 1 else None


def _ends_section(line: str, *, toml: bool, indent: int) -> bool:
    if not line.strip() or _comment(line):
        return False
    return line.lstrip().startswith("[") if toml else _indent(line) <= indent


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _comment(line: str) -> bool:
    return line.lstrip().startswith("#")


class _Repeated(Exception):
    """A name stands twice in one table, so that one of two values would be lost in silence."""

    def __init__(self, name: str, place: str) -> None:
        self.name = name
        self.place = place
        super().__init__(name)


class _YamlLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which builds plain values only; a name that stands twice is refused."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  # PyYAML's signature
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise _Repeated(key.value, f":{key.start_mark.line + 1}")
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _read_yaml(text: str) -> object:
    loader = _YamlLoader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()  # pyright: ignore[reportUnknownMemberType]  # the stubs leave it untyped


def _read_json(text: str) -> object:
    return json.loads(text, object_pairs_hook=_unrepeated)


def _unrepeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    table: dict[str, object] = {}
    for name, value in pairs:
        if name in table:
            raise _Repeated(name, "")
        table[name] = value
    return table


def _place(error: Exception) -> str:
    """Line and column of a parser's error. Its words are left out: some quote what they stumbled over."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f":{error.problem_mark.line + 1}:{error.problem_mark.column + 1}"
    if isinstance(error, json.JSONDecodeError):
        return f":{error.lineno}:{error.colno}"
    found = re.search(r"\(at line (\d+), column (\d+)\)$", str(error))
    return f":{found[1]}:{found[2]}" if found else ""


_READERS: dict[str, Callable[[str], object]] = {
    ".toml": tomllib.loads,
    ".yaml": _read_yaml,
    ".yml": _read_yaml,
    ".json": _read_json,
}
