"""Cookies: one is found among many, and none is written that a browser would misread."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.wire.cookies import clear_cookie, read_cookie, write_cookie

VALUE = st.from_regex(r"[A-Za-z0-9_.=-]*", fullmatch=True)
NAME = st.from_regex(r"[A-Za-z_-][A-Za-z0-9_-]*", fullmatch=True)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("session=abc", "abc"),
        ("a=1; session=abc; b=2", "abc"),
        ("a=1;session=abc", "abc"),
        ("a=1; \t session=abc \t;b", "abc"),
        ("session=", ""),
        ("session=a=b", "a=b"),
        ('session="abc"', '"abc"'),
        ("session=first; session=second", "first"),
        ("xsession=1; x=session=2; session=3", "3"),
        (None, None),
        ("", None),
        ("a=1", None),
        ("session", None),
        ("session =1", None),
        ("Session=1", None),
        ("xsession=1; x=session=2", None),
        ('x="a session=1"', None),
    ],
)
def test_a_cookie_is_read_by_its_whole_name(header: str | None, value: str | None) -> None:
    """The first cookie of exactly this name is found, wherever it stands; part of another is not."""
    assert read_cookie(header, "session") == value


@given(st.dictionaries(NAME, VALUE, min_size=1))
def test_every_cookie_of_a_header_is_found(cookies: dict[str, str]) -> None:
    """What a browser sends is what is read, for each name."""
    header = "; ".join(f"{name}={value}" for name, value in cookies.items())

    assert {name: read_cookie(header, name) for name in cookies} == cookies


def test_a_session_cookie_has_every_mark() -> None:
    """The default is the safest: Secure, HttpOnly, SameSite=Lax, the whole site, no Domain."""
    assert write_cookie("__Host-session", "abc", max_age=timedelta(hours=24)) == (
        "__Host-session=abc; Path=/; Max-Age=86400; Secure; HttpOnly; SameSite=Lax"
    )


def test_marks_are_left_out_when_asked() -> None:
    """Each mark can be switched off where the name allows it."""
    written = write_cookie("theme", "dark", secure=False, httponly=False, samesite="Strict", path="/app")

    assert written == "theme=dark; Path=/app; SameSite=Strict"


def test_a_cleared_cookie_ends_at_once() -> None:
    """Clearing gives an empty value and no time to live."""
    assert clear_cookie("__Host-session") == "__Host-session=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax"


@pytest.mark.parametrize("value", ["a;b", "a b", "a,b", 'a"b', "a\\b", "a\r\nSet-Cookie: x=1", "ü", "\x7f"])
def test_a_value_no_cookie_may_have_is_refused_and_not_repeated(value: str) -> None:
    """A value that would end the cookie or the header is refused, and the message does not show it."""
    with pytest.raises(ValueError, match="value of cookie") as error:
        write_cookie("a", value)

    assert value not in str(error.value).replace("cookie 'a'", "")


@pytest.mark.parametrize("name", ["", "a b", "a=b", "a;b", "ü"])
def test_a_name_no_cookie_may_have_is_refused(name: str) -> None:
    """A name is a token."""
    with pytest.raises(ValueError, match="no cookie name"):
        write_cookie(name, "1")


@pytest.mark.parametrize("path", ["", "app", "/a;b", "/a\n"])
def test_a_path_no_cookie_may_have_is_refused(path: str) -> None:
    """A path begins with a slash and ends nothing."""
    with pytest.raises(ValueError, match="no cookie path"):
        write_cookie("a", "1", path=path)


def test_a_prefix_promises_what_it_says() -> None:
    """A cookie that browsers would drop for its prefix is refused instead, in any case of letters."""
    with pytest.raises(ValueError, match="must be secure"):
        write_cookie("__Host-session", "1", secure=False)
    with pytest.raises(ValueError, match="must be secure"):
        write_cookie("__SECURE-a", "1", secure=False)
    with pytest.raises(ValueError, match="must be secure"):
        write_cookie("a", "1", secure=False, samesite="None")
    with pytest.raises(ValueError, match="path '/'"):
        write_cookie("__host-session", "1", path="/app")


@given(NAME.filter(lambda name: not name.startswith("__")), VALUE)
def test_a_written_cookie_is_read_back(name: str, value: str) -> None:
    """What is set is what comes back from the browser."""
    sent = re.split("; ", write_cookie(name, value))[0]

    assert read_cookie(f"x=1; {sent}; y=2", name) == value or name in ("x", "y")
