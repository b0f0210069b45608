"""The command line: an action's inputs as flags, its result on standard output, and everything else elsewhere."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from antiphon.core.errors import CALL_ERRORS, Defect
from antiphon.testing.app import TestApp
from antiphon.transports.cli.exits import EXITS
from tests.transports.terminal import Terminal

MAIN = "from tests.transports.cli_actions import app; app.main()"

UNSAID: dict[str, object] = {
    "text": "hi",
    "maxCount": 5,
    "ratio": 0.5,
    "loud": False,
    "mail": None,
    "tags": [],
    "numbers": [],
    "point": None,
    "points": [],
}


@pytest.mark.parametrize(
    ("flags", "understood"),
    [
        ((), {}),
        (("--max-count", "7"), {"maxCount": 7}),
        (("--max-count=7", "--ratio", "-1.5"), {"maxCount": 7, "ratio": -1.5}),
        (("--loud",), {"loud": True}),
        (("--no-loud",), {"loud": False}),
        (("--mail", "Ada@Example.com"), {"mail": "ada@example.com"}),
        (("--tags", "a", "--tags", "b,c"), {"tags": ["a", "b,c"]}),
        (("--numbers", "1", "--numbers", "2"), {"numbers": [1, 2]}),
        (("--point", '{"x": 1, "y": 2}'), {"point": {"x": 1, "y": 2}}),
        (("--points", '{"x": 1}', "--points", '{"x": 2}'), {"points": [{"x": 1, "y": 0}, {"x": 2, "y": 0}]}),
        (("--text", ""), {"text": ""}),
        (("--text", "-"), {"text": "-"}),
        (("--text", "--loud"), {"text": "--loud"}),
    ],
    ids=str,
)
async def test_flags_are_inputs(words: TestApp, flags: tuple[str, ...], understood: dict[str, object]) -> None:
    """Flags are in kebab-case, lists repeat, booleans have a `--no-`, structures are JSON, and types are kept."""
    text = () if "--text" in flags else ("--text", "hi")

    command = await words.command("say:all", *text, *flags)

    assert command.code == 0, command.err
    assert command.result == {**UNSAID, **understood}


@pytest.mark.parametrize(
    ("flags", "faults"),
    [
        ((), {"text": "is missing"}),
        (("--text", "a", "--text", "b"), {"text": "is given more than once"}),
        (("--text", "a", "--max-count", "ten"), {"maxCount": "is not a whole number from 1 to 9"}),
        (("--max-count", "10", "--mail", "nobody"), {"maxCount": ..., "mail": "is not an email address", "text": ...}),
        (("--text", "a", "--point", "5,6"), {"point": "is not an object written as JSON"}),
        (("--text", "a", "--point", '{"x": "one"}'), {"point.x": "is not a whole number"}),
        (("--text", "a", "--points", "{"), {"points": ...}),
        (("--text", "a", "--points", '{"x": 1}', "--points", '{"y": 1}'), {"points.1.x": "is missing"}),
    ],
    ids=str,
)
async def test_every_flag_that_does_not_fit_is_named(
    words: TestApp, flags: tuple[str, ...], faults: dict[str, object]
) -> None:
    """Inputs that do not fit end with 2, and the error object names every one by its name on the wire."""
    command = await words.command("say:all", *flags, "--output", "json")

    assert (command.code, command.out, command.error["type"]) == (2, "", "INVALID_INPUT")
    told = {fault["name"]: fault["message"] for fault in command.error["fields"]}
    assert told.keys() == faults.keys()
    assert {name: told[name] for name, message in faults.items() if message is not ...} == {
        name: message for name, message in faults.items() if message is not ...
    }


@pytest.mark.parametrize(
    "words_given",
    [("--nonsense", "1"), ("--text", "a", "hunter2hunter2"), ("--text",), ("--text", "a", "--loud=yes")],
    ids=str,
)
async def test_flags_that_cannot_be_read_are_bad_input(words: TestApp, words_given: tuple[str, ...]) -> None:
    """An unknown flag or a stray argument ends with 2; under json it is the error object, and repeats no value."""
    command = await words.command("say:all", *words_given, "--output", "json")

    assert (command.code, command.out, command.error["type"]) == (2, "", "INVALID_INPUT")
    assert "hunter2" not in command.err


async def test_a_stray_argument_is_told_in_words_too(words: TestApp) -> None:
    """Without json the same is told in words, and repeats no value either."""
    command = await words.command("say:all", "--output", "table", "hunter2hunter2")

    assert (command.code, command.out) == (2, "")
    assert "belongs to no flag" in command.err
    assert "hunter2" not in command.err


async def test_a_secret_is_read_from_standard_input(words: TestApp) -> None:
    """`-` reads a secret as one line of standard input; several secrets are several lines, in the order of inputs."""
    command = await words.command(
        "say:secret", "--old-password", "-", "--password", "-", stdin="four\r\n a longer one \n"
    )

    assert command.result == {"password": 4, "oldPassword": 14}


async def test_a_secret_on_the_command_line_is_refused(words: TestApp) -> None:
    """A secret as an argument is refused and not repeated, because every process could read it."""
    command = await words.command("say:secret", "--password", "hunter2hunter2")

    assert (command.code, command.error["type"]) == (2, "INVALID_INPUT")
    assert command.error["fields"] == [
        {"name": "password", "message": "is a secret: write --password - and give it on standard input"}
    ]
    assert "hunter2" not in command.out + command.err


async def test_a_secret_is_not_asked_for_without_a_terminal(words: TestApp) -> None:
    """Without a terminal a missing secret is an input that is missing; nothing waits."""
    command = await words.command("say:secret", stdin="not asked for\n")

    assert command.error["fields"] == [{"name": "password", "message": "is missing"}]


async def test_a_file_is_a_path_and_stays_where_it_is(words: TestApp, tmp_path: Path) -> None:
    """A file is given as a path; the action gets a copy, which is gone afterwards."""
    path = tmp_path / "notes.txt"
    path.write_bytes(b"hello")

    command = await words.command("say:file", "--file", str(path))

    assert command.result == {
        "name": "notes.txt",
        "sniffed": "text/plain",
        "sizeBytes": 5,
        "sha256": sha256(b"hello").hexdigest(),
    }
    assert path.read_bytes() == b"hello"
    assert not [*(tmp_path / "var" / "uploads").iterdir()]


async def test_a_file_that_is_not_there_is_named(words: TestApp, tmp_path: Path) -> None:
    """A path that cannot be read is an input that does not fit."""
    command = await words.command("say:file", "--file", str(tmp_path / "nothing"))

    assert command.code == 2
    assert command.error["fields"] == [{"name": "file", "message": "cannot be read: No such file or directory"}]


@pytest.mark.parametrize("kind", [*CALL_ERRORS, Defect], ids=lambda kind: kind.type)
async def test_every_error_has_its_exit_code(words: TestApp, kind: type[Exception]) -> None:
    """Each error ends with the code of its row, an error object on standard error, and nothing on standard output."""
    type_name = str(getattr(kind, "type", ""))

    command = await words.command("say:error", "--type", type_name, "--output", "json")

    assert command.code == EXITS[kind]  # pyright: ignore[reportArgumentType]  # each of them is in the table
    assert not command.out
    assert command.error["type"] == type_name
    assert command.error.keys() >= {"type", "message", "requestId", "timestamp"}


def test_the_exit_codes_are_those_that_are_promised() -> None:
    """The table from error to exit code, with a row for every error."""
    assert {kind.type: code for kind, code in EXITS.items()} == {
        "INVALID_INPUT": 2,
        "NOT_SIGNED_IN": 3,
        "FORBIDDEN": 4,
        "NOT_FOUND": 5,
        "CONFLICT": 6,
        "TOO_MANY_CALLS": 7,
        "TOO_LARGE": 8,
        "TIMED_OUT": 9,
        "UNAVAILABLE": 10,
        "DEFECT": 1,
    }
    assert EXITS.keys() == {*CALL_ERRORS, Defect}


async def test_what_nobody_foresaw_is_a_defect(words: TestApp) -> None:
    """An exception that is no CallError ends with 1, and its text reaches nobody on standard output."""
    command = await words.command("say:error", "--type", "none of them", "--output", "json")

    assert (command.code, command.out, command.error["type"]) == (1, "", "DEFECT")


async def test_an_application_that_cannot_start_ends_with_78(words: TestApp) -> None:
    """A SetupError ends with 78 and says what to write instead."""
    words.environ = {**words.environ, "HTTP_PORT": "many"}

    command = await words.command("say:nothing")

    assert (command.code, command.out) == (78, "")
    assert "http.port" in command.err


async def test_errors_are_words_for_people(words: TestApp) -> None:
    """With `--output table` an error is its message, and a line for each input at fault."""
    command = await words.command("say:all", "--max-count", "10", "--output", "table")

    assert command.code == 2
    assert command.err.splitlines() == [
        "2 inputs do not fit.",
        "  text is missing",
        "  maxCount is not a whole number from 1 to 9",
    ]


async def test_no_result_prints_nothing(words: TestApp) -> None:
    """An action that gives nothing prints nothing and ends with 0."""
    command = await words.command("say:nothing")

    assert (command.code, command.out, command.err) == (0, "", "")


async def test_a_result_is_json_for_programs(words: TestApp) -> None:
    """Where standard output is no terminal a result is one line of JSON."""
    command = await words.command("say:rows")

    assert command.out == '[{"x":1,"y":2},{"x":30,"y":40}]\n'


async def test_rows_are_a_table(words: TestApp) -> None:
    """With `--output table` a list of objects is a table with a head."""
    command = await words.command("say:rows", "--output", "table")

    assert command.out == "x   y\n──  ──\n1   2\n30  40\n"


async def test_an_object_is_names_beside_values(words: TestApp) -> None:
    """With `--output table` an object is a line for each name; what controls a terminal is taken out."""
    command = await words.command("say:anything", "--value", '{"a": 1, "long": "\\u001b[31mred"}', "--output", "table")

    assert command.out == "a     1\nlong   [31mred\n"


@pytest.mark.parametrize("form", ["json", "table"])
async def test_a_stream_is_a_line_for_each_item(words: TestApp, form: str) -> None:
    """A stream prints one JSON value a line, whatever the form."""
    command = await words.command("say:count", "--to", "2", "--output", form)

    assert command.out == '{"x":1,"y":0}\n{"x":2,"y":0}\n'


async def test_a_stream_that_fails_keeps_what_it_gave(words: TestApp) -> None:
    """A stream that fails on its way has printed its items, tells the error, and ends with its code."""
    command = await words.command("say:count", "--to", "20", "--output", "json")

    assert (command.code, len(command.items), command.error["type"]) == (8, 10, "TOO_LARGE")


async def test_help_is_the_docstring_and_the_schema(words: TestApp) -> None:
    """`--help` has the docstring, and of every input its flag, what it takes and its default."""
    command = await words.command("say:all", "--help")

    assert command.code == 0
    text = " ".join(command.out.split())
    for part in (
        "Say what was understood.",
        "Everything that was given comes back.",
        "--text TEXT text (required)",
        "--max-count TEXT a whole number from 1 to 9 (default: 5)",
        "--loud / --no-loud true or false (default: false)",
        "--mail TEXT an email address",
        "--output [json|table]",
        "--as ID|EMAIL|system",
    ):
        assert part in text, part


async def test_the_list_of_commands_says_what_each_does(words: TestApp) -> None:
    """`--help` without a command lists every action with its first line, and marks those to leave."""
    command = await words.command("--help")

    text = " ".join(command.out.split())
    for part in ("say:all Say what was understood.", "say:private Say who calls.", "DEPRECATED", "serve", "migrate"):
        assert part in text, part


async def test_actions_are_listed(words: TestApp) -> None:
    """`actions` lists every action: how it is reached, who may call it, and what it does."""
    as_json = await words.command("actions")
    as_table = await words.command("actions", "--output", "table")

    rows = {row["action"]: row for row in as_json.result}
    assert rows["say:count"] == {
        "action": "say:count",
        "reached": "GET /api/count, anyone",
        "does": "Count, and fail behind the tenth number.",
    }
    assert as_table.out.splitlines()[0].split() == ["action", "reached", "does"]
    assert len(as_table.out.splitlines()) == len(rows) + 2


async def test_the_version_is_told(words: TestApp) -> None:
    """`--version` says name and version."""
    command = await words.command("--version")

    assert (command.code, command.out) == (0, "words 1.2.3\n")


async def test_an_unknown_command_is_bad_usage(words: TestApp) -> None:
    """A command that does not exist ends with 2 and names it on standard error."""
    command = await words.command("say:everything")

    assert (command.code, command.out) == (2, "")
    assert "say:everything" in command.err


async def test_the_caller_is_nobody_unless_said(words: TestApp) -> None:
    """A command is anonymous, so that rules hold; `--as system` acts as the system, and that is logged."""
    words.environ = {**words.environ, "LOG_LEVEL": "info"}

    refused = await words.command("say:private", "--text", "x", "--output", "json")
    answered = await words.command("say:private", "--text", "x", "--as", "system")

    assert (refused.code, refused.error["type"]) == (3, "NOT_SIGNED_IN")
    assert answered.result == "system"
    assert "cli.as" in answered.err


async def test_a_terminal_gets_a_table(words: TestApp, tmp_path: Path) -> None:
    """On a terminal a result is a table unless json is asked for."""
    async with Terminal.run(tmp_path, words.environ, "-c", MAIN, "say:rows") as terminal:
        code = await terminal.ended()
        await terminal.shows("30  40")

    assert code == 0
    assert terminal.screen == "x   y\n──  ──\n1   2\n30  40\n"


async def test_a_secret_is_asked_for_at_a_terminal(words: TestApp, tmp_path: Path) -> None:
    """At a terminal a missing secret is asked for, and what is typed is not shown."""
    arguments = ("-c", MAIN, "say:secret", "--output", "json")
    async with Terminal.run(tmp_path, words.environ, *arguments) as terminal:
        await terminal.shows("password: ")
        terminal.type("hunter2hunter2\n")
        code = await terminal.ended()
        await terminal.shows("}")

    assert code == 0
    assert json.loads(terminal.screen.splitlines()[-1]) == {"password": 14, "oldPassword": 0}
    assert "hunter2" not in terminal.screen


async def test_an_interrupt_at_a_question_ends_with_130(words: TestApp, tmp_path: Path) -> None:
    """Who gives up at a question ends the command with 130 and without a traceback."""
    async with Terminal.run(tmp_path, words.environ, "-c", MAIN, "say:secret") as terminal:
        await terminal.shows("password: ")
        terminal.interrupt()
        code = await terminal.ended()

    assert code == 130
    assert "Traceback" not in terminal.screen
