"""The application as users write it: core's App with the standard services at hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import click

from antiphon.core import app as core
from antiphon.core.service import Provider
from antiphon.services.channels.service import channels, outgoing
from antiphon.services.database.service import database, work
from antiphon.services.identity import identifier
from antiphon.services.logs import logs
from antiphon.services.metrics import metrics
from antiphon.services.passwords.service import passwords
from antiphon.services.revocations import revocations
from antiphon.services.sessions.service import sessions, tickets
from antiphon.stores.redis import store
from antiphon.stores.relay import relay
from antiphon.transports.cli.program import program
from antiphon.transports.http.transport import Http, asgi
from antiphon.wire.asgi import Asgi


class App(core.App):
    """An application. Standard services open when something needs them: an action alone opens none.

    `app.asgi` runs under any ASGI server, `app.cli` is the command line; both start the application by themselves.
    """

    catalogue: ClassVar[Sequence[Provider[Any]]] = (
        logs,
        metrics,
        store,
        sessions,
        tickets,
        identifier,
        database,
        work,
        passwords,
        relay,
        revocations,
        channels,
        outgoing,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.transports:
            self.transports = (Http(),)

    @cached_property
    def asgi(self) -> Asgi:
        """The application for ASGI servers."""
        return asgi(self)

    @cached_property
    def cli(self) -> click.Group:
        """The application as a command: `serve`, `actions`, `migrate`, and every action by its name."""
        return program(self)

    def main(self) -> None:
        """Run the command line and leave the process: what a console script calls."""
        self.cli(prog_name=self.name)
