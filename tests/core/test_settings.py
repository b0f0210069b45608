"""Settings: how they are declared, where they come from, and which place wins."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import pytest
from msgspec import Meta

from antiphon.core.errors import SetupError
from antiphon.core.secrets import Secret
from antiphon.core.settings import (
    Loaded,
    Settings,
    doc,
    env,
    environment_of,
    format_size,
    load,
    parse_size,
)


class Format(StrEnum):
    JSON = "json"
    COLOUR = "colour"


class Upstream(msgspec.Struct, frozen=True):
    url: str
    timeout: timedelta = timedelta(seconds=5)
    body_bytes: int = 1024


class HttpSettings(Settings, frozen=True):
    section: ClassVar[str] = "http"

    port: Annotated[int, Meta(ge=0, le=65535), doc("The port to listen on."), env("PORT", "LISTEN_PORT")] = 8080
    host: Annotated[str, doc("The address to listen on.")] = "127.0.0.1"
    hosts: Annotated[tuple[str, ...], doc("The names we answer to.")] = ()
    body_bytes: Annotated[int, Meta(ge=1), doc("The largest body.")] = 1024 * 1024
    idle_time: Annotated[timedelta, doc("How long a connection may be silent.")] = timedelta(seconds=75)
    compress: Annotated[bool, doc("Whether answers are compressed.")] = True
    rate: Annotated[float, doc("Calls a second.")] = 1.5
    folder: Annotated[Path | None, doc("Where static files lie.")] = None
    log: Annotated[Format, doc("How log lines look.")] = Format.JSON
    level: Annotated[Literal["info", "debug"], doc("What is logged.")] = "info"
    pauses: Annotated[tuple[timedelta, ...], doc("Pauses between attempts.")] = ()


class KeySettings(Settings, frozen=True):
    section: ClassVar[str] = "keys"

    root: Annotated[Secret[Annotated[str, Meta(min_length=8)]] | None, doc("Signs what we hand out.")] = None
    old: Annotated[frozenset[Secret[str]], doc("Accepted until removed.")] = frozenset()


class GatewaySettings(Settings, frozen=True):
    section: ClassVar[str] = "gateway"

    upstreams: Annotated[list[Upstream], doc("The services behind us.")] = msgspec.field(default_factory=list[Upstream])
    flags: Annotated[dict[str, bool], doc("What is switched on.")] = msgspec.field(default_factory=dict[str, bool])
    main: Annotated[Upstream | None, doc("The first of them.")] = None


def loaded(environ: Mapping[str, str] | None = None, **rest: Any) -> Loaded:
    given: dict[str, Any] = {"environ": environ or {}, "environment": "development", **rest}
    return load([HttpSettings, KeySettings, GatewaySettings], **given)


def http(environ: Mapping[str, str] | None = None, **rest: Any) -> HttpSettings:
    return loaded(environ, **rest)[HttpSettings]


def test_without_anything_the_declared_defaults_hold() -> None:
    """A section nobody speaks of has the defaults of its declaration."""
    assert http() == HttpSettings()


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("HTTP_PORT", "9000", "port", 9000),
        ("HTTP_HOST", "0.0.0.0", "host", "0.0.0.0"),  # noqa: S104  # nothing listens on it
        ("HTTP_HOST", "", "host", ""),
        ("HTTP_HOSTS", "a.example, b.example", "hosts", ("a.example", "b.example")),
        ("HTTP_HOSTS", "", "hosts", ()),
        ("HTTP_BODY_BYTES", "10MiB", "body_bytes", 10 * 1024 * 1024),
        ("HTTP_BODY_BYTES", "512", "body_bytes", 512),
        ("HTTP_IDLE_TIME", "1h30m", "idle_time", timedelta(minutes=90)),
        ("HTTP_COMPRESS", "off", "compress", False),
        ("HTTP_COMPRESS", "True", "compress", True),
        ("HTTP_RATE", "2", "rate", 2.0),
        ("HTTP_FOLDER", "/srv/static", "folder", Path("/srv/static")),
        ("HTTP_LOG", "colour", "log", Format.COLOUR),
        ("HTTP_LEVEL", "debug", "level", "debug"),
        ("HTTP_PAUSES", "1s,2s,250ms", "pauses", (timedelta(seconds=1), timedelta(seconds=2), timedelta(seconds=0.25))),
    ],
)
def test_a_variable_is_read_as_the_type_it_sets(variable: str, text: str, field: str, value: object) -> None:
    """The text of an environment variable becomes the declared type."""
    assert getattr(http({variable: text}), field) == value


def test_a_secret_is_read_as_a_secret() -> None:
    """A secret arrives wrapped, in a list too."""
    keys = loaded({"KEYS_ROOT": "hunter22hunter22", "KEYS_OLD": "one,two"})[KeySettings]

    assert keys == KeySettings(root=Secret("hunter22hunter22"), old=frozenset({Secret("one"), Secret("two")}))


@pytest.mark.parametrize("variable", ["HTTP_PORT", "HTTP_IDLE_TIME", "HTTP_FOLDER", "KEYS_ROOT"])
def test_an_empty_variable_is_not_set(variable: str) -> None:
    """Deployments pass on variables that nobody set; only text and lists can be empty."""
    assert list(loaded({variable: ""})) == list(loaded())


def test_values_in_code_may_be_typed_or_written() -> None:
    """The application's own defaults are taken as values or as a file would write them."""
    defaults = {"http": {"idle_time": "5m", "body_bytes": "64KiB", "folder": Path("static"), "log": Format.COLOUR}}

    settings = http(defaults=defaults)

    assert settings == HttpSettings(
        idle_time=timedelta(minutes=5), body_bytes=65536, folder=Path("static"), log=Format.COLOUR
    )


