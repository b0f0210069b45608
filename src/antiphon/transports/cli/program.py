"""Makes the command line of an application: one command for each action, and those that run the application."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

import click
import msgspec
import uvloop

from antiphon.core.action import AnyAction
from antiphon.core.app import App
from antiphon.core.errors import InvalidInput, SetupError
from antiphon.core.runtime import Runtime
from antiphon.core.secrets import Secret
from antiphon.core.traits import Deprecated, answers_on
from antiphon.transports.cli.checking import check_command
from antiphon.transports.cli.exits import EXITS, SETUP
from antiphon.transports.cli.flags import FROM_STDIN, flag_of, flags_for
from antiphon.transports.cli.places import USAGE, load, split_place
from antiphon.transports.cli.printing import Form, as_table, default_form, print_error
from antiphon.transports.cli.running import Who, run_command
from antiphon.transports.cli.serving import Wishes, serve, work


class Program(click.Group):
    """Commands made from the actions. Nothing is imported before a command is asked for."""

    def __init__(self, app: App) -> None:
        super().__init__(app.name, help=f"{app.name} {app.version}: every action is a command.")
        self._app = app
        self._actions: dict[str, AnyAction] | None = None
        for command in (_serve_command(app), _worker_command(app), _actions_command(self), _migrate_command(app)):
            self.add_command(command)
        self.add_command(check_command(app))
        self.params.append(_version_option(app))

    @property
    def actions(self) -> dict[str, AnyAction]:
        """The actions by name. Ends the process with 78 when the application cannot be read."""
        if self._actions is None:
            try:
                self._actions = {each.name: each for each in self._app.gathered().actions if answers_on(each, "cli")}
            except SetupError as error:
                _leave(error)
        return self._actions

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*sorted(self.commands), *self.actions]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = self.commands.get(cmd_name)
        if own is not None:
            return own
        action = self.actions.get(cmd_name)
        return _command(self._app, action) if action is not None else None


def program(app: App) -> click.Group:
    """The command line of an application."""
    return Program(app)


def _command(app: App, action: AnyAction) -> click.Command:
    def run(output: Form | None, as_whom: str | None, **given: Any) -> None:
        token = _token(app, given.pop(_BEARER, None), as_whom)
        who = Who(as_whom, token, given.pop(_KEY, None), given.pop(_TENANT, None))
        sys.exit(run_command(app, action, given, who, output or default_form()))

    return ActionCommand(
        app,
        action.name,
        callback=run,
        params=[
            *flags_for(action),
            click.Option(["--output"], type=click.Choice(["json", "table"]), help="How to print the result."),
            click.Option(["--as", "as_whom"], metavar="ID|EMAIL|system", help="Act as this user, or as the system."),
            *_tenant_flag(action),
            *_token_flag(app, action),
            *_key_flag(action),
        ],
        help=action.description,
        short_help=action.description.partition("\n")[0],
        deprecated=deprecated.reason if (deprecated := action.trait(Deprecated)) is not None else False,
    )


_BEARER, _KEY, _TENANT = "as_token", "under_key", "in_tenant"


def _tenant_flag(action: AnyAction) -> list[click.Option]:
    """The flag `--tenant`, for actions without an input of that name."""
    if any(flag_of(field) == "tenant" for field in action.schema.fields):
        return []
    words = "Act within this tenant: for the system, which has none, and for whoever may do this in any."
    return [click.Option(["--tenant", _TENANT], metavar="ID|NAME", help=words)]


def _token_flag(app: App, action: AnyAction) -> list[click.Option]:
    """The flag `--token`; an action with an input of that name leaves the environment alone to carry the caller's."""
    if any(flag_of(field) == "token" for field in action.schema.fields):
        return []
    words = (
        f"Act as whom this access token or API key stands for; - reads it from standard input. Else {_variable(app)}."
    )
    return [click.Option(["--token", _BEARER], metavar="TEXT", help=words)]


def _key_flag(action: AnyAction) -> list[click.Option]:
    """The flag `--key`, for what changes something and has no input of that name."""
    if action.reads_only or action.streams or any(flag_of(field) == "key" for field in action.schema.fields):
        return []
    words = "Do it once under this key: the same command again gives the first answer and does nothing."
    return [click.Option(["--key", _KEY], metavar="TEXT", help=words)]


def _token(app: App, given: str | None, as_whom: str | None) -> Secret[str] | None:
    if given is None:
        # Whoever says --as has said who they are, whatever the environment holds.
        return Secret(held) if as_whom is None and (held := os.environ.get(_variable(app))) else None
    if as_whom is not None:
        raise click.UsageError("--as and --token name two callers. Leave one of them out.")
    return Secret(sys.stdin.readline().strip() if given == FROM_STDIN else given)


def _variable(app: App) -> str:
    """The environment variable that holds a token for this application's commands."""
    return f"{re.sub('[^A-Z0-9]', '_', app.name.upper())}_TOKEN"


