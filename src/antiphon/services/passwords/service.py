"""Hashes passwords and checks them, off the loop, and says which ones are refused."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Iterable
from secrets import token_bytes

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from antiphon.core.info import AppInfo
from antiphon.core.log import Logger
from antiphon.core.secrets import Secret
from antiphon.core.service import service
from antiphon.services.passwords.pool import HashingPool
from antiphon.services.passwords.refusals import Refusals
from antiphon.services.passwords.settings import PasswordSettings

SALT_BYTES = 16
TAG_BYTES = 32


class Passwords:
    """Passwords as argon2id hashes in PHC form (`$argon2id$v=19$m=…`).

    A password is taken as sent: never trimmed, cut or normalised. Length is the input's matter. Hashing and verifying
    raise Unavailable when too many calls want one at once.
    """

    def __init__(
        self, hasher: PasswordHasher, pool: HashingPool, refusals: Refusals, product: str, decoy: str, log: Logger
    ) -> None:
        self._hasher = hasher
        self._pool = pool
        self._refusals = refusals
        self._product = product
        self._decoy = decoy
        self._log = log

    async def hash(self, password: Secret[str]) -> str:
        """The hash to keep; another one each time."""
        return await self._pool.run(lambda: self._hasher.hash(_bytes(password)))

    async def verify(self, hashed: str | None, password: Secret[str]) -> bool:
        """Whether this is the password. None is an account that does not exist: it costs the same and is never true.

        A stored hash that cannot be read is no password either, and an error in the log.
        """
        try:
            return await self._pool.run(lambda: self._fits(hashed, password))
        except (InvalidHashError, VerificationError) as error:
            self._log.error("passwords.hash_unreadable", error=error)
            # Nor may it be told by its time.
            return await self.verify(None, password)

    def needs_rehash(self, hashed: str) -> bool:
        """Whether the hash was made under other settings; hash the password anew when it is at hand."""
        try:
            return self._hasher.check_needs_rehash(hashed)
        except InvalidHashError:
            return True

    def check(self, password: Secret[str], *, words: Iterable[str]) -> str | None:
        """Why a new password is refused, in words that follow the input's name; None when it is not.

        `words` are the user's own: name and email. Upper and lower case are the same. Nothing is sent anywhere.
        """
        return self._refusals.reason(password.reveal(), own=words, product=self._product)

    def _fits(self, hashed: str | None, password: Secret[str]) -> bool:
        try:
            self._hasher.verify(hashed or self._decoy, _bytes(password))
        except VerifyMismatchError:
            return False
        return hashed is not None


def _decoy(settings: PasswordSettings) -> str:
    """A hash that costs what every other does and that no password has: what should be a tag is random."""
    cost = f"m={settings.memory_bytes // 1024},t={settings.passes},p={settings.lanes}"
    salt, tag = (b64encode(token_bytes(size)).decode().rstrip("=") for size in (SALT_BYTES, TAG_BYTES))
    return f"$argon2id$v=19${cost}${salt}${tag}"


def _bytes(password: Secret[str]) -> bytes:
    # Lone surrogates come from a command line that was not UTF-8; they too are taken as they are.
    return password.reveal().encode("utf-8", "surrogatepass")


@service
async def passwords(settings: PasswordSettings, info: AppInfo, log: Logger) -> AsyncIterator[Passwords]:
    """Passwords, with their threads, their lists and a decoy made under these settings."""
    hasher = PasswordHasher(
        time_cost=settings.passes,
        memory_cost=settings.memory_bytes // 1024,
        parallelism=settings.lanes,
        hash_len=TAG_BYTES,
        salt_len=SALT_BYTES,
        type=Type.ID,
    )
    pool = HashingPool(threads=settings.pool_threads, waiting=settings.waiting, wait=settings.wait_time)
    try:
        refusals = await asyncio.to_thread(Refusals.bundled)
        yield Passwords(hasher, pool, refusals, info.name, _decoy(settings), log)
    finally:
        await pool.close()
