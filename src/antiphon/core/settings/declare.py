"""How a section of settings is declared: the base class, the words beside a type, and their faults."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, ClassVar, NamedTuple, get_args, get_origin

import msgspec
from msgspec import NODEFAULT

from antiphon.core.errors import Fault, SetupError
from antiphon.core.info import Environment
from antiphon.core.inputs.types import alternatives, is_struct, plain
from antiphon.core.secrets import Secret


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """A section of settings: a subclass names it, and each field is one setting with its type, default and doc.

        class HttpSettings(Settings, frozen=True):
            section: ClassVar[str] = "http"
            port: Annotated[int, Meta(ge=0, le=65535), doc("The port to listen on."), env("PORT")] = 8080
            idle_time: Annotated[timedelta, doc("How long a connection may be silent.")] = timedelta(seconds=75)
            body_bytes: Annotated[int, doc("The largest body of JSON or a form.")] = 1024 * 1024

    `http.body_bytes` is `HTTP_BODY_BYTES` in the environment and `body_bytes` in the table `http` of a file. A
    `timedelta` is written `"75s"`; an `int` whose name ends in `_bytes` may be written `"1MiB"`; a list is separated
    by commas in the environment; tables (`dict` and nested Structs) stand in files only. Write lists as tuples, so that
    nobody can change them, and `kw_only=True` beside `frozen=True` when a setting without a default follows one with.
    """

    section: ClassVar[str]

    def problems(self, environment: Environment) -> Iterable[Fault]:
        """What is wrong with the values together, or in this environment; anything at all stops the start-up.

        For what no single type can say: `yield Fault("hosts", "production needs the names it answers to")`. The name
        is a field of this section. Repeat no value in the message.
        """
        return ()

    def warnings(self, environment: Environment) -> Iterable[Fault]:
        """What somebody should know before this is deployed, though it starts: told by `check --deploy`."""
        return ()


class doc(msgspec.Struct, frozen=True):  # noqa: N801  # it is read as a word beside a type, like the traits
    """One line on what a setting does; the generated page and `SetupError` show it."""

    text: str


class env:  # noqa: N801  # it is read as a word beside a type, like the traits
    """Further environment variables for a setting, such as `env("PORT")` for `http.port`.

    The section's own name (`HTTP_PORT`) is always read and wins: it speaks to us, while `PORT` is often set for every
    program by the platform. Further names count in the order they are written.
    """

    __slots__ = ("names",)

    def __init__(self, *names: str) -> None:
        self.names = names

    def __repr__(self) -> str:
        return f"env({', '.join(map(repr, self.names))})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, env) and self.names == other.names

    def __hash__(self) -> int:
        return hash((env, self.names))


class Setting(NamedTuple):
    """One declared setting, ready to be looked up."""

    section: type[Settings]
    field: str
    type: Any
    doc: str
    variables: tuple[str, ...]
    declared: msgspec.structs.FieldInfo

    @property
    def name(self) -> str:
        """The name in messages and in the docs: `http.body_bytes`."""
        return f"{self.section.section}.{self.field}"

    @property
    def required(self) -> bool:
        """Whether there is no default, so that somebody has to set it."""
        return self.declared.required

    @property
    def default(self) -> Any:
        """The declared default, made anew each time; None when there is none."""
        if self.declared.default_factory is not NODEFAULT:
            return self.declared.default_factory()
        return None if self.declared.default is NODEFAULT else self.declared.default

    @property
    def secret(self) -> bool:
        """Whether the value is a Secret or holds one."""
        return holds_secret(self.type)

    @property
    def only_in_files(self) -> bool:
        """Whether it is a table, or a list of them, which one line of text cannot say."""
        return any(holds_table(option) for option in alternatives(self.type))


def declared(sections: Sequence[type[Settings]]) -> tuple[Setting, ...]:
    """Every setting of these sections in order; a section given twice counts once.

    Raises SetupError with every fault of the declarations: no section name, no doc, a type that cannot be read, two
    settings that read the same environment variable.
    """
    problems: list[str] = []
    settings: list[Setting] = []
    names: dict[str, type[Settings]] = {}
    for section in dict.fromkeys(sections):
        name = getattr(section, "section", "")
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            problems.append(f'{_where(section)} has no section name. Write `section: ClassVar[str] = "http"` in it.')
        elif names.setdefault(name, section) is not section:
            problems.append(f"{_where(section)} and {_where(names[name])} are both the section {name!r}. Rename one.")
        else:
            found, faults = _settings_of(section)
            settings += found
            problems += faults
    problems += _shared_variables(settings)
    if problems:
        raise SetupError(*problems)
    return tuple(settings)


def near(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known name that was probably meant; `bodyBytes` and `body-bytes` are as near as `body_byte` is."""
    written = {_plain_name(other): other for other in known}
    found = get_close_matches(_plain_name(name), written, n=1, cutoff=cutoff)
    return written[found[0]] if found else None


