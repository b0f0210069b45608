"""An action's inputs as flags: `--kebab-case`, repeated for lists, `--no-` for booleans, JSON for structures."""

from __future__ import annotations

import hashlib
import mimetypes
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import NoneType
from typing import Any

import click
import msgspec

from antiphon.core.action import AnyAction
from antiphon.core.errors import Fault, InvalidInput, SetupError
from antiphon.core.inputs.describe import describe
from antiphon.core.inputs.kinds import Upload
from antiphon.core.inputs.schema import Given, InputField, Inputs
from antiphon.core.inputs.types import alternatives, plain
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


def read_flags(action: AnyAction, given: Mapping[str, Any]) -> Inputs:
    """The inputs from the flags that were given. Raises InvalidInput naming every flag at fault."""
    texts: dict[str, list[str]] = {}
    files: dict[str, Any] = {}
    faults: list[Fault] = []
    for field in action.schema.fields:
        value = given.get(field.name)
        if is_switch(field):
            if value is not None:
                texts[field.wire] = ["true" if value else "false"]
        elif field.secret:
            _read_secret(field, list(value or ()), texts, faults)
        elif field.file and value:
            files[field.wire] = _read_files(field, list(value), faults)
        elif value:
            texts[field.wire] = list(value)
    try:
        inputs = action.schema.gather(Given(texts, strings=True), Given(files))
    except InvalidInput as error:
        named = {fault.name for fault in faults}
        raise InvalidInput(fields=[*faults, *(fault for fault in error.fields if fault.name not in named)]) from None
    if faults:
        raise InvalidInput(fields=faults)
    return inputs


def _read_secret(field: InputField, value: list[str], texts: dict[str, list[str]], faults: list[Fault]) -> None:
    """A secret is asked for, or read from standard input; on the command line every process could read it."""
    if not value:
        if field.required and sys.stdin.isatty():
            texts[field.wire] = [click.prompt(flag_of(field), hide_input=True, err=True)]
    elif value == [FROM_STDIN]:
        texts[field.wire] = [sys.stdin.readline().rstrip("\r\n")]
    else:
        faults.append(Fault(field.wire, f"is a secret: write --{flag_of(field)} - and give it on standard input"))


def _read_files(field: InputField, paths: list[str], faults: list[Fault]) -> Any:
    uploads: list[Upload] = []
    for text in paths:
        path = Path(text)
        try:
            with path.open("rb") as file:
                sniffed = sniff(file.read(ENOUGH_BYTES))
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            uploads.append(Upload(path.name, kind, sniffed, path.stat().st_size, digest, path))
        except OSError as error:
            faults.append(Fault(field.wire, f"cannot be read: {error.strerror}"))
    if field.many or len(uploads) != 1:
        return uploads
    return uploads[0]


def _metavar(field: InputField) -> str:
    return "PATH" if field.file else FROM_STDIN if field.secret else "TEXT"


def _shown(default: object) -> str:
    return default if isinstance(default, str) else msgspec.json.encode(default).decode()
