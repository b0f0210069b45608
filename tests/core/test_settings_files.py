"""Settings files and `.env`: their formats, which of them wins, and what is told about one that cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

import pytest

from antiphon.core.errors import SetupError
from antiphon.core.info import Environment
from antiphon.core.secrets import Secret
from antiphon.core.settings import Loaded, Settings, doc, env, load, settings_files
from antiphon.core.settings.dotenv import read_dotenv
from antiphon.core.settings.files import line_of

SECRET = "correct-horse-battery-staple"


class HttpSettings(Settings, frozen=True):
    section: ClassVar[str] = "http"

    port: Annotated[int, doc("The port to listen on."), env("PORT")] = 8080
    host: Annotated[str, doc("The address to listen on.")] = "127.0.0.1"
    origins: Annotated[tuple[str, ...], doc("Pages that may call us.")] = ()
    key: Annotated[Secret[str] | None, doc("Signs what we hand out.")] = None


def read(*files: Path, environment: Environment = "development", dotenv: Path | None = None, **environ: str) -> Loaded:
    return load([HttpSettings], files=files, environ=environ, environment=environment, dotenv=dotenv)


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


FORMATS = {
    "settings.toml": '[http]\nport = 9000\norigins = ["https://a.example"]\n',
    "settings.yaml": "http:\n  port: 9000\n  origins:\n    - https://a.example\n",
    "settings.yml": "http: {port: 9000, origins: ['https://a.example']}\n",
    "settings.json": '{\n  "http": {\n    "port": 9000,\n    "origins": ["https://a.example"]\n  }\n}\n',
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_suffix_says_how_a_file_is_read(tmp_path: Path, name: str) -> None:
    """TOML, YAML and JSON say the same settings."""
    file = written(tmp_path / name, FORMATS[name])

    assert read(file)[HttpSettings] == HttpSettings(port=9000, origins=("https://a.example",))


@pytest.mark.parametrize("name", ["settings.toml", "settings.yaml"])
def test_an_empty_file_sets_nothing(tmp_path: Path, name: str) -> None:
    """A file with nothing but a comment leaves the defaults."""
    assert read(written(tmp_path / name, "# later\n"))[HttpSettings] == HttpSettings()


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    """Some editors put one at the start of a file."""
    file = written(tmp_path / "settings.json", '\ufeff{"http": {"port": 9000}}')

    assert read(file)[HttpSettings].port == 9000


def test_the_file_of_the_environment_stands_over_the_general_one(tmp_path: Path) -> None:
    """`settings.production.toml` next to `settings.toml` is read in production, and wins."""
    general = written(tmp_path / "settings.toml", '[http]\nport = 1\nhost = "general"\n')
    written(tmp_path / "settings.production.toml", "[http]\nport = 2\n")
    written(tmp_path / "settings.test.toml", "[http]\nport = 3\n")

    settings = read(general, environment="production")[HttpSettings]

    assert (settings.port, settings.host) == (2, "general")


def test_a_later_file_stands_over_an_earlier_one(tmp_path: Path) -> None:
    """Of several general files the last one wins; the environment's own stand over all of them."""
    first = written(tmp_path / "first.toml", '[http]\nport = 1\nhost = "first"\n')
    second = written(tmp_path / "second.json", '{"http": {"port": 2, "host": "second"}}')
    written(tmp_path / "first.development.toml", '[http]\nhost = "own"\n')

    settings = read(first, second)[HttpSettings]

    assert (settings.port, settings.host) == (2, "own")


def test_a_list_replaces_another_whole(tmp_path: Path) -> None:
    """Lists and tables are not merged, so that a reader sees the value in one place."""
    general = written(tmp_path / "settings.toml", '[http]\norigins = ["https://a.example"]\n')
    written(tmp_path / "settings.test.toml", '[http]\norigins = ["https://b.example"]\n')

    assert read(general, environment="test")[HttpSettings].origins == ("https://b.example",)


def test_settings_files_are_found_in_a_folder(tmp_path: Path) -> None:
    """Files called `settings` are found when they, or the one of the environment, are there."""
    written(tmp_path / "settings.toml", "")
    written(tmp_path / "settings.production.json", "{}")

    found = {environment: settings_files(tmp_path, environment) for environment in ("development", "production")}

    assert found == {
        "development": [tmp_path / "settings.toml"],
        "production": [tmp_path / "settings.toml", tmp_path / "settings.json"],
    }


