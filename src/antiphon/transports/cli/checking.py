"""`check`: asks every part of an application what is wrong with it before it is deployed, and opens none of them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

import click
import msgspec
import uvloop

from antiphon.core.action import AnyAction
from antiphon.core.app import App
from antiphon.core.deploy import DeployCheck, Finding, Review
from antiphon.core.errors import SetupError
from antiphon.core.info import AppInfo, Environment
from antiphon.core.secrets import Secret
from antiphon.core.settings import Settings, environment_of
from antiphon.core.settings.load import ENVIRONMENT
from antiphon.transports.cli.exits import SETUP
from antiphon.transports.cli.printing import Form, as_table, default_form

SHORTEST_SECRET_BYTES = 32
"""What is shorter can be a password that somebody has to type; it is no key."""

_ORDER = ("danger", "unknown", "warning")


class Report(msgspec.Struct):
    """What was found, the dangers first, and how much of each."""

    environment: Environment
    dangers: int
    warnings: int
    unknown: int
    findings: list[Finding]


def check_command(app: App) -> click.Command:
    """The command `check`, which ends with 78 when something dangerous is found."""

    @click.command("check", help="Say what is wrong with the program and its settings. Nothing is started or changed.")
    @click.option("--deploy", is_flag=True, help="Read the settings of this environment as production would.")
    @click.option("--output", type=click.Choice(["json", "table"]), help="How to print what is found.")
    def check(deploy: bool, output: Form | None) -> None:  # noqa: FBT001  # click calls it so
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            report = runner.run(make_report(app, os.environ, deploy=deploy))
        click.echo(_as_text(report) if (output or default_form()) == "table" else msgspec.json.encode(report).decode())
        sys.exit(SETUP if report.dangers else 0)

    return check


async def make_report(app: App, environ: Mapping[str, str], *, deploy: bool) -> Report:
    """Everything that the parts of an application find; with `deploy`, with the environment read as production."""
    found = [_sentence(finding) async for finding in _findings(app, environ, deploy=deploy)]
    # Two parts may say the same: told once.
    findings = sorted(dict.fromkeys(found), key=lambda finding: _ORDER.index(finding.level))
    levels = [finding.level for finding in findings]
    counts = (levels.count("danger"), levels.count("warning"), levels.count("unknown"))
    try:
        environment: Environment = "production" if deploy else environment_of(environ)
    except SetupError:
        environment = "development"
    return Report(environment, *counts, findings)


async def refuse_dangers(app: App, environ: Mapping[str, str]) -> SetupError | None:
    """Why an application must not take calls in production: every danger that the check finds. None elsewhere.

    What cannot be looked at, such as a database that is away, keeps nobody from starting.
    """
    if environ.get(ENVIRONMENT) != "production":
        return None
    report = await make_report(app, environ, deploy=False)
    dangers = [f"{each.about}: {each.message}" for each in report.findings if each.level == "danger"]
    return SetupError(*dangers) if dangers else None


async def _findings(app: App, environ: Mapping[str, str], *, deploy: bool) -> AsyncIterator[Finding]:
    if deploy and environ.get(ENVIRONMENT) != "production":
        yield Finding("warning", ENVIRONMENT, "Is not production here, so `serve` would not refuse what is dangerous.")
    read = {**environ, ENVIRONMENT: "production"} if deploy else environ
    try:
        gathered = app.gathered()
        plan = app.plan(gathered)
        given, sections, problems = app.survey_settings(plan, read)
        environment = environment_of(read)
    except SetupError as error:
        # The program itself is wrong: until that is mended there is no saying what its parts would be.
        for problem in error.problems:
            yield Finding("danger", app.name, problem)
        return
    info = given[AppInfo]
    assert isinstance(info, AppInfo)  # noqa: S101  # the application gives it by itself
    for finding in (*_of_problems(problems), *_of_settings(sections.values(), environment)):
        yield finding
    for finding in _of_actions(gathered.actions):
        yield finding
    review = Review(info, gathered.actions, sections, [step.service.gives for step in plan.steps])
    for part in (*app.transports, *app.values):
        if isinstance(part, DeployCheck):
            async for finding in part.check_deploy(review):
                yield finding


def _of_problems(problems: Iterable[str]) -> Iterator[Finding]:
    """What would stop the start. Settings are told as `http.hosts (HTTP_HOSTS): what is wrong`."""
    for problem in problems:
        about, separator, message = problem.partition(": ")
        yield Finding("danger", about, message) if separator else Finding("danger", "settings", problem)


def _of_settings(sections: Iterable[Settings], environment: Environment) -> Iterator[Finding]:
    for section in sections:
        for fault in section.warnings(environment):
            yield Finding("warning", f"{section.section}.{fault.name}", fault.message)
        if environment == "production":
            yield from _short_secrets(section)


def _short_secrets(section: Settings) -> Iterator[Finding]:
    for name in section.__struct_fields__:
        value = getattr(section, name)
        shown: object = value.reveal() if isinstance(value, Secret) else None  # pyright: ignore[reportUnknownVariableType]  # whatever it holds
        if isinstance(shown, str) and "://" not in shown and 0 < len(shown.encode()) < SHORTEST_SECRET_BYTES:
            message = f"Is shorter than {SHORTEST_SECRET_BYTES} bytes. Take a random one if it may be of any length."
            yield Finding("warning", f"{section.section}.{name}", message)


def _of_actions(actions: Iterable[AnyAction]) -> Iterator[Finding]:
    for action in actions:
        for trait in action.traits:
            for warning in trait.warnings(action):
                yield Finding("warning", action.name, warning)


def _sentence(finding: Finding) -> Finding:
    """The finding with its message as a sentence, whoever said it in the middle of one."""
    message = finding.message[:1].upper() + finding.message[1:]
    return Finding(finding.level, finding.about, message if message.endswith((".", "?")) else f"{message}.")


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _as_text(report: Report) -> str:
    counted = (
        f"{_count(report.dangers, 'danger')}, {report.unknown} unknown, {_count(report.warnings, 'warning')} "
        f"({report.environment})"
    )
    if not report.findings:
        return f"nothing to mend: {counted}"
    rows = [{"level": each.level, "about": each.about, "message": each.message} for each in report.findings]
    return f"{as_table(rows)}\n\n{counted}"
