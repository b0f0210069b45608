"""The log: what a line looks like, what it never breaks, and what libraries and exceptions say in it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, redirect_stderr
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import pytest
from msgspec import Struct

from antiphon.core.errors import SetupError
from antiphon.core.info import AppInfo, Environment
from antiphon.core.log import Logger
from antiphon.core.settings import load
from antiphon.services.logs import LogSettings, logs, open_log
from antiphon.services.logs.libraries import LibraryLines
from antiphon.services.logs.settings import Format, Level
from antiphon.testing.clock import StandingClock
from tests.services.log_pages import Pages, log_into


@pytest.fixture
def pages() -> Pages:
    """What the log of the test is written into."""
    return Pages()


# Lines


def test_a_line_is_one_json_object(pages: Pages) -> None:
    """Time in UTC (RFC 3339), level and event come first, then the fields in the order given."""
    log_into(pages).info("call.done", action="user:view", seconds=0.25, calls=3, open=True, none=None)

    assert pages.text == (
        '{"timestamp":"2026-01-02T03:04:05Z","level":"info","event":"call.done",'
        '"action":"user:view","seconds":0.25,"calls":3,"open":true,"none":null}\n'
    )


def test_the_four_levels_are_named(pages: Pages) -> None:
    """Each method writes its level."""
    log = log_into(pages)

    for write in (log.debug, log.info, log.warning, log.error):
        write("event")

    assert [line["level"] for line in pages.lines] == ["debug", "info", "warning", "error"]


@pytest.mark.parametrize(("level", "seen"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_lines_below_the_level_are_not_written(pages: Pages, level: Level, seen: int) -> None:
    """`log.level` is the least that is written, and whoever asks is told so."""
    log = log_into(pages, level=level)

    for write in (log.debug, log.info, log.warning, log.error):
        write("event")

    assert len(pages.lines) == seen
    assert [log.tells(name) for name in ("debug", "info", "warning", "error")].count(True) == seen


def test_bound_fields_are_on_every_line(pages: Pages) -> None:
    """`bind` gives a log of its own; the one it came from stays as it was."""
    log = log_into(pages)
    bound = log.bind(request_id="r1").bind(action="a")

    bound.info("one", more=1)
    log.info("two")

    assert {**pages.lines[0], "timestamp": ""} == {
        "timestamp": "", "level": "info", "event": "one", "request_id": "r1", "action": "a", "more": 1
    }  # fmt: skip
    assert "request_id" not in pages.lines[1]


def test_a_field_cannot_pass_for_what_the_log_says_itself(pages: Pages) -> None:
    """Fields called level, timestamp or event keep their value under another name."""
    log_into(pages).info("real", level="error", timestamp="never", event="false")

    line = pages.line
    assert (line["level"], line["timestamp"], line["event"]) == ("info", "2026-01-02T03:04:05Z", "real")
    assert (line["level_"], line["timestamp_"], line["event_"]) == ("error", "never", "false")


class Point(Struct):
    """Something that an application might log."""

    x: int
    where: Path


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Path("/tmp/x"), "PosixPath('/tmp/x')"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (timedelta(seconds=90), "0:01:30"),
        (datetime(2026, 1, 2, 5, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T05:00:00+02:00"),
        (1 << 80, str(1 << 80)),
        (float("nan"), None),
        ({1}, [1]),
        ({"a": {"b": (1, "c")}}, {"a": {"b": [1, "c"]}}),
        ({5: b"bytes\xff"}, {"5": "bytes\\xff"}),
        (Point(3, Path("p")), {"x": 3, "where": "PosixPath('p')"}),
        (ValueError, "<class 'ValueError'>"),
    ],
)
def test_any_value_can_be_logged(pages: Pages, value: object, shown: object) -> None:
    """What JSON does not know is shown as a text."""
    log_into(pages).info("event", value=value)

    assert pages.line["value"] == shown


def test_a_value_that_cannot_be_shown_breaks_nothing(pages: Pages) -> None:
    """A broken repr, a value that holds itself and a lone surrogate still make a line."""

    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    endless: dict[str, object] = {}
    endless["self"] = endless
    log_into(pages).info("event", broken=Broken(), endless=endless, name="caf\udce9")

    assert pages.line["broken"] == "<Broken: RuntimeError while it was shown>"
    assert pages.line["name"] == "caf\\udce9"


@pytest.mark.parametrize("format", ["json", "text"])
def test_nothing_written_can_forge_a_line_or_drive_a_terminal(pages: Pages, format: Format) -> None:
    """Line ends, escapes, C1 controls and marks of direction are escaped, in values, names and events."""
    evil = 'a\nb\r\x1b[31mred\x9b2J\x7f\u202egnp.exe\u2028"}'
    log_into(pages, format=format).info("event" + evil, value=evil, nested={evil: [evil]}, message=evil.encode())

    assert pages.text.count("\n") == 1
    assert not {*"\r\x1b\x9b\x7f\u202e\u2028"} & {*pages.text}


def test_long_values_are_cut(pages: Pages) -> None:
    """No value, list or nesting can make a line of any length."""
    deep: object = "end"
    for _ in range(100):
        deep = [deep]
    log_into(pages).info("event", text="x" * 1_000_000, many=list(range(100_000)), deep=deep)

    assert len(pages.text) < 30_000
    assert "(1000000 characters)" in pages.line["text"]


def test_a_log_that_cannot_be_written_breaks_nothing() -> None:
    """A closed file or a full disk costs lines and no calls."""
    closed = io.BytesIO()
    closed.close()
    with Path("/dev/full").open("wb", buffering=0) as full:
        for file in (closed, full):
            log_into(file).info("event")  # pyright: ignore[reportArgumentType]  # any of them is a file


# For people


def test_the_text_form_is_for_people(pages: Pages) -> None:
    """Time, level, event and fields, without colours when nobody looks."""
    log_into(pages, format="text").warning("store.away", reason="no answer", seconds=2)

    assert pages.text.split() == ["03:04:05.000", "[warning", "]", "store.away", "reason='no", "answer'", "seconds=2"]


def test_a_terminal_gets_colours(pages: Pages) -> None:
    """On a terminal the text is coloured."""
    log_into(pages, format="auto", terminal=True).info("event")

    assert "\x1b[" in pages.text


@pytest.mark.parametrize(
    ("format", "terminal", "production", "json_expected"),
    [
        ("auto", True, False, False),
        ("auto", False, False, True),
        ("auto", True, True, True),
        ("json", True, False, True),
        ("text", False, True, False),
    ],
)
def test_the_form_follows_the_setting_and_the_terminal(
    pages: Pages, format: Format, *, terminal: bool, production: bool, json_expected: bool
) -> None:
    """`auto` is text on a terminal outside production; json and text are what they say."""
    settings = LogSettings(format=format)
    open_log(pages, settings, StandingClock(), terminal=terminal, production=production).info("event")

    assert pages.text.startswith("{") is json_expected


def test_unknown_levels_and_forms_stop_the_start() -> None:
    """A level or a form that does not exist is told by the name of its setting."""
    with pytest.raises(SetupError, match=r"(?s)log\.level.*log\.format"):
        load([LogSettings], environ={"LOG_LEVEL": "loud", "LOG_FORMAT": "xml"}, environment="development")


# The service


@asynccontextmanager
async def opened(environment: Environment = "test") -> AsyncGenerator[Logger]:
    """The log as the application opens it, on standard error."""
    info = AppInfo("olympus", "1.0.0", environment, Path("var"))
    async with asynccontextmanager(logs.open)(LogSettings(), info, StandingClock()) as log:
        yield log


async def test_the_log_goes_to_standard_error(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """Standard output belongs to results."""
    async with opened() as log:
        log.info("event")

    out, err = capsysbinary.readouterr()
    assert (out, json.loads(err)["event"]) == (b"", "event")


async def test_a_standard_error_without_bytes_is_enough() -> None:
    """Where standard error was replaced by a plain text stream, lines go there."""
    with redirect_stderr(io.StringIO()) as stream:
        async with opened() as log:
            log.info("Grüße")

    assert json.loads(stream.getvalue())["event"] == "Grüße"


async def test_libraries_are_heard_from_warning_on(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """What a library warns of stands in the log, with its name; what it only mentions does not."""
    library = logging.getLogger("uvicorn.error")
    async with opened():
        library.info("only mentioned")
        library.warning("port %d is odd", 8080)
        try:
            raise OSError("gone")
        except OSError:
            library.exception("it broke")

    first, second = map(json.loads, capsysbinary.readouterr().err.splitlines())
    assert (first["event"], first["logger"], first["message"]) == (
        "library.warning",
        "uvicorn.error",
        "port 8080 is odd",
    )
    assert (second["event"], second["error"]["type"]) == ("library.error", "OSError")


def test_a_library_that_logs_wrongly_breaks_nothing(pages: Pages) -> None:
    """A message whose parts do not fit is shown as it is."""
    record = logging.LogRecord("redis", logging.WARNING, "pool.py", 1, "%d of %d", ("many",), None)

    LibraryLines(log_into(pages)).handle(record)

    assert pages.line["message"] == "%d of %d"


async def test_logging_is_left_as_it_was() -> None:
    """After the application has closed, nothing of it stands in `logging`, and no level was changed."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level)

    async with opened(), opened():
        assert len(root.handlers) == len(before[0]) + 2

    assert (list(root.handlers), root.level) == before


def test_two_logs_do_not_mix() -> None:
    """Nothing is global: another application's log has its own file, level and secrets."""
    first, second = Pages(), Pages()

    log_into(first, level="error").info("a")
    log_into(second).info("b")

    assert (first.text, second.line["event"]) == ("", "b")


def test_the_time_is_the_applications(pages: Pages) -> None:
    """Lines carry the time of the application's clock."""
    clock = StandingClock(datetime(2030, 5, 6, 7, 8, 9, 123456, UTC))
    open_log(pages, LogSettings(), clock, terminal=False, production=False).info("event")

    assert pages.line["timestamp"] == "2030-05-06T07:08:09.123456Z"
