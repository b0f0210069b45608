"""Runs one action from the command line, in this process, on the settings and stores of a running server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import uvloop

from antiphon.core.action import AnyAction
from antiphon.core.app import App
from antiphon.core.caller import ANONYMOUS, SYSTEM, Caller, Directory
from antiphon.core.connection import Connection
from antiphon.core.errors import CallError, Defect, NotFound, SetupError
from antiphon.core.inputs.schema import Inputs
from antiphon.core.runtime import Runtime
from antiphon.transports.cli.exits import INTERRUPTED, exit_code
from antiphon.transports.cli.flags import read_flags
from antiphon.transports.cli.printing import Form, print_error, print_item, print_result

QUIET: Mapping[str, Mapping[str, object]] = {"log": {"level": "warning"}}
"""A command's own log lines would drown its result; the settings can ask for them."""


def run_command(app: App, action: AnyAction, given: Mapping[str, Any], as_whom: str | None, form: Form) -> int:
    """Run an action with these flags; gives the exit code."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(_run(app, action, given, as_whom, form))
        except KeyboardInterrupt:
            return INTERRUPTED


async def _run(app: App, action: AnyAction, given: Mapping[str, Any], as_whom: str | None, form: Form) -> int:
    request_id = app.ids.uuid7()
    try:
        async with app.running(defaults=QUIET) as runtime:
            caller = await _caller(runtime, as_whom)
            ctx = runtime.context(action, Connection("cli", id=request_id), caller=caller)
            ctx.request_id = request_id
            if as_whom is not None:
                ctx.log.info("cli.as", caller=caller.id or caller.kind)
            runner = runtime.runner(action.name)

            def read(flags: Mapping[str, Any]) -> Inputs:
                return read_flags(action, flags)

            if action.streams:
                items = await runner.open_stream(ctx, read, given)
                async for item in items:
                    print_item(item)
            else:
                print_result(await runner.run(ctx, read, given), form)
    except (CallError, Defect, SetupError) as error:
        print_error(error, request_id, datetime.now(UTC), form)
        return exit_code(error)
    except BrokenPipeError:
        with suppress(OSError):
            return 0
    return 0


async def _caller(runtime: Runtime, as_whom: str | None) -> Caller:
    if as_whom is None:
        return ANONYMOUS
    if as_whom == "system":
        return SYSTEM
    caller = await runtime.require(Directory, "--as").find_caller(as_whom)
    if caller is None:
        raise NotFound("There is no such user to act as.")
    return caller
