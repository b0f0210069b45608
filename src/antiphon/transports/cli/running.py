"""Runs one action from the command line, in this process, on the settings and stores of a running server."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import click
import uvloop

from antiphon.core.action import AnyAction
from antiphon.core.app import App
from antiphon.core.caller import ANONYMOUS, SYSTEM, Caller, Directory
from antiphon.core.connection import Connection
from antiphon.core.context import Context
from antiphon.core.errors import CallError, Defect, NotFound, SetupError
from antiphon.core.idempotency import Replayed
from antiphon.core.inputs.schema import Inputs
from antiphon.core.runner import Read
from antiphon.core.runtime import Runtime
from antiphon.core.secrets import Secret
from antiphon.core.tenancy import TenantDirectory
from antiphon.transports.cli.exits import INTERRUPTED, exit_code
from antiphon.transports.cli.flags import ask_secrets, read_flags
from antiphon.transports.cli.printing import Form, print_error, print_item, print_note, print_result

QUIET: Mapping[str, Mapping[str, object]] = {"log": {"level": "warning"}}
"""A command's own log lines would drown its result; the settings can ask for them."""


class Who(NamedTuple):
    """As whom a command is run: somebody who is named, or whoever a token stands for. Nobody where both are missing.

    `key` is what this caller repeats the command under, and `tenant` the one that they act within.
    """

    named: str | None = None
    token: Secret[str] | None = None
    key: str | None = None
    tenant: str | None = None


class Terminal(Connection):
    """The client's end of a command."""

    def __init__(self, request_id: str, who: Who) -> None:
        super().__init__("cli", id=request_id)
        self._token = who.token

    @property
    def bearer(self) -> str | None:
        return self._token.reveal() if self._token is not None else None


def run_command(app: App, action: AnyAction, given: Mapping[str, Any], who: Who, form: Form) -> int:
    """Run an action with these flags; gives the exit code."""
    try:
        # Asked for before the loop runs: it would not hear an interrupt while it waits for a person.
        given = ask_secrets(action, given)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(app, action, given, who, form))
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever reads has enough. What is still in the buffer must not fail again when Python flushes it at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


async def _run(app: App, action: AnyAction, given: Mapping[str, Any], who: Who, form: Form) -> int:
    request_id = app.ids.uuid7()
    try:
        async with app.running(defaults=QUIET) as runtime:
            caller = await _caller(runtime, who)
            ctx = runtime.context(action, Terminal(request_id, who), request_id=request_id, caller=caller)
            ctx.client_key = who.key
            if who.named is not None and caller is not None:
                # A command is quiet below this level, and who spoke in whose name has to be on record.
                ctx.log.warning("cli.as", caller=caller.id or caller.kind, tenant=who.tenant or caller.tenant_id)
            with _upload_folder(runtime, action) as folder:
                await _answer(ctx, action, _reader(ctx, action, who, folder), given, form)
    except (CallError, Defect, SetupError) as error:
        print_error(error, request_id, datetime.now(UTC), form)
        return exit_code(error)
    return 0


def _reader(ctx: Context, action: AnyAction, who: Who, folder: Path) -> Read:
    """Reads the flags. It enters the tenant first: the rule has said by then how far the caller reaches."""

    def read(flags: Mapping[str, Any]) -> Inputs:
        return read_flags(action, flags, folder)

    async def enter_and_read(flags: Mapping[str, Any]) -> Inputs:
        assert who.tenant is not None  # noqa: S101  # it is read like this only then
        await ctx.identify()
        await _enter(ctx, who.tenant)
        return read(flags)

    return read if who.tenant is None else enter_and_read


async def _enter(ctx: Context, which: str) -> None:
    """Work within a tenant. One that is not there looks like one that this caller may not enter."""
    directory = ctx.runtime.find(TenantDirectory)
    tenant_id = which if directory is None else await directory.find_tenant(which)
    if tenant_id is None:
        raise NotFound
    ctx.as_tenant(tenant_id)


async def _answer(ctx: Context, action: AnyAction, read: Read, given: Mapping[str, Any], form: Form) -> None:
    runner = ctx.runtime.runner(action.name)
    if action.streams:
        async for item in await runner.open_stream(ctx, read, given):
            print_item(item)
    else:
        try:
            result = await runner.run(ctx, read, given)
        finally:
            if ctx.told(Replayed) is not None:
                print_note("Nothing was done now: this is the answer that was given before under this key.")
        print_result(result, form)


@contextmanager
def _upload_folder(runtime: Runtime, action: AnyAction) -> Generator[Path]:
    """A folder for the files of this call, gone with it."""
    if not any(field.file for field in action.schema.fields):
        yield runtime.info.folder
        return
    uploads = runtime.info.folder / "uploads"
    uploads.mkdir(mode=0o700, parents=True, exist_ok=True)
    with TemporaryDirectory(dir=uploads, prefix="cli-") as folder:
        yield Path(folder)


async def _caller(runtime: Runtime, who: Who) -> Caller | None:
    """Who calls; None when the call has to find out, by its token."""
    if who.token is not None:
        return None
    if who.named is None:
        return ANONYMOUS
    if who.named == "system":
        return SYSTEM
    caller = await runtime.require(Directory, "--as").find_caller(who.named)
    if caller is None:
        raise NotFound("There is no such user to act as.")
    return caller
