"""Loads the settings of an application from all their places at once, and tells every fault in one error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast, get_args
from urllib.parse import unquote, urlsplit

from antiphon.core.errors import SetupError
from antiphon.core.info import Environment
from antiphon.core.secrets import Secret
from antiphon.core.settings.declare import Setting, Settings, declared
from antiphon.core.settings.dotenv import read_dotenv
from antiphon.core.settings.files import read_files
from antiphon.core.settings.layers import (
    DotenvLayer,
    FileLayer,
    Found,
    Layer,
    Source,
    TableLayer,
    Unusable,
    VariableLayer,
)
from antiphon.core.settings.values import ValueReader, expectation, is_sized

ENVIRONMENT = "ANTIPHON_ENV"
ENVIRONMENTS: tuple[Environment, ...] = get_args(Environment.__value__)
_NOTHING: Mapping[str, Mapping[str, object]] = MappingProxyType({})
_PLACEHOLDERS = re.compile(
    r"(change|replace)(me|this|it)"
    r"|(an?|my|the|your|not|super|top|example|insecure)*(secret|password|key|example)(here)?"
    r"|default|dummy|insecure|placeholder|test(ing)?|todo|x+"
)
"""What examples have in the place of a secret, in letters alone."""


class Loaded:
    """The sections of an application, each an instance of its class, and where every value came from."""

    def __init__(self, sections: Mapping[type[Settings], Settings], sources: Mapping[str, Source]) -> None:
        self._sections = sections
        self.sources = MappingProxyType(dict(sources))

    def __getitem__[S: Settings](self, section: type[S]) -> S:
        """The values of one section. Raises KeyError when it was not among those that were loaded."""
        return cast("S", self._sections[section])

    def __contains__(self, section: type[Settings]) -> bool:
        return section in self._sections

    def __iter__(self) -> Iterator[Settings]:
        return iter(self._sections.values())


def environment_of(environ: Mapping[str, str]) -> Environment:
    """The environment that ANTIPHON_ENV names: `development` (also when it is not set), `test` or `production`."""
    given = environ.get(ENVIRONMENT) or "development"
    for environment in ENVIRONMENTS:
        if given == environment:
            return environment
    start = given.strip().lower()[:3]
    meant = next((f"; did you mean {name}?" for name in ENVIRONMENTS if start and name.startswith(start)), ".")
    raise SetupError(f"{ENVIRONMENT}: is not one of {', '.join(ENVIRONMENTS)}{meant}")


def load(
    sections: Sequence[type[Settings]],
    *,
    defaults: Mapping[str, Mapping[str, object]] = _NOTHING,
    files: Sequence[Path] = (),
    environ: Mapping[str, str],
    environment: Environment,
    dotenv: Path | None = None,
    also: Sequence[type[Settings]] = (),
) -> Loaded:
    """Give every section its values: the environment over files over the application's defaults over declared ones.

    - **Environment**: `http.body_bytes` is `HTTP_BODY_BYTES`, or the content of the file that `HTTP_BODY_BYTES_FILE`
      names (without its last line breaks); then the names of `env(...)`. An empty variable is not set, except for text
      and lists. In development, `dotenv` is read too; the variables of the process stand over it.
    - **Files**: `settings.toml`, `.yaml`, `.yml` or `.json`, with `settings.production.toml` next to it over it. Later
      files stand over earlier ones, those of the environment over all general ones. A value replaces another whole:
      tables and lists are not merged.
    - **defaults**: by section and name, in code, such as `{"http": {"port": 9000, "idle_time": "30s"}}`.
    - **also**: sections that this process does not use, as a worker does not use those of HTTP. Their names are known,
      so that all processes can share their files; their values are not read.

    Raises SetupError with every fault of every section. Each names the setting, where it stands and what to write; no
    value is repeated.
    """
    loaded, problems = survey(
        sections,
        defaults=defaults,
        files=files,
        environ=environ,
        environment=environment,
        dotenv=dotenv,
        also=also,
    )
    if problems:
        raise SetupError(*problems)
    return loaded


def survey(
    sections: Sequence[type[Settings]],
    *,
    defaults: Mapping[str, Mapping[str, object]] = _NOTHING,
    files: Sequence[Path] = (),
    environ: Mapping[str, str],
    environment: Environment,
    dotenv: Path | None = None,
    also: Sequence[type[Settings]] = (),
) -> tuple[Loaded, list[str]]:
    """The same as `load`, for who wants to go on whatever is wrong: the sections that can be read, and every fault.

    Raises SetupError only for sections that are declared wrongly.
    """
    settings = declared([*sections, *also])
    problems: list[str] = []
    found_files = read_files(files, environment, problems)
    layers: list[Layer] = [VariableLayer(environ)]
    layers += _dotenv(dotenv, environment, problems)
    layers += [FileLayer(file) for file in found_files]
    layers.append(TableLayer(defaults))
    for layer in layers:
        problems += layer.strangers(settings)
    loading = _Loading(layers, environment, problems)
    instances = {section: loading.section(section, settings) for section in dict.fromkeys(sections)}
    if environment == "production":
        for file in (file for file in found_files if file.readable_by_others and _holds_secrets(file.tables, settings)):
            problems.append(f"{file.path}: holds secrets and others can read it. Run `chmod 600` on it.")
    return Loaded({section: made for section, made in instances.items() if made is not None}, loading.sources), problems


class _Loading:
    """One run over the layers: the sources it finds and the problems it meets."""

    def __init__(self, layers: Sequence[Layer], environment: Environment, problems: list[str]) -> None:
        self.layers = layers
        self.environment: Environment = environment
        self.problems = problems
        self.sources: dict[str, Source] = {}
        self.unsafe: set[str] = set()

    def section(self, section: type[Settings], settings: Sequence[Setting]) -> Settings | None:
        """The section with its values, or None with at least one more problem."""
        own = [setting for setting in settings if setting.section is section]
        values: dict[str, Any] = {}
        # Every setting is read, also after one that cannot be.
        readable = [self._set(setting, values) for setting in own]
        if not all(readable):
            return None
        try:
            made = section(**values)
        except (ValueError, TypeError) as error:  # its own __post_init__
            self.problems.append(f"{section.section}: {_sentence(str(error))}")
            return None
        for fault in made.problems(self.environment):
            name = f"{section.section}.{fault.name}"
            if name in self.unsafe:
                continue
            place = self.sources.get(name)
            message = _sentence(fault.message)
            self.problems.append(f"{name} ({place}): {message}" if place else f"{name}: {message}")
        return made

    def _set(self, setting: Setting, values: dict[str, Any]) -> bool:
        """Whether the section can be made, as far as this setting goes."""
        before = len(self.problems)
        try:
            found = next((found for layer in self.layers if (found := layer.find(setting)) is not None), None)
        except Unusable as error:
            self.problems.append(f"{setting.name}: {error}")
            return False
        if found is not None and found.text and setting.only_in_files:
            self.problems.append(f"{setting.name} ({found.source}): is a table; write it in a settings file.")
        elif found is not None:
            values[setting.field] = self._read(setting, found)
            self.sources[setting.name] = found.source
        elif setting.required:
            self.problems.append(_missing(setting))
        else:
            self.sources[setting.name] = Source("default", "its default")
            self._refuse_unsafe(setting, setting.default, self.sources[setting.name])
        # What is unsafe is a value all the same, and must not hide what else is wrong with its section.
        return len(self.problems) == before or setting.name in self.unsafe

    def _read(self, setting: Setting, found: Found) -> Any:
        reader = ValueReader(text=found.text)
        value = reader.read(found.value, setting.type, setting.name)
        self.problems += [f"{fault.name} ({found.source}): {_sentence(fault.message)}" for fault in reader.faults]
        if not reader.faults:
            self._refuse_unsafe(setting, value, found.source)
        return value

    def _refuse_unsafe(self, setting: Setting, value: object, source: Source) -> None:
        """In production a secret comes from outside the code, and is not the word that an example had in its place."""
        if self.environment != "production" or not isinstance(value, Secret):
            return
        shown = cast("Secret[object]", value).reveal()
        if not shown:  # an address that may be left out, and that can have a password in it
            return
        if source.kind in ("application", "default"):
            wrong = "is a secret that stands in the code"
        elif _is_placeholder(str(shown)):
            wrong = "is a secret that still has the word of an example"
        elif "://" in str(shown) and _has_weak_password(str(shown)):
            wrong = "is an address whose password is its user's name, or the word of an example"
        else:
            return
        self.unsafe.add(setting.name)
        self.problems.append(f"{setting.name} ({source}): {wrong}. Set one of your own: {_ways(setting)}.")


def _dotenv(path: Path | None, environment: Environment, problems: list[str]) -> list[Layer]:
    if path is None or environment != "development":
        return []
    try:
        lines = read_dotenv(path)
    except SetupError as error:
        problems += error.problems
        return []
    if line := lines.get(ENVIRONMENT):
        # It would be too late: the environment was chosen before, and any other would not have read this file.
        problems.append(f"{line.place}: {ENVIRONMENT} has no effect here. Set it in the environment of the process.")
    return [DotenvLayer(lines)]


def _is_placeholder(secret: str) -> bool:
    return _PLACEHOLDERS.fullmatch("".join(filter(str.isalpha, secret)).lower()) is not None


def _has_weak_password(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:  # its own section says what is wrong with it
        return False
    password = unquote(parts.password or "")
    return bool(password) and (password == unquote(parts.username or "") or _is_placeholder(password))


def _missing(setting: Setting) -> str:
    wanted = expectation(setting.type, sized=is_sized(setting.name))
    return f"{setting.name}: is not set and has no default. Give it {wanted}: {_ways(setting)}."


def _ways(setting: Setting) -> str:
    variable = setting.variables[0]
    in_file = f"write `{setting.field}` under `{setting.section.section}` in a settings file"
    return in_file if setting.only_in_files else f"set {variable} or {variable}_FILE, or {in_file}"


def _sentence(message: str) -> str:
    return message if message.endswith((".", "?")) else f"{message}."


def _holds_secrets(tables: Mapping[str, object], settings: Sequence[Setting]) -> bool:
    return any(setting.secret and TableLayer(tables).find(setting) is not None for setting in settings)
