"""The application as users write it: core's App with the standard services at hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import click

from antiphon.core import app as core
from antiphon.core.service import Provider
from antiphon.services.access.roles import roles
from antiphon.services.audit.service import audit, auditor
from antiphon.services.channels.service import channels, outgoing
from antiphon.services.database.ledger import once
from antiphon.services.database.service import database, work
from antiphon.services.events.service import events
from antiphon.services.idempotency.service import idempotency
from antiphon.services.identity import cursors, foreign_issuers, identifier, keyring, root_secret, token_ends
from antiphon.services.limits.service import asker, limits, lockout
from antiphon.services.logs import logs
from antiphon.services.metrics import metrics
from antiphon.services.passwords.service import passwords
from antiphon.services.revocations import revocations
from antiphon.services.sessions.service import sessions, tickets
from antiphon.services.streams.outbox import outbox
from antiphon.services.streams.service import streams
from antiphon.services.streams.supervisor import supervisor
from antiphon.services.tasks.service import batches, scheduler, schedules, tasks
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
        asker,
        limits,
        lockout,
        idempotency,
        foreign_issuers,
        identifier,
        roles,
        keyring,
        root_secret,
        cursors,
        token_ends,
        database,
        work,
        once,
        audit,
        auditor,
        streams,
        supervisor,
        outbox,
        events,
        batches,
        tasks,
        schedules,
        scheduler,
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
