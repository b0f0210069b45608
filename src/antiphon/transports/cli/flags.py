"""An action's inputs as flags: `--kebab-case`, repeated for lists, `--no-` for booleans, JSON for structures."""

from __future__ import annotations

import hashlib
import mimetypes
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, cast, get_args

import click
import msgspec

from antiphon.core.action import AnyAction
from antiphon.core.errors import Fault, InvalidInput, SetupError
from antiphon.core.inputs.describe import describe
from antiphon.core.inputs.kinds import Upload
from antiphon.core.inputs.schema import Given, InputField, Inputs
from antiphon.core.inputs.types import alternatives, is_structure, plain
from antiphon.core.secrets import Secret
from antiphon.wire.multipart import shown_name
from antiphon.wire.sniff import ENOUGH_BYTES, sniff

TAKEN = frozenset(("output", "as", "help"))
"""Flags that every command has."""

FROM_STDIN = "-"


def flag_of(field: InputField) -> str:
    """The flag of an input, without its dashes."""
    return field.name.replace("_", "-")


def flags_for(action: AnyAction) -> Iterator[click.Option]:
    """A flag for each input. Raises SetupError when an input has the name of a flag that every command has."""
    for field in action.schema.fields:
        flag = flag_of(field)
        if flag in TAKEN:
            raise SetupError(
                f"{action.where}: the input {field.name} of {action.name} would be the flag --{flag}, which is taken."
            )
        words = describe(field.type)
        if field.required:
            words += " (required)"
        elif field.default not in (None, msgspec.UNSET):
            words += f" (default: {_shown(field.default)})"
        if is_switch(field):
            yield click.Option([f"--{flag}/--no-{flag}", field.name], default=None, help=words)
        else:
            yield click.Option([f"--{flag}", field.name], multiple=True, metavar=_metavar(field), help=words)


def is_switch(field: InputField) -> bool:
    """Whether the input is a plain true or false."""
    return [plain(option) for option in alternatives(field.type) if plain(option) is not NoneType] == [bool]


def ask_secrets(action: AnyAction, given: Mapping[str, Any]) -> dict[str, Any]:
    """The same flags with every secret that is asked for, or read from standard input (`-`, one line each).

    A secret that stands on the command line stays as it is, for `read_flags` to refuse: every process could read it.
    Raises click.Abort when the person at the terminal gives up.
    """
    asked = dict(given)
    for field in action.schema.fields:
        if not field.secret:
            continue
        value = given.get(field.name)
        wanted = list(value) == [FROM_STDIN] if value else field.required
        if wanted and sys.stdin.isatty():
            asked[field.name] = Secret(click.prompt(flag_of(field), hide_input=True, err=True))
        elif wanted and value:
            asked[field.name] = Secret(sys.stdin.readline().rstrip("\r\n"))
    return asked


def read_flags(action: AnyAction, given: Mapping[str, Any], folder: Path) -> Inputs:
    """The inputs from the flags that were given. Raises InvalidInput naming every flag at fault.

    Files are copied to `folder`, because an action may keep what it is given, and the person keeps their own.
    """
    texts: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for field in action.schema.fields:
        value = given.get(field.name)
        if value is None or value == ():
            continue
        if is_switch(field):
            texts[field.wire] = ["true" if value else "false"]
        elif field.secret:
            _read_secret(field, value, texts, faults)
        elif field.file:
            values[field.wire] = _read_files(field, value, folder, faults)
        elif _holds_structures(field):
            values[field.wire] = _read_structures(field, value, faults)
        else:
            texts[field.wire] = list(value)
    try:
        inputs = action.schema.gather(Given(texts, strings=True), Given(values))
    except InvalidInput as error:
        named = {fault.name for fault in faults}
        raise InvalidInput(fields=[*faults, *(fault for fault in error.fields if fault.name not in named)]) from None
    if faults:
        raise InvalidInput(fields=faults)
    return inputs


def _read_secret(field: InputField, value: Any, texts: dict[str, list[str]], faults: list[Fault]) -> None:
    if isinstance(value, Secret):
        texts[field.wire] = [cast("Secret[str]", value).reveal()]
    else:
        faults.append(Fault(field.wire, f"is a secret: write --{flag_of(field)} - and give it on standard input"))


def _holds_structures(field: InputField) -> bool:
    return field.many and any(map(is_structure, get_args(plain(alternatives(field.type)[0]))))


def _read_structures(field: InputField, texts: Sequence[str], faults: list[Fault]) -> list[Any]:
    try:
        return [msgspec.json.decode(text) for text in texts]
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        faults.append(Fault(field.wire, "is not an object written as JSON, for each time it is given"))
        return []


def _read_files(field: InputField, paths: Sequence[str], folder: Path, faults: list[Fault]) -> Any:
    uploads: list[Upload] = []
    for number, text in enumerate(paths):
        source, copy = Path(text), folder / f"{field.name}-{number}"
        try:
            shutil.copyfile(source, copy)
            with copy.open("rb") as file:
                sniffed = sniff(file.read(ENOUGH_BYTES))
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            kind = mimetypes.guess_type(source.name)[0] or "application/octet-stream"
            uploads.append(Upload(shown_name(source.name), kind, sniffed, copy.stat().st_size, digest, copy))
        except OSError as error:
            faults.append(Fault(field.wire, f"cannot be read: {error.strerror}"))
    if field.many or len(uploads) != 1:
        return uploads
    return uploads[0]


def _metavar(field: InputField) -> str:
    return "PATH" if field.file else FROM_STDIN if field.secret else "TEXT"


def _shown(default: object) -> str:
    return default if isinstance(default, str) else msgspec.json.encode(default).decode()
