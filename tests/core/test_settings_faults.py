"""What is told about settings that do not fit: everything at once, with what to write, and never a value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import pytest
from msgspec import Meta

from antiphon.core.errors import Fault, SetupError
from antiphon.core.info import Environment
from antiphon.core.secrets import Secret
from antiphon.core.settings import Settings, doc, env, load

VALUE = "hunter2"


class Upstream(msgspec.Struct, frozen=True):
    url: Annotated[str, Meta(pattern="^https?://")]
    timeout: timedelta = timedelta(seconds=5)


class HttpSettings(Settings, frozen=True):
    section: ClassVar[str] = "http"

    port: Annotated[int, Meta(ge=0, le=65535), doc("The port to listen on."), env("PORT")] = 8080
    hosts: Annotated[tuple[Annotated[str, Meta(min_length=1)], ...], Meta(max_length=3), doc("Our names.")] = ()
    body_bytes: Annotated[int, Meta(ge=1), doc("The largest body.")] = 1024
    idle_time: Annotated[timedelta, doc("How long a connection may be silent.")] = timedelta(seconds=75)
    compress: Annotated[bool, doc("Whether answers are compressed.")] = True
    rate: Annotated[float, doc("Calls a second.")] = 1.5
    folder: Annotated[Path | None, doc("Where static files lie.")] = None
    level: Annotated[Literal["info", "debug"], doc("What is logged.")] = "info"
    pauses: Annotated[tuple[timedelta, ...], doc("Pauses between attempts.")] = ()
    key: Annotated[Secret[Annotated[str, Meta(min_length=8)]] | None, doc("Signs what we hand out.")] = None
    upstreams: Annotated[tuple[Upstream, ...], doc("The services behind us.")] = ()
    flags: Annotated[dict[str, bool], doc("What is switched on.")] = msgspec.field(default_factory=dict[str, bool])

    def problems(self, environment: Environment) -> Iterable[Fault]:
        if environment == "production" and not self.hosts:
            yield Fault("hosts", "production needs the names it answers to")


class MailSettings(Settings, frozen=True):
    section: ClassVar[str] = "mail"

    url: Annotated[str, doc("The server that sends mail.")]
    password: Annotated[Secret[str], doc("What it is told.")]


def faults(environ: Mapping[str, str] | None = None, *sections: type[Settings], **rest: Any) -> tuple[str, ...]:
    given: dict[str, Any] = {"environ": environ or {}, "environment": "development", **rest}
    with pytest.raises(SetupError) as refusal:
        load(sections or [HttpSettings], **given)
    return refusal.value.problems


@pytest.mark.parametrize(
    ("variable", "text", "wanted"),
    [
        ("HTTP_PORT", VALUE, "write a whole number from 0 to 65535"),
        ("HTTP_PORT", "65536", "write a whole number from 0 to 65535"),
        ("HTTP_PORT", "80.5", "write a whole number from 0 to 65535"),
        ("HTTP_BODY_BYTES", "0", "write a size in bytes of at least 1"),
        ("HTTP_BODY_BYTES", "10MB", 'this is no size; write bytes as a number, or a size such as "64KiB"'),
        ("HTTP_IDLE_TIME", "75", "a duration needs a unit; write a number and a unit"),
        ("HTTP_COMPRESS", VALUE, "write true or false"),
        ("HTTP_RATE", "nan", "write a number"),
        ("HTTP_LEVEL", VALUE, "write one of info, debug"),
        ("HTTP_HOSTS", "a,b,c,d", "write a list of at most 3 items, each item text of 1 character or more"),
        ("HTTP_KEY", VALUE, "write text of 8 characters or more"),
    ],
)
def test_a_variable_that_does_not_fit_is_told_with_what_to_write(variable: str, text: str, wanted: str) -> None:
    """The fault names the setting and the variable, says what fits, and repeats nothing."""
    (fault,) = faults({variable: text})

    name = variable.lower().replace("_", ".", 1)
    assert fault.startswith(f"{name} ({variable}): does not fit: {wanted}")
    assert VALUE not in fault


def test_an_item_of_a_list_is_told_by_its_place() -> None:
    """The second of three pauses is the one at fault."""
    (fault,) = faults({"HTTP_PAUSES": "1s,2,3s"})

    assert fault.startswith("http.pauses[1] (HTTP_PAUSES): does not fit: a duration needs a unit")


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ('port = "8080"', "write a whole number from 0 to 65535, without quotes"),
        ("port = true", "write a whole number from 0 to 65535"),
        ("idle_time = 75", 'a duration needs a unit; write it in quotes, such as "30s"'),
        ("idle_time = false", "a duration needs a unit"),
        ('compress = "yes"', "write true or false, without quotes"),
        ("folder = 1", "write a path"),
        ('hosts = "a,b"', "write a list of at most 3 items"),
        ("flags = 1", "write a table"),
        ("upstreams = [1]", "write a table"),
        ('folder = ""', "write a path"),
    ],
)
def test_a_value_in_a_file_keeps_its_type(tmp_path: Path, line: str, wanted: str) -> None:
    """Files have types of their own, so a number in quotes is told rather than guessed."""
    file = tmp_path / "settings.toml"
    file.write_text(f"[http]\n{line}\n")

    (fault,) = faults(files=[file])

    assert f"({file}:2): does not fit: {wanted}" in fault


def test_everything_in_a_table_is_told_at_once(tmp_path: Path) -> None:
    """Faults in nested tables are told by their path: unknown, missing and unfit names together."""
    file = tmp_path / "settings.toml"
    file.write_text(
        '[[http.upstreams]]\nurl = "ftp://a"\ntimeout = 5\n[[http.upstreams]]\ntimeuot = "5s"\n'
        '[http.flags]\nsearch = "on"\n'
    )

    told = faults(files=[file])

    assert [fault.replace(str(file), "FILE") for fault in told] == [
        "http.upstreams[0].url (FILE): does not fit: write text that matches ^https?://.",
        (
            "http.upstreams[0].timeout (FILE): does not fit: "
            'a duration needs a unit; write it in quotes, such as "30s", "5m" or "1h30m".'
        ),
        "http.upstreams[1].timeuot (FILE): is not a setting; did you mean http.upstreams[1].timeout?",
        "http.upstreams[1].url (FILE): is missing: write text that matches ^https?://.",
        "http.flags.search (FILE): does not fit: write true or false, without quotes.",
    ]


def test_a_missing_setting_is_told_with_every_way_to_set_it() -> None:
    """A setting without a default has to come from somewhere."""
    (fault,) = faults({"MAIL_URL": "smtp://a"}, MailSettings)

    assert fault == (
        "mail.password: is not set and has no default. Give it text: "
        "set MAIL_PASSWORD or MAIL_PASSWORD_FILE, or write `password` under `mail` in a settings file."
    )


def test_every_fault_is_told_in_one_error(tmp_path: Path) -> None:
    """All sections and all places are read before anything is told."""
    file = tmp_path / "settings.toml"
    file.write_text("[htp]\nport = 1\n[http]\nbodybytes = 1\n")

    told = faults({"HTTP_PORT": "x", "HTTP_RATES": "1"}, HttpSettings, MailSettings, files=[file])

    assert [fault.split(" ")[0].rstrip(":") for fault in told] == [
        "HTTP_RATES",
        "htp",
        "http.bodybytes",
        "http.port",
        "mail.url",
        "mail.password",
    ]


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ("[http]\nbodybytes = 1", "http.bodybytes (FILE:2): is not a setting; did you mean http.body_bytes?"),
        ("[http]\nbodyBytes = 1", "http.bodyBytes (FILE:2): is not a setting; did you mean http.body_bytes?"),
        ("[http]\nidle-tiem = 1", "http.idle-tiem (FILE:2): is not a setting; did you mean http.idle_time?"),
        ("[htpp]\nport = 1", "htpp (FILE:1): is not a section; did you mean http?"),
        ("[mail]\nxyz = 1\nurl = ''", "mail.xyz (FILE:2): is not a setting; there are password, url."),
    ],
)
def test_an_unknown_name_in_a_file_suggests_the_near_one(tmp_path: Path, table: str, fault: str) -> None:
    """A slip of the pen does not fall back to a default in silence."""
    file = tmp_path / "settings.toml"
    file.write_text(table)

    told = faults({"MAIL_URL": "a", "MAIL_PASSWORD": "b"}, HttpSettings, MailSettings, files=[file])

    assert [each.replace(str(file), "FILE") for each in told] == [fault]


def test_an_unknown_name_in_code_is_told_too() -> None:
    """The application's own defaults are checked like a file."""
    (fault,) = faults(defaults={"http": {"prot": 1}})

    assert fault == "http.prot (the application's settings): is not a setting; did you mean http.port?"


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("HTTP_BODYBYTES", "HTTP_BODY_BYTES"),
        ("HTTP_PORTS", "HTTP_PORT"),
        ("HTTP_IDLETIME_FILE", "HTTP_IDLE_TIME_FILE"),
    ],
)
def test_a_variable_one_slip_away_is_told(variable: str, meant: str) -> None:
    """A variable under our prefix that is close to a setting was meant for it."""
    assert faults({variable: "1"}) == (f"{variable}: is not a setting; did you mean {meant}?",)


