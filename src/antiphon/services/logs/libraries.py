"""Brings what libraries say through `logging` into the application's log: warnings and errors, while it is open."""

from __future__ import annotations

import logging

from antiphon.core.log import Logger


class LibraryLines(logging.Handler):
    """Stands at the root of `logging` for as long as the application runs; nothing else there is touched.

    `logging` belongs to the process: of two applications in one, each logs what any library says.
    """

    def __init__(self, log: Logger) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def attach(self) -> None:
        """Begin to listen."""
        logging.getLogger().addHandler(self)

    def detach(self) -> None:
        """Stop listening, and leave `logging` as it was."""
        logging.getLogger().removeHandler(self)
        self.close()

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record; `logging` calls this from whichever thread it came."""
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001  # a library's wrong format is still a message
            message = str(record.msg)
        error = record.exc_info[1] if record.exc_info else None
        if record.levelno >= logging.ERROR:
            self._log.error("library.error", error=error, logger=record.name, message=message)
        elif error is not None:
            self._log.warning("library.warning", logger=record.name, message=message, cause=error)
        else:
            self._log.warning("library.warning", logger=record.name, message=message)
