"""What the tests of core share: applications of a few pieces, calls straight into them, a log that remembers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from antiphon.core.action import Action, AnyAction, Stream
from antiphon.core.app import App
from antiphon.core.caller import ANONYMOUS, Caller
from antiphon.core.clock import Clock
from antiphon.core.connection import Connection
from antiphon.core.context import AtEnd, Context
from antiphon.core.errors import InvalidInput
from antiphon.core.inputs.schema import Given, Schema
from antiphon.core.log import Logger
from antiphon.core.middleware import Middleware
from antiphon.core.module import Gathered, Module
from antiphon.core.runtime import Runtime
from antiphon.core.secrets import Secret
from antiphon.core.service import Scoped, Service, service
from antiphon.core.signature import read_signature
from antiphon.core.transport import Transport

ADA = Caller(kind="user", id="ada", roles=frozenset({"editor"}))

type Piece = AnyAction | Service[Any] | Scoped[Any]


class Pieces(Module):
    """A module of just these pieces, so that one file can hold many applications."""

    def __init__(self, *pieces: Piece, needs: Iterable[type] = ()) -> None:
        super().__init__("pieces", needs=needs)
        self.pieces = pieces

    def gather(self, into: Gathered) -> None:
        """Take the pieces."""
        for piece in self.pieces:
            if isinstance(piece, AnyAction):
                into.actions.append(piece)
            elif isinstance(piece, Service):
                into.services.append(piece)
            else:
                into.scoped.append(piece)
        into.needs += [("pieces", need) for need in self.needs]


def app_of(
    *pieces: Piece,
    middleware: Sequence[Middleware] = (),
    transports: Iterable[Transport] = (),
    values: Iterable[object] = (),
    needs: Iterable[type] = (),
    settings: Mapping[str, Mapping[str, object]] | None = None,
    clock: Clock | None = None,
    folder: Path | str = ".",
) -> App:
    """An application of these pieces."""
    return App(
        "pieces",
        modules=[Pieces(*pieces, needs=needs)],
        middleware=middleware,
        transports=transports,
        values=values,
        settings=settings,
        clock=clock,
        folder=folder,
    )


def started(app: App, environ: Mapping[str, str] | None = None) -> AbstractAsyncContextManager[Runtime]:
    """The application, started with these variables and no others."""
    return app.running(environ={"ANTIPHON_ENV": "test", **(environ or {})})


def context(runtime: Runtime, action: AnyAction, caller: Caller | None = ANONYMOUS) -> Context:
    """A context for a call from nowhere; a caller of None has yet to be identified."""
    return runtime.context(action, Connection("direct"), caller=caller)


async def run(
    runtime: Runtime, action: Action[Any, Any], /, *, caller: Caller | None = ANONYMOUS, **inputs: object
) -> Any:
    """Run a call from outside, with everything around it."""
    return await run_in(context(runtime, action, caller), action, **inputs)


async def run_in(ctx: Context, action: Action[Any, Any], /, **inputs: object) -> Any:
    """Run a call from outside in this context."""

    def read(given: dict[str, object]) -> Any:
        return action.schema.from_python(given)

    return await ctx.runtime.runner(action.name).run(ctx, read, inputs)


async def open_stream(ctx: Context, action: Stream[Any, Any], /, **inputs: object) -> AsyncIterator[Any]:
    """Begin a streaming call from outside."""

    def read(given: dict[str, object]) -> Any:
        return action.schema.from_python(given)

    return await ctx.runtime.runner(action.name).open_stream(ctx, read, inputs)


def faults_of(error: InvalidInput) -> dict[str, str]:
    """What the error says of each input."""
    return {fault.name: fault.message for fault in error.fields}


def strings(**values: list[str]) -> Given:
    """A source of strings, such as a query."""
    return Given(values, strings=True)


def read_strings(schema: Schema, **values: list[str]) -> Any:
    """The inputs from strings alone."""
    return schema.gather(strings(**values))


class Steps:
    """What the steps of a call's end were told, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def step(self, name: str, fails: Exception | None = None) -> AtEnd:
        """A step of this name, to be given to `ctx.at_end`."""

        async def end(error: BaseException | None) -> None:
            self.told.append(f"{name} {type(error).__name__ if error else 'ok'}")
            if fails is not None:
                raise fails

        return end


@dataclass
class Lines:
    """A log that remembers its lines as (event, fields)."""

    lines: list[tuple[str, dict[str, object]]] = field(default_factory=list[tuple[str, dict[str, object]]])
    bound: dict[str, object] = field(default_factory=dict[str, object])

    def debug(self, event: str, /, **fields: object) -> None:
        """Remember a line."""
        self.lines.append((event, {**self.bound, **fields}))

    def info(self, event: str, /, **fields: object) -> None:
        """Remember a line."""
        self.debug(event, **fields)

    def warning(self, event: str, /, **fields: object) -> None:
        """Remember a line."""
        self.debug(event, **fields)

    def error(self, event: str, /, *, error: BaseException | None = None, **fields: object) -> None:
        """Remember a line."""
        self.debug(event, error=error, **fields)

    def tells(self, level: str) -> bool:
        """Every line is remembered."""
        return True

    def hide(self, *secrets: Secret[Any]) -> None:
        """Nothing: a test reads what was logged as it is."""

    def bind(self, **fields: object) -> Logger:
        """The same lines, with more on each."""
        return Lines(self.lines, {**self.bound, **fields})

    def of(self, event: str) -> list[dict[str, object]]:
        """The fields of every line of this event."""
        return [fields for name, fields in self.lines if name == event]

    @property
    def service(self) -> Service[Logger]:
        """A service that gives this log."""

        @service
        async def remembering() -> AsyncIterator[Logger]:
            log: Logger = self
            yield log

        return remembering


def schema_of(function: Callable[..., object]) -> Schema:
    """The schema of a function whose every parameter is an input."""
    return Schema("test:take", read_signature(function).parameters)


def taking(annotation: Any, default: Any = ...) -> Schema:
    """A schema of the one input `value` of this type."""

    def take(value: Any) -> None: ...

    take.__annotations__["value"] = annotation
    if default is not ...:
        take.__defaults__ = (default,)
    return schema_of(take)


def from_json(schema: Schema, value: object) -> Any:
    """The inputs from this value, written as JSON."""
    return schema.from_json(json.dumps(value).encode())


def json_faults(schema: Schema, value: object) -> dict[str, str]:
    """What is told of this value, written as JSON."""
    with pytest.raises(InvalidInput) as caught:
        from_json(schema, value)
    return faults_of(caught.value)


def string_faults(schema: Schema, **values: list[str]) -> dict[str, str]:
    """What is told of these strings."""
    with pytest.raises(InvalidInput) as caught:
        read_strings(schema, **values)
    return faults_of(caught.value)