@pytest.mark.parametrize(
    "variable", ["HTTP_PROXY", "HTTP_PROXY_REQUEST_FULLURI", "HTTPS_PORT", "XHTTP_PORT", "http_port"]
)
def test_variables_of_other_programs_are_left_alone(variable: str) -> None:
    """A prefix alone proves nothing: many programs read the same environment."""
    assert load([HttpSettings], environ={variable: "1"}, environment="development")[HttpSettings].port == 8080


def test_a_variable_and_its_file_cannot_both_be_set(tmp_path: Path) -> None:
    """Two values for one setting are told, whichever would win."""
    (tmp_path / "key").write_text("correct horse")

    (fault,) = faults({"HTTP_KEY": "battery staple", "HTTP_KEY_FILE": str(tmp_path / "key")})

    assert fault == "http.key: HTTP_KEY and HTTP_KEY_FILE are both set. Unset one of them."


def test_a_file_variable_that_names_no_file_does_not_repeat_the_name() -> None:
    """Somebody may have put the secret itself where the path belongs."""
    (fault,) = faults({"HTTP_KEY_FILE": VALUE})

    assert fault == "http.key: HTTP_KEY_FILE: the file it names cannot be read: No such file or directory."


def test_a_file_variable_that_names_an_empty_file_is_told(tmp_path: Path) -> None:
    """A secret that was not written yet is no secret."""
    (tmp_path / "key").write_text("\n")

    (fault,) = faults({"HTTP_KEY_FILE": str(tmp_path / "key")})

    assert fault == "http.key: HTTP_KEY_FILE: the file it names is empty."


