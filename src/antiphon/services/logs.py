"""PLACEHOLDER until the real one is written."""
from collections.abc import AsyncIterator
from typing import Annotated, ClassVar
from antiphon.core.log import Logger, Silent
from antiphon.core.service import service
from antiphon.core.settings import Settings, doc
class LogSettings(Settings, frozen=True):
    section: ClassVar[str] = "log"
    level: Annotated[str, doc("The level.")] = "info"
class P(Silent):
    def error(self, event, /, *, error=None, **f):
        import traceback, sys
        print("ERROR", event, f, file=sys.stderr)
        if error: traceback.print_exception(error)
    def warning(self, event, /, **f):
        import sys
        print("WARN", event, f, file=sys.stderr)
    def bind(self, **f): return self
@service
async def logs(settings: LogSettings) -> AsyncIterator[Logger]:
    yield P()
