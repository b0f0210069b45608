"""What a part may ask of a log: events by name, with fields; how they look is the telemetry service's matter."""

from __future__ import annotations

from typing import Any, Protocol

from antiphon.core.secrets import Secret


class Logger(Protocol):
    """A structured log. An event is a short dotted name (`call.done`); everything else is a field."""

    def debug(self, event: str, /, **fields: object) -> None:
        """Something only a developer wants to see."""
        ...

    def info(self, event: str, /, **fields: object) -> None:
        """Something that happened as it should."""
        ...

    def warning(self, event: str, /, **fields: object) -> None:
        """Something that somebody should look at when there is time."""
        ...

    def error(self, event: str, /, *, error: BaseException | None = None, **fields: object) -> None:
        """Something broke; `error` gives its type and traceback, which only the log ever shows."""
        ...

    def tells(self, level: str) -> bool:
        """Whether anybody would see a line of this level (`debug`, `info`, `warning`, `error`)."""
        ...

    def hide(self, *secrets: Secret[Any]) -> None:
        """Mask these values in every line from now on, wherever they stand."""
        ...

    def bind(self, **fields: object) -> Logger:
        """The same log with these fields on every line."""
        ...


class Silent:
    """A log that nobody reads: for code that runs before or without one."""

    def debug(self, event: str, /, **fields: object) -> None:
        """Nothing is written."""

    def info(self, event: str, /, **fields: object) -> None:
        """Nothing is written."""

    def warning(self, event: str, /, **fields: object) -> None:
        """Nothing is written."""

    def error(self, event: str, /, *, error: BaseException | None = None, **fields: object) -> None:
        """Nothing is written."""

    def tells(self, level: str) -> bool:
        return False

    def hide(self, *secrets: Secret[Any]) -> None:
        """Nothing is written, so nothing shows."""

    def bind(self, **fields: object) -> Logger:
        return self