def test_a_table_cannot_be_set_by_a_variable() -> None:
    """What a line of text cannot say belongs into a file."""
    assert faults({"HTTP_FLAGS": "a=1"}) == ("http.flags (HTTP_FLAGS): is a table; write it in a settings file.",)


def test_a_section_says_what_is_wrong_in_its_environment() -> None:
    """`problems()` judges the values together and for the environment."""
    (fault,) = faults(environment="production")

    assert fault == "http.hosts (its default): production needs the names it answers to."


@pytest.mark.parametrize(
    "word", ["changeme", "change-me", "Secret", "your-secret-here", "example", "xxxxxxxx", "test1"]
)
def test_production_refuses_a_secret_from_an_example(word: str) -> None:
    """The word that stood in the place of a secret is none."""
    (fault,) = faults({"MAIL_URL": "a", "MAIL_PASSWORD": word}, MailSettings, environment="production")

    assert fault.startswith("mail.password (MAIL_PASSWORD): is a secret that still has the word of an example. Set one")
    assert word not in fault.replace("still has the word of an example", "").replace("is a secret", "")


def test_production_refuses_a_secret_that_stands_in_the_code() -> None:
    """What everybody with the source can read signs nothing."""
    defaults = {"mail": {"url": "a", "password": VALUE}}

    (fault,) = faults({}, MailSettings, environment="production", defaults=defaults)

    assert fault.startswith("mail.password (the application's settings): is a secret that stands in the code. Set one")
    assert VALUE not in fault


def test_a_real_secret_passes_in_production() -> None:
    """A secret of one's own is taken, even where an example's word is part of it."""
    environ = {"MAIL_URL": "a", "MAIL_PASSWORD": "secret-but-then-9f86d081884c7d65"}

    loaded = load([MailSettings], environ=environ, environment="production")

    assert loaded[MailSettings].password.reveal() == environ["MAIL_PASSWORD"]


def test_an_empty_address_in_the_code_is_no_secret() -> None:
    """A default of nothing, where an address with a password may stand, does not stop production."""

    class Store(Settings, frozen=True):
        section: ClassVar[str] = "store"
        url: Annotated[Secret[str], doc("The server; empty is an embedded one.")] = Secret("")

    assert load([Store], environ={}, environment="production")[Store].url == Secret("")


class Bounds(Settings, frozen=True):
    section: ClassVar[str] = "bounds"
    low: Annotated[int, doc("The lower bound.")] = 0
    high: Annotated[int, doc("The upper bound.")] = 10

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high; write them the other way round")


def test_a_section_may_check_itself_as_it_is_made() -> None:
    """What `__post_init__` raises is told with the rest."""
    told = faults({"BOUNDS_LOW": "11", "HTTP_PORT": VALUE}, Bounds, HttpSettings)

    assert told[0] == "bounds: low is above high; write them the other way round."
    assert len(told) == 2


def test_sections_of_other_processes_are_known(tmp_path: Path) -> None:
    """A worker shares its files with the server: sections it does not use are neither strangers nor read."""
    file = tmp_path / "settings.toml"
    file.write_text('[http]\nport = "x"\n[mail]\nurl = "a"\n')

    loaded = load([Bounds], also=[HttpSettings, MailSettings], files=[file], environ={}, environment="test")

    assert HttpSettings not in loaded


def test_strangers_in_sections_of_other_processes_are_told(tmp_path: Path) -> None:
    """A misspelt name is told by every process that reads the file."""
    file = tmp_path / "settings.toml"
    file.write_text("[http]\nprot = 1\n")

    (fault,) = faults({}, Bounds, also=[HttpSettings], files=[file])

    assert fault.endswith("is not a setting; did you mean http.port?")


def test_a_section_that_was_not_loaded_is_not_there() -> None:
    """Only what was asked for can be taken out."""
    loaded = load([HttpSettings], environ={}, environment="test")

    assert HttpSettings in loaded
    assert MailSettings not in loaded
