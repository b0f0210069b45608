"""What a command prints: results on standard output as JSON or as a table, everything else on standard error."""

from __future__ import annotations

import shutil
import sys
from datetime import datetime
from typing import Any, Literal

import msgspec

from antiphon.core.errors import CallError, Defect, SetupError
from antiphon.core.inputs.types import encode_kind
from antiphon.core.results import Download
from antiphon.transports.base import encode_error

type Form = Literal["json", "table"]

_encode = msgspec.json.Encoder(enc_hook=encode_kind).encode


def default_form() -> Form:
    """A table for people, JSON for programs."""
    return "table" if sys.stdout.isatty() else "json"


def print_result(result: Any, form: Form) -> None:
    """Print one result; nothing for no result, the bytes themselves for a file."""
    if isinstance(result, Download):
        sys.stdout.flush()
        with result.path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    elif result is not None:
        text = _encode(result).decode() if form == "json" else as_table(msgspec.json.decode(_encode(result)))
        print(text, flush=True)  # noqa: T201  # standard output is what this transport answers on


def print_item(item: Any) -> None:
    """Print one item of a stream as a line of JSON."""
    print(_encode(item).decode(), flush=True)  # noqa: T201  # as above


def print_error(error: BaseException, request_id: str, at: datetime, form: Form) -> None:
    """Tell an error on standard error: the error object for programs, words for people."""
    if isinstance(error, SetupError):
        text = str(error)
    elif form == "json" and isinstance(error, CallError | Defect):
        text = encode_error(error, request_id, at).decode()
    else:
        text = getattr(error, "message", "") or Defect.message
        text += "".join(f"\n  {fault.name} {fault.message}" for fault in getattr(error, "fields", ()))
        if isinstance(error, Defect):
            text += f"\n  request id {request_id}"
    print(text, file=sys.stderr, flush=True)  # noqa: T201  # as above


def print_note(text: str) -> None:
    """Say something beside the result, on standard error."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201  # as above


def as_table(value: Any) -> str:
    """JSON as a person reads it: names beside values, and lists of objects as rows."""
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):  # pyright: ignore[reportUnknownVariableType]  # it came from JSON
        return _rows(value)  # pyright: ignore[reportUnknownArgumentType]  # as above
    if not isinstance(value, dict):
        return _cell(value)
    plain: list[str] = []
    below: list[str] = []
    width = max((len(str(name)) for name in value), default=0)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]  # as above
    for name, held in value.items():  # pyright: ignore[reportUnknownVariableType]  # as above
        if isinstance(held, list) and held and isinstance(held[0], dict):
            below.append(f"{name}\n{_rows(held)}")  # pyright: ignore[reportUnknownArgumentType]  # as above
        else:
            plain.append(f"{name!s:<{width}}  {_cell(held)}")
    return "\n\n".join(["\n".join(plain), *below] if plain else below)


def _rows(rows: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names, *([_cell(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(names))]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    lines.insert(1, "  ".join("─" * width for width in widths))
    return "\n".join(lines)


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else "–" if value is None else msgspec.json.encode(value).decode()
    # A terminal obeys control characters, and texts come from anybody.
    return "".join(character if character.isprintable() else " " for character in text)