def test_typed_durations_and_secrets_pass_as_they_are() -> None:
    """What already has the declared type is not read again from text."""
    result = loaded(defaults={"http": {"pauses": [timedelta(seconds=1)]}, "keys": {"root": Secret("hunter22hunter22")}})

    assert (result[HttpSettings].pauses, result[KeySettings].root) == (
        (timedelta(seconds=1),),
        Secret("hunter22hunter22"),
    )


@pytest.mark.parametrize(
    ("environ", "port", "place"),
    [
        ({"HTTP_PORT": "1"}, 1, "HTTP_PORT"),
        ({"PORT": "2"}, 2, "PORT"),
        ({"LISTEN_PORT": "3"}, 3, "LISTEN_PORT"),
        ({"HTTP_PORT": "1", "PORT": "2", "LISTEN_PORT": "3"}, 1, "HTTP_PORT"),
        ({"PORT": "2", "LISTEN_PORT": "3"}, 2, "PORT"),
        ({"HTTP_PORT": "", "PORT": "2"}, 2, "PORT"),
    ],
)
def test_the_sections_own_name_wins_over_further_names(environ: Mapping[str, str], port: int, place: str) -> None:
    """`HTTP_PORT` wins over `env("PORT", ...)`, whose names count in their order."""
    result = loaded(environ)

    assert (result[HttpSettings].port, str(result.sources["http.port"])) == (port, place)


def test_environment_wins_over_file_over_application_over_default(tmp_path: Path) -> None:
    """Each place stands over the ones after it."""
    file = tmp_path / "settings.toml"
    file.write_text('[http]\nport = 3\nhost = "file"\n')
    defaults = {"http": {"port": 2, "host": "application", "rate": 2.5}}

    settings = http({"HTTP_PORT": "4"}, files=[file], defaults=defaults)

    assert (settings.port, settings.host, settings.rate, settings.level) == (4, "file", 2.5, "info")


def test_every_value_knows_where_it_came_from(tmp_path: Path) -> None:
    """`sources` names the variable, the file and line, the application, or the default."""
    file = tmp_path / "settings.toml"
    file.write_text('[http]\nhost = "file"\n')

    sources = loaded({"HTTP_PORT": "4"}, files=[file], defaults={"http": {"rate": 2.5}}).sources

    names = ("http.port", "http.host", "http.rate", "http.level")
    assert [(sources[name].kind, str(sources[name])) for name in names] == [
        ("environment", "HTTP_PORT"),
        ("file", f"{file}:2"),
        ("application", "the application's settings"),
        ("default", "its default"),
    ]


