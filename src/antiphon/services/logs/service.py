"""The log itself: structlog's bound logger, made for one application and configured nowhere else."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterable
from typing import Any, BinaryIO, TextIO, cast

from structlog import BoundLoggerBase

from antiphon.core.clock import Clock
from antiphon.core.info import AppInfo
from antiphon.core.log import Logger
from antiphon.core.member import Member
from antiphon.core.secrets import Secret
from antiphon.core.service import service
from antiphon.services.logs.libraries import LibraryLines
from antiphon.services.logs.lines import JsonLines, TextLines
from antiphon.services.logs.masks import Masks
from antiphon.services.logs.settings import LEVELS, LogSettings

_DEBUG, _INFO, _WARNING = LEVELS["debug"], LEVELS["info"], LEVELS["warning"]


class Sink:
    """Where lines go, and the least level that does. A log that cannot be written breaks nothing."""

    __slots__ = ("_file", "least", "masks")

    def __init__(self, file: BinaryIO, least: int, masks: Masks) -> None:
        self._file = file
        self.least = least
        self.masks = masks

    def write(self, line: bytes) -> None:
        """Write one line, at once: what a process said last is what one needs when it is gone."""
        try:
            self._file.write(line + b"\n")
            self._file.flush()
        except (OSError, ValueError):
            # A full disk, a closed pipe or a closed file: there is nowhere left to say so.
            pass


class Log(BoundLoggerBase):
    """An application's log. A line costs nothing below the level."""

    _logger: Sink

    def debug(self, event: str, /, **fields: object) -> None:
        """Something only a developer wants to see."""
        if self._logger.least <= _DEBUG:
            self._write("debug", event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        """Something that happened as it should."""
        if self._logger.least <= _INFO:
            self._write("info", event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Something that somebody should look at when there is time."""
        if self._logger.least <= _WARNING:
            self._write("warning", event, fields)

    def error(self, event: str, /, *, error: BaseException | None = None, **fields: object) -> None:
        """Something broke; `error` gives its type and traceback, which only the log ever shows."""
        if error is not None:
            fields["error"] = error
        self._write("error", event, fields)

    def tells(self, level: str) -> bool:
        """Whether anybody would see a line of this level (`debug`, `info`, `warning`, `error`)."""
        return self._logger.least <= LEVELS[level]

    def hide(self, *secrets: Secret[Any]) -> None:
        """Mask these values in every line from now on, wherever they stand."""
        self._logger.masks.hide(secrets)

    def _write(self, level: str, event: str, fields: dict[str, object]) -> None:
        if "event" in fields:
            fields["event_"] = fields["event"]
        fields["event"] = event
        try:
            (line,), _ = self._process_event(level, None, fields)
        except Exception as error:  # noqa: BLE001  # whatever was logged: the call that logs it must not fail for it
            (line,), _ = self._process_event(level, None, {"event": event, "unwritable": type(error).__name__})
        self._logger.write(line)


def open_log(file: BinaryIO, settings: LogSettings, clock: Clock, *, terminal: bool, production: bool) -> Log:
    """A log into this file. `terminal` says whether people look at it, in colours."""
    masks = Masks()
    text = settings.format == "text" or (settings.format == "auto" and terminal and not production)
    lines = TextLines(clock, masks, colors=terminal) if text else JsonLines(clock, masks)
    return Log(cast("Any", Sink(file, LEVELS[settings.level], masks)), _chain(lines), {})


def _chain(lines: JsonLines | TextLines) -> Iterable[Any]:
    return (lines,)


class _Encoded:
    """A text stream that takes bytes: standard error where something has replaced it by a plain text stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        """Write UTF-8."""
        self._stream.write(data.decode())

    def flush(self) -> None:
        """Pass it on."""
        self._stream.flush()


@service
async def logs(
    settings: LogSettings, info: AppInfo, clock: Clock, member: Member | None = None
) -> AsyncIterator[Logger]:
    """The log on standard error; warnings and errors of libraries go there too until it closes.

    In a crew every line has the number of its `worker`.
    """
    stream = sys.stderr
    file = getattr(stream, "buffer", None) or cast("BinaryIO", _Encoded(stream))
    log = open_log(file, settings, clock, terminal=stream.isatty(), production=info.production)
    if member is not None:
        log = log.bind(worker=member.number)
    libraries = LibraryLines(log)
    libraries.attach()
    try:
        yield log
    finally:
        libraries.detach()
