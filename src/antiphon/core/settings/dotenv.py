"""Reads a `.env` file: `KEY=VALUE` lines for development, in the small part of shell that every reader agrees on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from antiphon.core.errors import SetupError

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)")
_SINGLE = re.compile(r"\s*'([^']*)'\s*(?:#.*)?")
_DOUBLE = re.compile(r'\s*"((?:[^"\\]|\\.)*)"\s*(?:#.*)?')
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$"}


class Line(NamedTuple):
    """The value of one variable and where it stands, such as `.env:3`."""

    value: str
    place: str


def read_dotenv(path: Path) -> dict[str, Line]:
    r"""The variables of a `.env` file; none when there is no such file. A later line wins over an earlier one.

    `export` in front, empty lines and comments are passed over. `'...'` is taken as it stands; `"..."` knows `\n`,
    `\r`, `\t`, `\"`, `\\` and `\$`; without quotes a value ends at ` #` and loses the spaces around it. `$NAME`
    is never replaced and a value is one line. Raises SetupError with every line that cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SetupError(f"{path}: cannot be read: {reason}.") from None
    lines: dict[str, Line] = {}
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        place = f"{path}:{number}"
        found = _LINE.fullmatch(line)
        value = _value(found[2]) if found else None
        if found is None:
            problems.append(f"{place}: is no variable; write `KEY=VALUE`, or `#` in front of a comment.")
        elif value is None:
            problems.append(f"{place}: {found[1]} has a quote that does not end, or text after it. Quote all of it.")
        else:
            lines[found[1]] = Line(value, place)
    if problems:
        raise SetupError(*problems)
    return lines


def _value(written: str) -> str | None:
    start = written.lstrip()[:1]
    if start == "'":
        found = _SINGLE.fullmatch(written)
        return found[1] if found else None
    if start == '"':
        found = _DOUBLE.fullmatch(written)
        return re.sub(r"\\(.)", lambda escape: _ESCAPES.get(escape[1], escape[0]), found[1]) if found else None
    # A `#` inside a word belongs to the word, as in a shell: `COLOUR=#fff`.
    return re.split(r"\s#", written, maxsplit=1)[0].strip()
