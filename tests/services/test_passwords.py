"""Passwords: how they are hashed and verified, and what an unknown account can be told by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher, Type, extract_parameters

from antiphon.core.errors import SetupError
from antiphon.core.info import AppInfo
from antiphon.core.log import Silent
from antiphon.core.secrets import Secret
from antiphon.core.settings import load
from antiphon.services.passwords.service import Passwords, passwords
from antiphon.services.passwords.settings import PasswordSettings

INFO = AppInfo("Olympus", "1.0.0", "test", Path("var"))
MIB = 1024 * 1024


class Errors(Silent):
    """A log of which a test reads the errors."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def error(self, event: str, /, *, error: BaseException | None = None, **fields: object) -> None:
        self.events.append(event)


@asynccontextmanager
async def opened(log: Errors | None = None, **settings: Any) -> AsyncGenerator[Passwords]:
    """Passwords as the application opens them."""
    async with asynccontextmanager(passwords.open)(PasswordSettings(**settings), INFO, log or Silent()) as ready:
        yield ready


@pytest.fixture
async def service() -> AsyncIterator[Passwords]:
    """Passwords with their usual settings."""
    async with opened() as ready:
        yield ready


async def test_a_password_is_hashed_with_argon2id(service: Passwords) -> None:
    """The hash is in PHC form: argon2id, 19 MiB, two passes, one lane, 16 bytes of salt and 32 of tag."""
    hashed = await service.hash(Secret("a password of hers"))

    found = extract_parameters(hashed)
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (found.type, found.salt_len, found.hash_len) == (Type.ID, 16, 32)


async def test_a_password_is_verified(service: Passwords) -> None:
    """The right one fits, another does not."""
    hashed = await service.hash(Secret("a password of hers"))

    assert await service.verify(hashed, Secret("a password of hers"))
    assert not await service.verify(hashed, Secret("a password of his"))


async def test_a_password_has_another_hash_each_time(service: Passwords) -> None:
    """Two users with one password cannot be told by their hashes."""
    assert await service.hash(Secret("the same one")) != await service.hash(Secret("the same one"))


@pytest.mark.parametrize(
    ("password", "other"),
    [
        ("with a space ", "with a space"),
        ("CAPITALS and small", "capitals and small"),
        ("caf\u00e9 au lait", "cafe\u0301 au lait"),
        ("x" * 256, "x" * 255),
        ("null\0character", "null"),
    ],
)
async def test_a_password_is_taken_as_sent(service: Passwords, password: str, other: str) -> None:
    """Nothing is trimmed, folded, normalised or cut."""
    hashed = await service.hash(Secret(password))

    assert await service.verify(hashed, Secret(password))
    assert not await service.verify(hashed, Secret(other))


async def test_a_password_that_is_no_unicode_text_is_hashed_too(service: Passwords) -> None:
    """A command line that is not UTF-8 gives lone surrogates; they are a password like any other."""
    hashed = await service.hash(Secret("caf\udce9 au lait"))

    assert await service.verify(hashed, Secret("caf\udce9 au lait"))


async def test_an_unknown_account_has_no_password(service: Passwords) -> None:
    """Without a hash no password fits."""
    assert not await service.verify(None, Secret("a password of hers"))


async def test_an_unknown_account_costs_a_hash_of_the_same_strength() -> None:
    """The decoy is made under the settings that are in force, so that its time tells nothing."""
    async with opened(memory_bytes=24 * MIB, passes=3) as service:
        decoy, real = service._decoy, await service.hash(Secret("a password of hers"))  # pyright: ignore[reportPrivateUsage]  # its cost cannot be seen from outside without measuring time

    assert extract_parameters(decoy) == extract_parameters(real)


@pytest.mark.parametrize("broken", ["plain text", "$argon2id$v=19$m=19456,t=2,p=1$AAAA$BBBB", "$2b$12$bcrypt"])
async def test_a_hash_that_cannot_be_read_fits_nothing(broken: str) -> None:
    """A damaged row refuses the sign-in like a wrong password, and the log says that it is damaged."""
    log = Errors()
    async with opened(log) as service:
        assert not await service.verify(broken, Secret("a password of hers"))

    assert log.events == ["passwords.hash_unreadable"]


async def test_a_hash_of_other_settings_is_to_be_made_anew(service: Passwords) -> None:
    """After the settings were raised, old hashes still fit and are replaced when the password is at hand."""
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash("a password of hers")
    new = await service.hash(Secret("a password of hers"))

    assert await service.verify(old, Secret("a password of hers"))
    assert (service.needs_rehash(old), service.needs_rehash(new), service.needs_rehash("broken")) == (True, False, True)


async def test_others_go_on_while_a_password_is_hashed(service: Passwords) -> None:
    """Hashing happens beside the loop: a hundred turns of it fit into one hash."""
    hashing = asyncio.create_task(service.hash(Secret("a password of hers")))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0)
        turns += 1

    assert turns > 100


@pytest.mark.parametrize(
    ("name", "value"),
    [("MEMORY_BYTES", "18MiB"), ("PASSES", "1"), ("LANES", "0"), ("WAIT_TIME", "0s"), ("MEMORY_BYTES", "19455KiB")],
)
def test_weaker_settings_stop_the_start(name: str, value: str) -> None:
    """Less memory, fewer passes or no lane is refused in every environment, by the name of the setting."""
    with pytest.raises(SetupError, match=f"password.{name.lower()}"):
        load([PasswordSettings], environ={f"PASSWORD_{name}": value}, environment="development")


def test_stronger_settings_are_taken() -> None:
    """More memory and more passes are fine."""
    loaded = load(
        [PasswordSettings], environ={"PASSWORD_MEMORY_BYTES": "64MiB", "PASSWORD_PASSES": "3"}, environment="production"
    )

    assert (loaded[PasswordSettings].memory_bytes, loaded[PasswordSettings].passes) == (64 * MIB, 3)


def test_there_is_a_thread_per_core_and_four_at_most() -> None:
    """The pool never takes a large machine for itself."""
    assert 1 <= PasswordSettings().pool_threads <= 4
    assert PasswordSettings(threads=7).pool_threads == 7
    assert (PasswordSettings().waiting, PasswordSettings().wait_time) == (64, timedelta(seconds=1))