def test_a_variable_with_file_reads_the_value_from_a_file(tmp_path: Path) -> None:
    """`NAME_FILE` gives any setting from a file, without the line break at its end."""
    (tmp_path / "root").write_text("hunter22 hunter22 \n")
    (tmp_path / "port").write_text("9000\r\n")

    result = loaded({"KEYS_ROOT_FILE": str(tmp_path / "root"), "PORT_FILE": str(tmp_path / "port")})

    assert (result[KeySettings].root, result[HttpSettings].port) == (Secret("hunter22 hunter22 "), 9000)


def test_tables_come_from_files(tmp_path: Path) -> None:
    """Dicts and nested Structs are tables, with durations and sizes written as anywhere."""
    file = tmp_path / "settings.toml"
    file.write_text(
        '[gateway]\nflags = {search = true}\nmain = {url = "http://a", timeout = "250ms"}\n'
        '[[gateway.upstreams]]\nurl = "http://b"\nbody_bytes = "2KiB"\n'
    )

    gateway = loaded(files=[file])[GatewaySettings]

    assert gateway == GatewaySettings(
        flags={"search": True},
        main=Upstream("http://a", timedelta(milliseconds=250)),
        upstreams=[Upstream("http://b", body_bytes=2048)],
    )


def test_values_in_code_may_be_structs() -> None:
    """A nested Struct that is already made is taken as it is."""
    gateway = loaded(defaults={"gateway": {"main": Upstream("http://a")}})[GatewaySettings]

    assert gateway.main == Upstream("http://a")


def test_a_union_takes_the_member_that_fits() -> None:
    """`int | Literal["auto"]` is a number where it can be."""

    class Pool(Settings, frozen=True):
        section: ClassVar[str] = "pool"
        size: Annotated[int | Literal["auto"], doc("How many.")] = "auto"

    sizes = [load([Pool], environ={"POOL_SIZE": text}, environment="test")[Pool].size for text in ("5", "auto")]

    assert sizes == [5, "auto"]


@pytest.mark.parametrize("environment", ["development", "test", "production"])
def test_the_environment_is_the_one_that_is_named(environment: str) -> None:
    """ANTIPHON_ENV names one of three environments."""
    assert environment_of({"ANTIPHON_ENV": environment}) == environment


def test_the_environment_is_development_when_none_is_named() -> None:
    """A fresh machine develops."""
    assert environment_of({}) == "development"


@pytest.mark.parametrize(
    ("given", "meant"), [("prod", "production"), ("Production", "production"), ("dev", "development")]
)
def test_another_environment_suggests_the_one_that_was_meant(given: str, meant: str) -> None:
    """A short or misspelt environment does not fall back to development."""
    with pytest.raises(SetupError, match=f"ANTIPHON_ENV: is not one of .* did you mean {meant}?"):
        environment_of({"ANTIPHON_ENV": given})


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("1500B", 1500), ("64KiB", 65536), ("1.5MiB", 1572864), ("1GiB", 1 << 30)]
)
def test_a_size_is_read_from_its_unit(text: str, size: int) -> None:
    """Sizes are bytes, or KiB, MiB, GiB and TiB of 1,024 each."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "10MB", "10 MiB", "-1", "1e6", "10mib", "MiB", "9" * 5000])
def test_what_is_no_size_is_refused(text: str) -> None:
    """Units that people read in two ways are refused, and the error shows how to write it."""
    with pytest.raises(ValueError, match='this is no size; write bytes as a number, or a size such as "64KiB"'):
        parse_size(text)


def test_half_a_byte_is_no_size() -> None:
    """A size is a whole number of bytes."""
    with pytest.raises(ValueError, match="whole number of bytes"):
        parse_size("1.5B")


@pytest.mark.parametrize(("size", "text"), [(0, "0B"), (1500, "1500B"), (65536, "64KiB"), (1 << 30, "1GiB")])
def test_a_size_is_written_in_its_largest_whole_unit(size: int, text: str) -> None:
    """What is written can be read back."""
    assert (format_size(size), parse_size(text)) == (text, size)
