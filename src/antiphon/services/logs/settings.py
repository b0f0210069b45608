"""How much is logged, and how it looks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

from antiphon.core.errors import Fault
from antiphon.core.info import Environment
from antiphon.core.settings import Settings, doc

type Level = Literal["debug", "info", "warning", "error"]
type Format = Literal["auto", "json", "text"]

LEVELS: dict[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class LogSettings(Settings, frozen=True):
    """The log goes to standard error; standard output belongs to results."""

    section: ClassVar[str] = "log"

    level: Annotated[Level, doc("The least that is logged; calls are logged at info.")] = "info"
    format: Annotated[
        Format, doc("json: an object a line. text: for people. auto: text on a terminal outside production, else json.")
    ] = "auto"

    def warnings(self, environment: Environment) -> Iterable[Fault]:
        """A log that says more than a server in use should."""
        if self.level == "debug":
            yield Fault("level", "is debug, which is for looking for a fault: it is much, and says how things work")
