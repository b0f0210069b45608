"""Declared settings: what is told of a bad declaration, and how good ones are described."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import msgspec
import pytest
from msgspec import Meta

from antiphon.core.errors import SetupError
from antiphon.core.secrets import Secret
from antiphon.core.settings import Settings, describe, doc, env, to_markdown

if TYPE_CHECKING:
    from decimal import Decimal


class Format(StrEnum):
    JSON = "json"
    COLOUR = "colour"


class Limits(msgspec.Struct, frozen=True):
    body_bytes: int = 2048
    time: timedelta = timedelta(seconds=5)


class HttpSettings(Settings, frozen=True, kw_only=True):
    section: ClassVar[str] = "http"

    port: Annotated[int, Meta(ge=0, le=65535), doc("The port to listen on."), env("PORT", "LISTEN_PORT")] = 8080
    hosts: Annotated[tuple[str, ...], doc("The names we answer to.")] = ()
    body_bytes: Annotated[int, Meta(ge=1), doc("The largest body.")] = 1024 * 1024
    idle_time: Annotated[timedelta, doc("How long a connection may be silent.")] = timedelta(seconds=75)
    compress: Annotated[bool, doc("Whether answers are compressed.")] = True
    folder: Annotated[Path, doc("Where files lie.")] = Path("var/files")
    page: Annotated[Path | None, doc("The page for what is not found | missing.")] = None
    log: Annotated[Format, doc("How log lines look.")] = Format.JSON
    limits: Annotated[Limits, doc("Bounds.")] = Limits()
    name: Annotated[str, doc("The name of the server.")]


class Undocumented(Settings, frozen=True):
    section: ClassVar[str] = "undocumented"
    port: int = 1
    lines: Annotated[int, doc("Two\nlines.")] = 1


class Nameless(Settings, frozen=True):
    port: Annotated[int, doc("A port.")] = 1


class HttpAgain(Settings, frozen=True):
    section: ClassVar[str] = "http"


class Clashing(Settings, frozen=True):
    section: ClassVar[str] = "clash"
    key: Annotated[int, doc("A key.")] = 1
    key_file: Annotated[str, doc("Its file.")] = ""
    level: Annotated[int, doc("A level."), env("PORT")] = 1
    low: Annotated[int, doc("Low."), env("low")] = 1


class Hidden(Settings, frozen=True):
    section: ClassVar[str] = "hidden"
    amount: Annotated[Decimal, doc("An amount.")] = None  # pyright: ignore[reportAssignmentType]  # never made


class Unreadable(Settings, frozen=True):
    section: ClassVar[str] = "unreadable"
    time: Annotated[timedelta, Meta(ge=1), doc("A time.")] = timedelta()


@pytest.mark.parametrize(
    ("section", "problems"),
    [
        (Undocumented, ["undocumented.port has no doc of one line", "undocumented.lines has no doc of one line"]),
        (Nameless, ["Nameless has no section name. Write `section: ClassVar"]),
        (HttpAgain, ["HttpSettings are both the section 'http'. Rename one"]),
        (
            Clashing,
            [
                "clash.low has env('low'). Write the variable in capitals",
                "clash.level and http.port would both be read from PORT. Rename one",
                "clash.key_file and clash.key would both be read from CLASH_KEY_FILE",
            ],
        ),
        (Hidden, ["Hidden uses the type 'Decimal', which does not exist when the program runs. Import it outside"]),
        (Unreadable, ["unreadable.time has a type that cannot be read: Can only set `ge` on a numeric type"]),
    ],
)
def test_a_bad_declaration_stops_the_start(section: type[Settings], problems: list[str]) -> None:
    """A section without name or docs, with a clash or an unreadable type is told with what to write."""
    with pytest.raises(SetupError) as refusal:
        describe([HttpSettings, section])

    assert len(refusal.value.problems) == len(problems)
    assert all(any(problem in told for told in refusal.value.problems) for problem in problems)


def test_every_setting_is_described() -> None:
    """The description has the variables, what fits, the default and the doc."""
    port = describe([HttpSettings])[0]

    assert (port.env, port.type, port.default, port.doc) == (
        ("HTTP_PORT", "PORT", "LISTEN_PORT"),
        "a whole number from 0 to 65535",
        "8080",
        "The port to listen on.",
    )


def test_defaults_are_described_as_they_would_be_written() -> None:
    """Sizes, durations, lists, paths and tables are shown as a file would have them."""
    defaults = {each.name.removeprefix("http."): each.default for each in describe([HttpSettings])}

    assert defaults == {
        "port": "8080",
        "hosts": "empty",
        "body_bytes": "1MiB",
        "idle_time": "1m15s",
        "compress": "true",
        "folder": "var/files",
        "page": "not set",
        "log": "json",
        "limits": "body_bytes = 2KiB, time = 5s",
        "name": None,
    }


def test_a_secrets_default_is_not_described() -> None:
    """The page says that a setting is secret, and shows no value of it."""

    class Signing(Settings, frozen=True):
        section: ClassVar[str] = "signing"
        key: Annotated[Secret[str], doc("The key.")] = Secret("hunter2")
        url: Annotated[Secret[str], doc("An address.")] = Secret("")

    page = to_markdown(describe([Signing]))

    assert "| text (secret) | *** | The key. |" in page
    assert "| text (secret) | empty | An address. |" in page


@pytest.mark.parametrize(
    "line",
    [
        "## http",
        "| `http.compress` | `HTTP_COMPRESS` | true or false | true | Whether answers are compressed. |",
        "| `http.limits` | only in a file | a table | body_bytes = 2KiB, time = 5s | Bounds. |",
        "| `http.page` | `HTTP_PAGE` | a path | not set | The page for what is not found \\| missing. |",
        "| `http.name` | `HTTP_NAME` | text | required | The name of the server. |",
    ],
)
def test_the_page_has_a_line_for_each_setting(line: str) -> None:
    """Markdown names every setting under its section."""
    assert line in to_markdown(describe([HttpSettings])).splitlines()


def test_further_names_are_equal_by_what_they_name() -> None:
    """Two `env(...)` of the same names are one, so that types can be compared."""
    assert (env("PORT"), hash(env("PORT"))) == (env("PORT"), hash(env("PORT")))
    assert repr(env("PORT", "LISTEN_PORT")) == "env('PORT', 'LISTEN_PORT')"