def holds_secret(annotation: Any) -> bool:
    """Whether the type is a Secret, or a list, table or union with one in it."""
    return any(_kind(part) is Secret for part in _parts(annotation, []))


def holds_table(annotation: Any) -> bool:
    """Whether the type is a dict or Struct, or a list of them."""
    return any(_kind(part) is dict or is_struct(plain(part)) for part in _parts(annotation, []))


def _parts(annotation: Any, seen: list[Any]) -> list[Any]:
    """The type and everything it is made of; a Struct that holds itself is looked into once."""
    if annotation in seen:
        return seen
    seen.append(annotation)
    bare = plain(annotation)
    inner = [part for part in get_args(bare) if part is not Ellipsis] if _kind(bare) is not Secret else []
    if is_struct(bare):
        inner += [field.type for field in msgspec.structs.fields(bare)]
    for part in inner:
        _parts(part, seen)
    return seen


def _kind(annotation: Any) -> Any:
    bare = plain(annotation)
    return get_origin(bare) or bare


@cache
def _settings_of(section: type[Settings]) -> tuple[Sequence[Setting], Sequence[str]]:
    """The settings of a section and the faults in them. A class says the same whenever it is asked."""
    try:
        fields = msgspec.structs.fields(section)
    except NameError as error:
        gone = f"{_where(section)} uses the type {error.name!r}, which does not exist when the program runs. "
        return (), (gone + "Import it outside `if TYPE_CHECKING:`, and define it at the top of a module.",)
    settings: list[Setting] = []
    for field in fields:
        notes = get_args(field.type)[1:] if get_origin(field.type) is Annotated else ()
        lines = [note.text for note in notes if isinstance(note, doc)]
        own = f"{section.section}_{field.name}".upper()
        further = [name for note in notes if isinstance(note, env) for name in note.names]
        variables = tuple(dict.fromkeys([own, *further]))
        settings.append(Setting(section, field.name, field.type, "".join(lines), variables, field))
    return settings, [problem for setting in settings for problem in _problems_of(setting)]


def _problems_of(setting: Setting) -> Iterable[str]:
    if not setting.doc.strip() or "\n" in setting.doc:
        yield f'{setting.name} has no doc of one line. Write `{setting.field}: Annotated[..., doc("What it does.")]`.'
    for variable in setting.variables[1:]:
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", variable):
            yield f"{setting.name} has env({variable!r}). Write the variable in capitals, digits and underscores."
    try:
        # Nothing is decoded: msgspec looks a type over when it makes a decoder, and says what it cannot read.
        msgspec.json.Decoder(setting.type, dec_hook=lambda _type, value: value)
    except TypeError as error:
        yield f"{setting.name} has a type that cannot be read: {error}."


def _shared_variables(settings: Iterable[Setting]) -> Iterable[str]:
    readers: dict[str, Setting] = {}
    for setting in settings:
        variables = [name for own in setting.variables for name in (own, f"{own}_FILE")]
        shared = next((name for name in variables if readers.setdefault(name, setting) is not setting), None)
        if shared:
            yield f"{setting.name} and {readers[shared].name} would both be read from {shared}. Rename one."


def _where(section: type[Settings]) -> str:
    return f"{section.__module__}.{section.__qualname__}"


def _plain_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
