"""Makes the command line of an application: one command for each action, and those that run the application."""

from __future__ import annotations

import asyncio
import importlib
import sys
from datetime import UTC, datetime
from typing import Any

import click
import msgspec
import uvloop

from antiphon.core.action import AnyAction
from antiphon.core.app import App
from antiphon.core.errors import SetupError
from antiphon.core.runtime import Runtime
from antiphon.core.traits import Deprecated
from antiphon.services.database.commands import migrate
from antiphon.transports.cli.exits import SETUP
from antiphon.transports.cli.flags import flags_for
from antiphon.transports.cli.printing import Form, as_table, default_form, print_error
from antiphon.transports.cli.running import run_command
from antiphon.transports.cli.serving import serve


class Program(click.Group):
    """Commands made from the actions. Nothing is imported before a command is asked for."""

    def __init__(self, app: App) -> None:
        super().__init__(app.name, help=f"{app.name} {app.version}: every action is a command.")
        self._app = app
        self._actions: dict[str, AnyAction] | None = None
        for command in _own_commands(app):
            self.add_command(command)

    @property
    def actions(self) -> dict[str, AnyAction]:
        """The actions by name. Ends the process with 78 when the application cannot be read."""
        if self._actions is None:
            try:
                self._actions = {action.name: action for action in self._app.gathered().actions}
            except SetupError as error:
                print_error(error, "", self._app.clock.now(), "table")
                sys.exit(SETUP)
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
        sys.exit(run_command(app, action, given, as_whom, output or default_form()))

    return click.Command(
        action.name,
        callback=run,
        params=[
            *flags_for(action),
            click.Option(["--output"], type=click.Choice(["json", "table"]), help="How to print the result."),
            click.Option(["--as", "as_whom"], metavar="ID|EMAIL|system", help="Act as this user, or as the system."),
        ],
        help=action.description,
        short_help=action.description.partition("\n")[0],
        deprecated=deprecated.reason if (deprecated := action.trait(Deprecated)) is not None else False,
    )


def _own_commands(app: App) -> list[click.Command]:
    @click.command("serve", help="Serve until a signal ends it.")
    def serve_command() -> None:
        sys.exit(serve(app, lambda runtime: greeting(app, runtime)))

    @click.command("actions", help="List every action: who may call it, and how it is reached.")
    @click.option("--output", type=click.Choice(["json", "table"]))
    def actions_command(output: Form | None) -> None:
        rows = [_row(action) for action in app.gathered().actions]
        click.echo(as_table(rows) if (output or default_form()) == "table" else msgspec.json.encode(rows).decode())

    @click.command("migrate", help="Bring the database's schema up to date, or write the next migration.")
    @click.option("--make", metavar="MESSAGE", help="Write a migration for what the tables say and the database lacks.")
    def migrate_command(make: str | None) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                for line in runner.run(migrate(app, make)):
                    click.echo(line)
        except SetupError as error:
            print_error(error, "", app.clock.now(), "table")
            sys.exit(SETUP)

    return [serve_command, actions_command, migrate_command]


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


def main() -> None:
    """`antiphon serve olympus.app:app` is `olympus serve`: the application is named first or after the command."""
    names = [argument for argument in sys.argv[1:] if ":" in argument and not argument.startswith("-")]
    places = [name for name in names if "." in name.partition(":")[0] or name.endswith(":app")]
    if not places:
        print_error(
            SetupError("Say which application, as in `antiphon serve package.module:app`."), "", _now(), "table"
        )
        sys.exit(SETUP)
    module, _, name = places[0].partition(":")
    sys.path.insert(0, "")
    app = getattr(importlib.import_module(module), name)
    arguments = [argument for argument in sys.argv[1:] if argument != places[0]]
    app.cli(args=arguments, prog_name=f"antiphon {places[0]}")


def _now() -> Any:
    return datetime.now(UTC)
