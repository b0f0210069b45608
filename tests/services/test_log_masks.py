"""What the log never shows: secrets by name, by look and by value, and what was bound to a statement."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from antiphon.core.secrets import Secret
from antiphon.services.logs import Log
from antiphon.services.logs.settings import Format
from tests.services.log_pages import Pages, log_into

HIDDEN = "hunter2-and-more"


@pytest.fixture
def pages() -> Pages:
    """What the log of the test is written into."""
    return Pages()


@pytest.fixture(params=["json", "text"])
def log(request: pytest.FixtureRequest, pages: Pages) -> Log:
    """A log in each form."""
    return log_into(pages, format=request.param)


class Account(Struct):
    """A Struct with a secret in it."""

    name: str
    password: str


@dataclasses.dataclass
class Login:
    """A dataclass with a secret in it."""

    user: str
    api_key: str


@pytest.mark.parametrize(
    "name",
    [
        "password", "Password", "current_password", "passwordHash", "passwd", "token", "access_token", "refreshToken",
        "secret", "client-secret", "authorization", "Proxy-Authorization", "cookie", "Set-Cookie", "api_key", "apikey",
        "apiKey", "credentials", "ticket", "socketTicket",
    ],
)  # fmt: skip
def test_a_field_with_a_telling_name_is_masked(log: Log, pages: Pages, name: str) -> None:
    """Whatever the style of the name, and however deep: in keys, in pairs, as bytes."""
    log.info(
        "event",
        **{name: HIDDEN},
        nested={"deep": [{name: HIDDEN}]},
        headers=[(name.encode(), HIDDEN.encode())],
        raw={name.encode(): HIDDEN.encode()},
        number={name: 4711},
    )

    assert HIDDEN not in pages.text
    assert "4711" not in pages.text
    assert pages.text.count("***") == 5


@pytest.mark.parametrize("name", ["tokens", "tokenizer", "cookies_sent", "secretary", "key", "author"])
def test_a_field_with_another_name_is_shown(pages: Pages, name: str) -> None:
    """Words that only begin alike are no secrets, and neither is a yes or no."""
    log_into(pages).info("event", **{name: "shown"}, cookie_secure=True)

    assert (pages.line[name], pages.line["cookie_secure"]) == ("shown", True)


def test_secrets_are_masked_by_their_type(log: Log, pages: Pages) -> None:
    """A Secret prints as ***, wherever it stands."""
    log.info("event", plain=Secret(HIDDEN), inside=[{"x": Secret(HIDDEN)}], pair=("a", Secret(HIDDEN)))

    assert HIDDEN not in pages.text


def test_structs_and_dataclasses_are_masked_field_by_field(log: Log, pages: Pages) -> None:
    """An object is not shown whole because it has no telling name itself."""
    log.info("event", account=Account("ada", HIDDEN), login=Login("ada", HIDDEN))

    assert HIDDEN not in pages.text
    assert "ada" in pages.text


@pytest.mark.parametrize(
    "text",
    [
        f"GET /reset?token={HIDDEN}&next=/",
        f"GET /ws?ticket={HIDDEN} HTTP/1.1",
        f"Authorization: Bearer {HIDDEN}",
        f"authorization:Basic {HIDDEN} {HIDDEN}",
        f"Cookie: a=1; session={HIDDEN}",
        f"Set-Cookie: __Host-session={HIDDEN}; Path=/",
        f"sent bearer {HIDDEN}",
        f"password={HIDDEN}",
        f'{{"password": "{HIDDEN}"}}',
        f"{{'api_key': '{HIDDEN} {HIDDEN}'}}",
        f"PASSWORD = {HIDDEN}",
        f"client_secret={HIDDEN}",
        f"postgresql://olympus:{HIDDEN}@db.example/olympus",
        f"redis://:{HIDDEN}@cache:6379/0",
        f"https://ada:{HIDDEN}@{HIDDEN}@example.com/x",
    ],
)
def test_what_looks_like_a_secret_is_masked_in_texts(log: Log, pages: Pages, text: str) -> None:
    """Queries, headers, assignments and addresses in a text, in bytes, in an event and in an exception."""
    log.info("event", reason=text, raw=text.encode(), nested=[text])
    log.error("event", error=RuntimeError(text))

    assert HIDDEN not in pages.text


def test_the_rest_of_a_text_is_kept(pages: Pages) -> None:
    """Masking a part leaves what is needed to understand the line."""
    log_into(pages).info("event", reason="connect to postgresql://ada:pass@db/olympus failed: token=abc, code=7")

    assert pages.line["reason"] == "connect to postgresql://***@db/olympus failed: token=***, code=7"


@pytest.mark.parametrize("secret", [HIDDEN, 'quo"te\\and/slash', "ümlaut & space", "line\nend"])
def test_known_secrets_are_masked_wherever_they_stand(log: Log, pages: Pages, secret: str) -> None:
    """A value that the log was told is masked in every field and text, also as JSON or a URL writes it."""
    log.hide(Secret(secret), Secret(""), Secret("ab"))
    log.warning("event", reason=f"<<{secret}>>", inside=[{f"x{secret}": secret}], dumped=json.dumps(secret))
    log.error("event", error=RuntimeError(f"failed with {secret}"))

    for form in {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}:
        assert form not in pages.text
    assert "event" in pages.text


# Exceptions


def fail(password: str) -> None:
    """Break with a secret in a local variable."""
    doubled = password * 2
    raise RuntimeError(f"broke after {len(doubled)} characters")


def test_an_exception_has_its_type_words_and_traceback(pages: Pages) -> None:
    """The traceback names files and functions, and holds no value of a variable."""
    try:
        fail(HIDDEN)
    except RuntimeError as error:
        log_into(pages).error("call.defect", error=error, action="a")

    shown = pages.line["error"]
    assert (shown["type"], shown["message"]) == ("RuntimeError", "broke after 32 characters")
    assert "in fail" in shown["traceback"]
    assert HIDDEN not in pages.text


def test_the_traceback_stands_below_the_line_for_people(pages: Pages) -> None:
    """In the text form it keeps its lines."""
    try:
        fail(HIDDEN)
    except RuntimeError as error:
        log_into(pages, format="text").error("call.defect", error=error)

    assert "RuntimeError: broke after 32 characters" in pages.text.splitlines()[0]
    assert "\nTraceback (most recent call last):\n" in pages.text


def test_causes_and_groups_are_shown(pages: Pages) -> None:
    """What led to an error is part of it."""
    cause = OSError("no route")
    group = ExceptionGroup("several", [ValueError("first"), KeyError("second")])
    group.__cause__ = cause

    log_into(pages).error("event", error=group)

    assert all(word in pages.line["error"]["traceback"] for word in ("no route", "first", "second"))


class DriverError(Exception):
    """A driver's error that repeats values, as asyncpg's do."""

    detail = "Failing row contains (7, ada, secret words,\nin two lines)."


@pytest.mark.parametrize("format", ["json", "text"])
@pytest.mark.parametrize("parameters", [("ada@example.com", 4711), {"email": "ada@example.com", "n": 4711}])
def test_parameters_of_statements_are_never_logged(
    pages: Pages, format: Format, parameters: tuple[Any, ...] | dict[str, Any]
) -> None:
    """The statement is shown; what was bound to it is not, also where the driver repeats it or a whole row."""
    driver = DriverError(
        "invalid value 'ada@example.com'\nDETAIL:  Failing row contains (7, ada, secret words,\nin two lines)."
    )
    try:
        try:
            raise driver
        except DriverError as error:
            raise DBAPIError("INSERT INTO people VALUES (?, ?)", parameters, error) from error
    except DBAPIError as error:
        log_into(pages, format=format).error("call.defect", error=error)

    assert "INSERT INTO people" in pages.text
    assert not any(value in pages.text for value in ("ada@example.com", "4711", "secret words", "two lines"))


async def test_a_real_conflict_tells_no_row(pages: Pages, database_url: str) -> None:
    """What SQLite and PostgreSQL say of a row that they refuse, through SQLAlchemy, is not logged."""
    engine = create_async_engine(database_url)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("CREATE TABLE people (email TEXT UNIQUE, motto TEXT NOT NULL)"))
            insert = text("INSERT INTO people VALUES (:email, :motto)")
            await connection.execute(insert, {"email": "ada@example.com", "motto": "carpe diem"})
            with pytest.raises(IntegrityError) as twice:
                await connection.execute(insert, {"email": "ada@example.com", "motto": "other"})
            await connection.rollback()
    finally:
        await engine.dispose()

    log_into(pages).error("call.defect", error=ExceptionGroup("several", [twice.value]))

    assert "IntegrityError" in pages.text
    assert not any(value in pages.text for value in ("ada@example.com", "carpe diem"))


def test_an_exception_that_breaks_the_log_itself_is_still_a_line(pages: Pages) -> None:
    """When something cannot be written at all, the line says that it could not."""

    class Evil(Exception):
        @property
        def params(self) -> object:
            raise RuntimeError("no")

    log_into(pages).error("call.defect", error=Evil())

    assert (pages.line["event"], pages.line["unwritable"]) == ("call.defect", "RuntimeError")


def test_an_exception_in_any_field_is_described(pages: Pages) -> None:
    """A warning may carry one as well."""
    log_into(pages).warning("event", cause=OSError(f"password={HIDDEN}"))

    assert pages.line["cause"]["message"] == "password=***"


def test_an_exception_that_cannot_be_shown_breaks_nothing(pages: Pages) -> None:
    """Words that fail, and a traceback without end, still make a line."""

    class Broken(Exception):
        def __str__(self) -> str:
            raise ValueError("no")

    def endless(number: int) -> int:
        return endless(number + 1) + len(str(Path(str(number))))

    log = log_into(pages)
    log.error("event", error=Broken())
    with pytest.raises(RecursionError) as found:
        endless(0)
    log.error("event", error=found.value)

    assert pages.lines[0]["error"]["message"] == "<ValueError while it was shown>"
    assert len(pages.text) < 40_000
