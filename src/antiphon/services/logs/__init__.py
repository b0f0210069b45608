"""The log of an application: one line an event on standard error, with secrets masked."""

from __future__ import annotations

from antiphon.services.logs.service import Log, logs, open_log
from antiphon.services.logs.settings import LogSettings

__all__ = ["Log", "LogSettings", "logs", "open_log"]
