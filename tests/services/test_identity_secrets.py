"""The root secret and what it seals: made once, read by its owner only, and kept when it is replaced."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from antiphon.core.errors import SetupError
from antiphon.core.info import Environment
from antiphon.core.secrets import Secret
from antiphon.services.identity import BadSeal, IdentitySettings, RootSecret, Seal
from antiphon.services.identity.root import FILE, kept_secret

ONE, OTHER = Secret("Zq3vN8rT1xWm5kYb7cJd2fGh9sLp4aEu"), Secret("b8Qn2VtK6rXz1mWc5yJh7dGs3fLp9aEu")


def faults(environment: Environment, **settings: Any) -> list[str]:
    """The settings that are refused."""
    return [fault.name for fault in IdentitySettings(**settings).problems(environment)]


def test_the_secret_is_made_once(tmp_path: Path) -> None:
    """In a file that nobody else can read; whoever comes second, or at the same time, reads the same."""
    with ThreadPoolExecutor(8) as pool:
        found = {secret.reveal() for secret in pool.map(kept_secret, [tmp_path / "var"] * 16)}

    assert len(found) == 1
    assert (tmp_path / "var" / FILE).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "var").iterdir()] == [FILE]


def test_a_secret_that_others_can_read_stops_the_start(tmp_path: Path) -> None:
    """The message says how to mend it, and shows nothing of it."""
    secret = kept_secret(tmp_path).reveal()
    (tmp_path / FILE).chmod(0o640)

    with pytest.raises(SetupError, match="chmod 600") as refused:
        kept_secret(tmp_path)

    assert secret not in str(refused.value)


def test_an_emptied_secret_stops_the_start(tmp_path: Path) -> None:
    """A new one instead would make everything that is sealed unreadable, without a word."""
    kept_secret(tmp_path)
    (tmp_path / FILE).write_text("")

    with pytest.raises(SetupError, match="holds no secret"):
        kept_secret(tmp_path)


def test_what_is_sealed_opens_under_its_purpose_alone() -> None:
    """Under another purpose, another secret or after a change it does not."""
    root = RootSecret(ONE)
    sealed = root.seal("a private key", "keys")

    assert root.unseal(sealed, "keys").reveal() == "a private key"
    assert "private" not in sealed
    for bad, purpose, opener in [
        (sealed, "cursors", root), (sealed, "keys", RootSecret(OTHER)), (sealed[:-2] + "AA", "keys", root),
        ("", "keys", root),
    ]:  # fmt: skip
        with pytest.raises(BadSeal) as refused:
            opener.unseal(bad, purpose)
        assert "private" not in str(refused.value)


def test_the_secret_before_opens_what_it_sealed() -> None:
    """So that a new root secret signs nobody out; what is sealed from then on is under the new one."""
    sealed = RootSecret(ONE).seal("a private key", "keys")
    both = RootSecret(OTHER, ONE)

    assert both.unseal(sealed, "keys").reveal() == "a private key"
    assert RootSecret(OTHER).unseal(both.seal("another", "keys"), "keys").reveal() == "another"
    assert both.key("cursors") != RootSecret(ONE).key("cursors")


def test_a_successor_opens_to_whoever_holds_its_parent() -> None:
    """And to nobody else."""
    sealed = Seal.under("the parent").close("the child")

    assert Seal.under("the parent").open(sealed) == "the child"
    with pytest.raises(BadSeal):
        Seal.under("another").open(sealed)


@pytest.mark.parametrize(
    "secret", ["short", "x" * 40, "changeme-changeme-changeme-changeme", "0123456701234567012345670123456701"]
)
@pytest.mark.parametrize("environment", ["development", "production"])
def test_a_weak_secret_is_refused(secret: str, environment: Environment) -> None:
    """Anywhere: what it seals outlives the environment."""
    assert faults(environment, secret=Secret(secret)) in (["secret"], ["secret", "secret"])


def test_production_asks_for_a_secret() -> None:
    """Elsewhere one is made."""
    assert faults("production") == ["secret"]
    assert faults("development") == []
    assert faults("production", secret=ONE, secret_before=OTHER) == []


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("access_time", timedelta(minutes=11)), ("access_time", timedelta(0)), ("refresh_time", timedelta(days=31)),
        ("race_time", timedelta(minutes=2)), ("key_time", timedelta(days=366)), ("reset_time", timedelta(0)),
    ],
)  # fmt: skip
def test_lives_only_get_shorter(name: str, bad: timedelta) -> None:
    """What would live longer than promised stops the start."""
    assert faults("development", **{name: bad}) == [name]
