"""Pages that not everybody may see: a rule stands before them, and beside the rule perhaps a token for machines.

asked with                                  answer
the token, as `Authorization: Bearer …`     the page; nobody is looked up, so it also works while the store is away
anything else                               the rule decides: the page, or 401 or 403 as for any call
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from inspect import isawaitable
from typing import TYPE_CHECKING

from antiphon.core.access import Rule, allow, anyone
from antiphon.core.action import action
from antiphon.core.context import Context
from antiphon.core.errors import SetupError
from antiphon.core.runner import Runner
from antiphon.core.secrets import Secret
from antiphon.core.session import Identifier
from antiphon.transports.http.connection import NO_PATH_INPUTS, HttpConnection
from antiphon.wire.request import ClientLeft, Request
from antiphon.wire.response import Answer

if TYPE_CHECKING:
    from antiphon.transports.http.server import Page, Server

NO_TOKEN = Secret("")


async def look(ctx: Context) -> None:
    """See a page: the call whose rule is asked, so that a look is timed, counted and logged like any other call."""


class Guarded:
    """A page behind a rule."""

    def __init__(self, server: Server, page: Page, name: str, rule: Rule, token: Secret[str]) -> None:
        self._server = server
        self._page = page
        self._token = token if token != NO_TOKEN else None
        self._runner = Runner(server.runtime, action(name, allow(rule))(look), [])
        self._nothing = self._runner.schema.from_python({})

    async def respond(self, request: Request, path_inputs: Mapping[str, str] = NO_PATH_INPUTS, /) -> Answer:
        """The page, or why not."""
        server = self._server
        connection = HttpConnection(request, server, path_inputs)
        if not self._has_token(connection):
            refused = await self._refused(request, connection)
            if refused is not None:
                return refused
        answer = self._page.respond(request, path_inputs)
        return await answer if isawaitable(answer) else answer

    def _has_token(self, connection: HttpConnection) -> bool:
        # Two secrets are compared in constant time.
        return self._token is not None and self._token == Secret(connection.bearer or "")

    async def _refused(self, request: Request, connection: HttpConnection) -> Answer | None:
        server, runtime = self._server, self._server.runtime
        request_id = server.request_id(request)
        deadline = runtime.clock.monotonic() + self._runner.seconds
        ctx = Context(runtime, self._runner.action.name, connection, request_id, deadline, safe=True)
        try:
            await self._runner.run(ctx, lambda _: self._nothing, None)
        except Exception as error:  # noqa: BLE001  # told apart there
            return server.fail(request, error, request_id, ctx)
        except asyncio.CancelledError:
            if server.clients.has_left(ctx):
                raise ClientLeft from None
            raise
        finally:
            server.clients.forget(ctx)
        return None


def guarded(server: Server, page: Page, name: str, rule: Rule, token: Secret[str] = NO_TOKEN) -> Page:
    """The page behind this rule; `name` is that of the calls in logs and metrics.

    Raises SetupError when the rule could admit nobody, because the application has no sign-in.
    """
    if rule is anyone:
        return page
    if token == NO_TOKEN and server.runtime.find(Identifier) is None:
        part = name.partition(":")[2]
        raise SetupError(
            f"http.{part} is on, under the rule {rule.__name__}, and this application knows no callers. "
            f"Say who may see it, as in Http({part}=anyone), or switch http.{part} off."
        )
    return Guarded(server, page, name, rule, token)
