"""Secrets that show themselves only when asked by name."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from collections.abc import Callable

import msgspec
import pytest

from antiphon.core.secrets import Secret

VALUE = "correct horse battery staple"


class Login(msgspec.Struct):
    name: str
    password: Secret[str]


PRINTS: dict[str, Callable[[Secret[str]], str]] = {
    "str": str,
    "repr": repr,
    "padded": "{:>40}".format,
    "cut": "{:.3}".format,
    "converted": "{!r}".format,
    "percent": lambda secret: "%s" % secret,  # noqa: UP031  # this way of formatting is the promise
    "list": lambda secret: str([secret]),
    "struct": lambda secret: repr(Login("ada", secret)),
    "error": lambda secret: str(ValueError(secret)),
    "log": lambda secret: logging.LogRecord("log", 20, "", 0, "with %s", (secret,), None).getMessage(),
}

ENCODERS: dict[str, Callable[[Secret[str]], object]] = {
    "msgspec.json": msgspec.json.encode,
    "msgspec.msgpack": msgspec.msgpack.encode,
    "to_builtins": msgspec.to_builtins,
    "json": json.dumps,
    "pickle": pickle.dumps,
    "inside a struct": lambda secret: msgspec.json.encode(Login("ada", secret)),
}


@pytest.mark.parametrize("show", PRINTS.values(), ids=PRINTS)
def test_a_secret_prints_as_three_stars(show: Callable[[Secret[str]], str]) -> None:
    """No way of printing shows the value or its length, inside other things either."""
    shown = show(Secret(VALUE))

    assert "***" in shown
    assert VALUE[:3] not in shown


def test_a_secret_in_a_traceback_stays_hidden() -> None:
    """A traceback with the values of local names shows stars."""

    def fail(password: Secret[str]) -> None:
        raise LookupError(password)

    with pytest.raises(LookupError) as caught:
        fail(Secret(VALUE))

    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frame = told.stack[-1].locals
    assert frame is not None
    assert frame["password"] == "***"


def test_a_secret_has_no_attributes_to_look_into() -> None:
    """Tools that walk over vars() find nothing."""
    assert not hasattr(Secret(VALUE), "__dict__")


def test_reveal_gives_the_value() -> None:
    """The value is there for who asks for it."""
    assert Secret(VALUE).reveal() == VALUE


@pytest.mark.parametrize("encode", ENCODERS.values(), ids=ENCODERS)
def test_encoders_refuse_a_secret(encode: Callable[[Secret[str]], object]) -> None:
    """A secret in something that is about to leave the process is a TypeError which does not show it."""
    with pytest.raises(TypeError, match="Secret") as refusal:
        encode(Secret(VALUE))
    assert VALUE not in str(refusal.value)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("a", "ab", False),
        ("ä\udc80", "ä\udc80", True),
        (b"x", b"x", True),
        (b"x", b"y", False),
        ("z", b"z", False),
        (7, 7, True),
        (("a", 1), ("a", 2), False),
    ],
)
def test_secrets_are_equal_when_their_values_are(one: object, other: object, same: bool) -> None:
    """Equality is by value and kind."""
    assert (Secret(one) == Secret(other)) is same


def test_a_secret_is_not_equal_to_its_bare_value() -> None:
    """What has been revealed is another thing, so that nobody compares by accident."""
    assert Secret(VALUE) != VALUE


def test_equal_secrets_are_one_key() -> None:
    """A secret can be looked up in a set or dict."""
    assert len({Secret(VALUE), Secret(VALUE), Secret("another")}) == 2


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_of_what_holds_a_secret_holds_it_too(copied: Callable[[Login], Login]) -> None:
    """Settings and inputs with secrets can be copied within the process."""
    assert copied(Login("ada", Secret(VALUE))).password.reveal() == VALUE