def test_a_general_file_may_be_missing_beside_its_own(tmp_path: Path) -> None:
    """A deployment may have the file of its environment alone."""
    written(tmp_path / "settings.production.json", '{"http": {"port": 2}}')

    assert read(tmp_path / "settings.json", environment="production")[HttpSettings].port == 2


def test_a_missing_file_is_a_fault(tmp_path: Path) -> None:
    """A file that was asked for and is not there stops the start."""
    with pytest.raises(SetupError, match=r"settings\.toml: there is no such settings file"):
        read(tmp_path / "settings.toml")


UNREADABLE = {
    "settings.toml": (f'[http]\nkey = "{SECRET}\n', ":2:"),
    "settings.yaml": (f"http:\n  key: *{SECRET}\n", ":2:"),
    "tabs.yaml": (f"http:\n\tkey: {SECRET}\n", ":2:"),
    "tagged.yaml": (f"http:\n  key: !!python/name:{SECRET} x\n", ":2:"),
    "date.yaml": ("http:\n  host: 2020-99-99\n", ""),
    "settings.json": (f'{{"http":\n {{"key": "{SECRET}"', ":2:"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_broken_file_is_told_by_its_line_alone(tmp_path: Path, name: str) -> None:
    """What cannot be parsed is found by line and column; the text, which may be a secret, is not shown."""
    text, place = UNREADABLE[name]

    with pytest.raises(SetupError, match=rf"{name}{place}.*: cannot be read as (TOML|YAML|JSON)") as refusal:
        read(written(tmp_path / name, text))

    assert SECRET not in str(refusal.value)


TWICE = {
    "settings.toml": "[http]\nport = 1\nport = 2\n",
    "settings.yaml": "http:\n  port: 1\n  port: 2\n",
    "settings.json": '{"http": {"port": 1, "port": 2}}',
}


@pytest.mark.parametrize("name", TWICE)
def test_a_name_that_stands_twice_is_refused(tmp_path: Path, name: str) -> None:
    """No format drops one of two values in silence."""
    with pytest.raises(SetupError, match=r"port stands there twice|:3:\d+: cannot be read as TOML"):
        read(written(tmp_path / name, TWICE[name]))


def test_yaml_merge_keys_are_no_repetition(tmp_path: Path) -> None:
    """`<<` takes over another table, and names of its own stand over it."""
    text = "http: &http\n  host: a\nhttp: {}\n"
    merged = "http:\n  <<: {host: a, port: 1}\n  port: 2\n"

    with pytest.raises(SetupError, match="http stands there twice"):
        read(written(tmp_path / "twice.yaml", text))
    assert read(written(tmp_path / "merged.yaml", merged))[HttpSettings] == HttpSettings(host="a", port=2)


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("settings.ini", "[http]", "is no settings file; use one of .toml, .yaml, .yml, .json"),
        ("settings.yaml", "- http", "has no sections"),
        ("settings.json", "[]", "has no sections"),
        ("settings.toml", "http = 1", "is a section; write its settings in a table of this name"),
        ("deep.json", "[" * 100_000, "cannot be read as JSON"),
    ],
)
def test_what_is_no_settings_file_is_refused(tmp_path: Path, name: str, text: str, fault: str) -> None:
    """Another suffix, or a file without tables, is told with what to write."""
    with pytest.raises(SetupError, match=fault):
        read(written(tmp_path / name, text))


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    """Bytes of another encoding are told as such."""
    (tmp_path / "settings.toml").write_bytes(b"\xff\xfe")

    with pytest.raises(SetupError, match=r"settings\.toml: cannot be read: it is not UTF-8\."):
        read(tmp_path / "settings.toml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """What the system refuses to read is told in its words."""
    (tmp_path / "settings.toml").mkdir()

    with pytest.raises(SetupError, match=r"settings\.toml: cannot be read: Is a directory\."):
        read(tmp_path / "settings.toml")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[log]\nport = 1\n[http]\n# port = 2\nport = 3\n", 5),
        ("log:\n  port: 1\nhttp:\n  # port\n\n  port: 3\n", 6),
        ('{\n "log": {"port": 1},\n "http": {\n  "host": "",\n  "port": 3\n }\n}', 5),
        ("http = {port = 3}\n", 1),
        ("[http]\nport = 3\n[http.limits]\nport = 4\n", 2),
        ('{"http": {"port": 1, "limits": {"port": 2}}}', 1),
        ("http:\n  limits:\n    port: 1\n  port: 2\n", None),
        ("[log]\nport = 1\n", None),
    ],
)
def test_a_line_is_told_only_when_it_is_certain(text: str, line: int | None) -> None:
    """The line of a setting is found under its section, and left out when two could be meant."""
    assert line_of(text, "http", "port") == line


DOTENV = r"""
# a comment
export HTTP_PORT=9000
HTTP_HOST = "a\tb \"c\" $HOME"   # quoted
HTTP_KEY='as it \n stands'
COLOUR=#fff # and a comment
EMPTY=
SPACED=  two words
HTTP_PORT=9001
"""


def test_a_dotenv_file_is_read_line_by_line(tmp_path: Path) -> None:
    """Comments, `export`, both kinds of quotes and bare values are read; a later line wins."""
    variables = {name: line.value for name, line in read_dotenv(written(tmp_path / ".env", DOTENV)).items()}

    assert variables == {
        "HTTP_PORT": "9001",
        "HTTP_HOST": 'a\tb "c" $HOME',
        "HTTP_KEY": r"as it \n stands",
        "COLOUR": "#fff",
        "EMPTY": "",
        "SPACED": "two words",
    }


def test_every_bad_line_of_a_dotenv_file_is_told(tmp_path: Path) -> None:
    """Lines that are no variable and quotes that do not end are told together, without what they say."""
    file = written(tmp_path / ".env", f'HTTP_PORT 9000\nHTTP_KEY=\'{SECRET}\nHTTP_HOST="a" b\nHTTP_PORT=1\n')

    with pytest.raises(SetupError) as refusal:
        read_dotenv(file)

    assert [problem.partition(": ")[0] for problem in refusal.value.problems] == [f"{file}:{n}" for n in (1, 2, 3)]
    assert SECRET not in str(refusal.value)


def test_a_dotenv_file_counts_in_development(tmp_path: Path) -> None:
    """In development the file is read, and its values know their line."""
    loaded = read(dotenv=written(tmp_path / ".env", "HTTP_PORT=9000\n"))

    assert loaded[HttpSettings].port == 9000
    assert str(loaded.sources["http.port"]) == f"{tmp_path}/.env:1 HTTP_PORT"


def test_a_dotenv_file_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    """Other encodings are told with the other faults."""
    (tmp_path / ".env").write_bytes(b"HTTP_PORT=\xff")

    with pytest.raises(SetupError, match=r"\.env: cannot be read: it is not UTF-8\.$"):
        read(dotenv=tmp_path / ".env")


@pytest.mark.parametrize("environment", ["test", "production"])
def test_a_dotenv_file_counts_nowhere_else(tmp_path: Path, environment: Environment) -> None:
    """A file left behind by a developer changes nothing in tests and production."""
    loaded = read(dotenv=written(tmp_path / ".env", "HTTP_PORT=9000\n"), environment=environment)

    assert loaded[HttpSettings].port == 8080


def test_a_missing_dotenv_file_is_no_fault(tmp_path: Path) -> None:
    """Nobody has to have one."""
    assert read(dotenv=tmp_path / ".env")[HttpSettings] == HttpSettings()


def test_the_real_environment_stands_over_a_dotenv_file(tmp_path: Path) -> None:
    """Every variable of the process wins, even one that would come later by its name."""
    file = written(tmp_path / ".env", "HTTP_PORT=1\nHTTP_HOST=dotenv\n")

    settings = read(dotenv=file, PORT="2")[HttpSettings]

    assert (settings.port, settings.host) == (2, "dotenv")


def test_the_environment_cannot_be_chosen_in_a_dotenv_file(tmp_path: Path) -> None:
    """The file is read because of the environment, so naming it there is told as a mistake."""
    with pytest.raises(SetupError, match=r"\.env:1: ANTIPHON_ENV has no effect here"):
        read(dotenv=written(tmp_path / ".env", "ANTIPHON_ENV=production\n"))


def test_in_production_a_file_with_secrets_is_private(tmp_path: Path) -> None:
    """A file that others can read and that sets a secret stops the start in production."""
    file = written(tmp_path / "settings.toml", f'[http]\nkey = "{SECRET}"\n')
    file.chmod(0o640)

    with pytest.raises(SetupError, match=r"settings\.toml: holds secrets and others can read it\. Run `chmod 600`"):
        read(file, environment="production")
    assert read(file, environment="development")[HttpSettings].key == Secret(SECRET)


def test_a_file_without_secrets_may_be_public(tmp_path: Path) -> None:
    """Only secrets make a file private."""
    file = written(tmp_path / "settings.toml", "[http]\nport = 1\n")
    file.chmod(0o644)

    assert read(file, environment="production")[HttpSettings].port == 1
