"""One route of one action, compiled: from a request whose path was found to its answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from antiphon.core.context import Context
from antiphon.core.runner import close_items
from antiphon.transports.http.answers import NO_STORE, VARY, Answers
from antiphon.transports.http.browsers import POLICY, SECURITY
from antiphon.transports.http.connection import NO_PATH_INPUTS, HttpConnection, LeftWhileReading
from antiphon.transports.http.limits import limit_fields
from antiphon.transports.http.peers import PLAIN, is_plain
from antiphon.transports.http.reading import InputReader
from antiphon.transports.http.routes import ETag, Route
from antiphon.transports.http.streams import EVENTS, FORMS, OpenStream, as_events, as_lines
from antiphon.wire.conditional import Anything, read_base
from antiphon.wire.faults import malformed, not_acceptable, unavailable
from antiphon.wire.media import prefers
from antiphon.wire.request import ClientLeft, Request, check_expectation
from antiphon.wire.response import REQUEST_ID, Answer, StreamResponse

if TYPE_CHECKING:
    from antiphon.core.runner import Runner
    from antiphon.transports.http.server import Server


class Endpoint:
    """An action under one method and path."""

    __slots__ = (
        "_answers",
        "_instant",
        "_monotonic",
        "_name",
        "_read",
        "_reader",
        "_reads",
        "_safe",
        "_seconds",
        "_server",
        "action",
        "route",
        "runner",
    )

    def __init__(self, server: Server, runner: Runner, route: Route) -> None:
        self.runner = runner
        self.action = runner.action
        self.route = route
        self._server = server
        self._reader = InputReader(runner.schema, route.names, server.settings, server.upload_folder)
        self._answers = Answers(route, runner.action.trait(ETag), [POLICY], server.cookies, server.coding)
        self._safe = route.safe
        self._read = self._reader.read_safe if route.safe else self._reader.read
        self._reads = bool(runner.schema.fields)
        self._instant = runner.instant
        self._seconds = runner.seconds
        self._name = runner.action.name
        self._monotonic = server.runtime.clock.monotonic

    def __repr__(self) -> str:
        return f"{self.action.name} ({self.action.where})"

    def respond(self, request: Request, path_inputs: Mapping[str, str] = NO_PATH_INPUTS) -> Answer | Awaitable[Answer]:
        """Answer a request: here and now where the action never waits and the whole request has arrived."""
        server = self._server
        runtime = server.runtime
        request_id = server.new_id() if server.plain else server.request_id(request)
        connection = HttpConnection(request, server, path_inputs)
        ctx = Context(runtime, self._name, connection, request_id, self._monotonic() + self._seconds, self._safe)
        if self._instant and (self._safe or request.head.notes & PLAIN):
            try:
                if self._reads or request.has_body:
                    result = self.runner.run_now(ctx, self._read, (ctx, connection))
                else:
                    result = self.runner.run_now(ctx, None, None)
                if result.__class__ is CoroutineType:
                    return self._respond(ctx, connection, request_id, result)
                answer = self._answers.answer(request, ctx, result, request_id)
            except Exception as error:  # noqa: BLE001  # told apart there
                return server.fail(request, error, request_id, ctx)
            if isinstance(answer, CoroutineType):
                return self._finish_later(request, answer)
            return answer if server.plain and request.scheme == "http" else server.finish(request, answer)
        return self._respond(ctx, connection, request_id, None)

    async def _finish_later(self, request: Request, answer: CoroutineType[Any, Any, Answer]) -> Answer:
        return self._server.finish(request, await answer)

    async def _respond(
        self, ctx: Context, connection: HttpConnection, request_id: str, begun: CoroutineType[Any, Any, Any] | None
    ) -> Answer:
        """Answer later; `begun` is the call, if it has begun already."""
        request, server = connection.request, self._server
        try:
            if not request.head.notes & PLAIN and not is_plain(request.head):
                self._read_head(request, ctx)
            if self.action.streams:
                return server.finish(request, await self._stream(ctx, connection))
            if begun is None:
                read = self._read if self._reads or request.has_body else None
                begun = self.runner.run(ctx, read, (ctx, connection))
            result = await begun
            answer = self._answers.answer(request, ctx, result, request_id)
            if isinstance(answer, CoroutineType):
                answer = await answer
            return answer if server.plain and request.scheme == "http" else server.finish(request, answer)
        except LeftWhileReading:
            raise ClientLeft from None
        except Exception as error:  # noqa: BLE001  # told apart there
            return server.fail(request, error, request_id, ctx)
        except asyncio.CancelledError:
            if server.clients.has_left(ctx):
                raise ClientLeft from None
            if not server.draining.is_set():
                raise
            # The drain ran out of time. Who asked is told so, and not left with a broken connection.
            if (task := asyncio.current_task()) is not None:
                task.uncancel()
            return server.refuse(request, unavailable("The server went away before this was done."), request_id)
        finally:
            if server.clients.watching:
                server.clients.forget(ctx)
            if connection.form is not None:
                await connection.form.close()

    def _read_head(self, request: Request, ctx: Context) -> None:
        """What headers say about the call itself."""
        if not self._safe:
            check_expectation(request)
            ctx.client_key = request.header(b"idempotency-key")
            if_match = request.header(b"if-match")
            if if_match is not None:
                versions = read_base(if_match)
                ctx.base = "*" if isinstance(versions, Anything) else versions[0] if versions else ""
        asked = request.header(b"x-request-timeout")
        if asked is not None:
            if not asked.isascii() or not asked.isdigit() or len(asked) > 9 or int(asked) == 0:
                raise malformed("X-Request-Timeout is not a number of milliseconds.")
            ctx.limit_time(int(asked) / 1000)

    async def _stream(self, ctx: Context, connection: HttpConnection) -> Answer:
        request, server = connection.request, self._server
        form = prefers(request.header(b"accept"), FORMS)
        if form is None:
            raise not_acceptable(FORMS)
        headers = [
            (REQUEST_ID, ctx.request_id.encode()),
            (b"content-type", form.encode() + (b"; charset=utf-8" if form == EVENTS else b"")),
            *SECURITY,
            POLICY,
            NO_STORE,
            VARY,
        ]
        if request.method == "HEAD":
            await self._check(ctx, connection)
            return StreamResponse(200, [*headers, *limit_fields(ctx.facts)], _nothing())
        items = await self.runner.open_stream(ctx, self._read, (ctx, connection))
        headers += limit_fields(ctx.facts)
        if ctx.steps:
            # What the rule opened is given back now: the client may never take a first item.
            await ctx.finish(None)
        try:
            ending = await server.streams.begin(ctx)
        except BaseException:
            await close_items(items)
            raise
        if form == EVENTS:
            chunks = as_events(items, ctx, server.settings.comment_time.total_seconds(), ending)
        else:
            chunks = as_lines(items, ctx, ending)
        uploads, connection.form = connection.form, None
        return StreamResponse(200, headers, OpenStream(chunks, server.streams, ending, uploads))

    async def _check(self, ctx: Context, connection: HttpConnection) -> None:
        """Refuse what a GET would refuse, without beginning the stream."""
        error: BaseException | None = None
        try:
            if self.runner.admit is not None:
                await self.runner.admit(ctx)
            inputs = self._read((ctx, connection))
            if isinstance(inputs, CoroutineType):
                await inputs
        except BaseException as problem:
            error = problem
            raise
        finally:
            if ctx.steps:
                await ctx.finish(error)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""
