"""A client that puts load on the suffering application and remembers what it was promised."""

from __future__ import annotations

from antiphon.testing.raw import BrokenAnswer, RawHttp
from tests.faults.http_process import AppProcess, checked, send


class Writer:
    """A client that writes rows on a connection of its own, one after the other, and counts what was acknowledged."""

    def __init__(self, app: AppProcess, first: int) -> None:
        self._app = app
        self._next = first
        self.acknowledged: list[int] = []
        self.broken = 0

    async def write(self) -> None:
        """Write until nobody listens any more."""
        while True:
            try:
                async with self._app.connect() as connection:
                    await self._write_on(connection)
            except ConnectionRefusedError:
                return
            except (BrokenAnswer, ConnectionError):
                # The server closed an idle connection in the moment in which it was used again.
                self.broken += 1

    async def _write_on(self, connection: RawHttp) -> None:
        while True:
            number, self._next = self._next, self._next + 1
            answer = checked(await send(connection, "PUT", "/api/row", {"number": number}))
            if answer.status == 201:
                self.acknowledged.append(number)
            if answer.header("connection") == "close":
                return