class ActionCommand(click.Command):
    """An action as a command. What does not fit its flags is told like any other input that does not fit."""

    def __init__(self, app: App, name: str, **options: Any) -> None:
        super().__init__(name, context_settings={"allow_extra_args": True}, **options)
        self._app = app

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            rest = super().parse_args(ctx, args)
            if rest:
                # Not repeated: it may be a secret that stands in the wrong place.
                raise click.UsageError("An argument belongs to no flag. Write every input as --name value.", ctx)
        except click.UsageError as error:
            if _asked_form(given) == "table":
                raise
            fault = InvalidInput(error.format_message())
            print_error(fault, self._app.ids.uuid7(), self._app.clock.now(), "json")
            ctx.exit(EXITS[InvalidInput])
        return rest


def _asked_form(args: Sequence[str]) -> Form:
    """The form that was asked for, though the flags as a whole could not be read."""
    for flag, value in zip(args, (*args[1:], ""), strict=True):
        if flag in ("--output=json", "--output=table") or (flag == "--output" and value in ("json", "table")):
            return "json" if (flag + value).endswith("json") else "table"
    return default_form()


def _version_option(app: App) -> click.Option:
    def show(ctx: click.Context, _option: click.Parameter, asked: bool) -> None:  # noqa: FBT001  # click calls it so
        if asked:
            click.echo(f"{app.name} {app.version}")
            ctx.exit()

    return click.Option(
        ["--version"], is_flag=True, is_eager=True, expose_value=False, callback=show, help="Say the version."
    )


def _serve_command(app: App) -> click.Command:
    @click.command("serve", help="Serve until a signal ends it.")
    @click.option("--host", metavar="ADDRESS", help="Listen on this address (http.host).")
    @click.option("--port", metavar="NUMBER", help="Listen on this port, 0 for a free one (http.port).")
    @click.option("--unix", metavar="PATH", help="Listen on this Unix socket instead (http.unix).")
    @click.option("--workers", metavar="NUMBER|auto", help="Serve in so many processes, auto: one for each core.")
    @click.option("--reload", is_flag=True, help="Serve anew, in one process, whenever a file of the program changes.")
    @click.option("--worker/--no-worker", default=True, help="Work through jobs as well, in the same process.")
    def serve_command(reload: bool, worker: bool, **given: str | None) -> None:  # noqa: FBT001  # click calls it so
        if reload and given["workers"] is not None:
            raise click.UsageError("--reload serves in one process. Leave --workers out.")
        variables = {f"HTTP_{name.upper()}": value for name, value in given.items() if value is not None}
        listen = True if worker else {transport.name for transport in app.transports} - {"worker"}
        wishes = Wishes(variables, reload=reload, listen=listen)
        sys.exit(serve(app, lambda runtime: greeting(app, runtime), wishes))

    return serve_command


def _worker_command(app: App) -> click.Command:
    @click.command("worker", help="Work through jobs until a signal ends it.")
    @click.option("--queues", metavar="NAME,…", help="Serve these queues alone (worker.queues).")
    @click.option("--slots", metavar="NUMBER", help="Run so many jobs at once (worker.slots).")
    def worker_command(**given: str | None) -> None:
        variables = {f"WORKER_{name.upper()}": value for name, value in given.items() if value is not None}
        wishes = Wishes(variables, listen=frozenset(("worker",)))
        sys.exit(work(app, lambda runtime: greeting(app, runtime), wishes))

    return worker_command


def _actions_command(program: Program) -> click.Command:
    @click.command("actions", help="List every action: who may call it, and how it is reached.")
    @click.option("--output", type=click.Choice(["json", "table"]), help="How to print the list.")
    def actions_command(output: Form | None) -> None:
        rows = [_row(action) for action in program.actions.values()]
        click.echo(as_table(rows) if (output or default_form()) == "table" else msgspec.json.encode(rows).decode())

    return actions_command


def _migrate_command(app: App) -> click.Command:
    @click.command("migrate", help="Bring the database's schema up to date, or write the next migration.")
    @click.option("--make", metavar="MESSAGE", help="Write a migration for what the tables say and the database lacks.")
    def migrate_command(make: str | None) -> None:
        from antiphon.services.database.commands import migrate  # noqa: PLC0415  # no other command waits for Alembic

        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                for line in runner.run(migrate(app, make)):
                    click.echo(line)
        except SetupError as error:
            _leave(error)

    return migrate_command


def _leave(error: SetupError) -> NoReturn:
    print_error(error, "", datetime.now(UTC), "table")
    sys.exit(SETUP)


def greeting(app: App, runtime: Runtime) -> list[str]:
    """Where the application is, as far as its transports say so."""
    lines = [f"{app.name} {app.version} ({runtime.info.environment})"]
    for part in {id(part): part for part in (*app.transports, *runtime.services.values())}.values():
        say = getattr(part, "greeting", None)
        if callable(say):
            lines += [f"  {line}" for line in say()]  # pyright: ignore[reportUnknownVariableType, reportGeneralTypeIssues]  # a part that greets gives lines
    return lines


def _row(action: AnyAction) -> dict[str, str]:
    return {
        "action": action.name,
        "reached": ", ".join(filter(None, (trait.summary for trait in action.traits))),
        "does": action.description.partition("\n")[0],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `antiphon`: run a command of the application that the arguments name, and leave the process."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given in (["--help"], ["-h"]):
        print(USAGE)  # noqa: T201  # standard output is what a command answers on
        return
    try:
        place, rest = split_place(given)
        app = load(place)
    except SetupError as error:
        _leave(error)
    program(app).main(args=rest, prog_name=f"antiphon --app {place}")
