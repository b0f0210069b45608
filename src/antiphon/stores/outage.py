"""Tells the log when the store goes away and when it is back, once each and not per call."""

from __future__ import annotations

from time import monotonic

from antiphon.core.log import Logger

_QUIET_SECONDS = 10.0


class Outage:
    """What the calls have found out about the store."""

    __slots__ = ("_log", "_refused_at", "_since", "away")

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._since = 0.0
        self._refused_at: dict[str, float] = {}
        self.away = False

    def cut(self, error: Exception) -> None:
        """A call got no answer."""
        if not self.away:
            self.away, self._since = True, monotonic()
            self._log.warning("store.away", reason=str(error) or "no answer in time")

    def answered(self) -> None:
        """A call got an answer again."""
        if self.away:
            self.away = False
            self._log.info("store.back", seconds=round(monotonic() - self._since, 3))

    def refused(self, code: str, error: Exception) -> None:
        """The store answers, and refuses to serve: full, read-only, loading, without its cluster."""
        now = monotonic()
        if now - self._refused_at.get(code, -_QUIET_SECONDS) >= _QUIET_SECONDS:
            self._refused_at[code] = now
            self._log.warning("store.refused", code=code, reason=str(error))
