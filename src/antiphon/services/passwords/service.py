"""PLACEHOLDER until the real one is written."""
from collections.abc import AsyncIterator, Iterable
import asyncio
from argon2 import PasswordHasher
from antiphon.core.secrets import Secret
from antiphon.core.service import service
class Passwords:
    def __init__(self) -> None:
        self._h = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
    async def hash(self, password: Secret[str]) -> str:
        return await asyncio.to_thread(self._h.hash, password.reveal())
    async def verify(self, hashed: str | None, password: Secret[str]) -> bool:
        try: return await asyncio.to_thread(self._h.verify, hashed or "", password.reveal())
        except Exception: return False
    def needs_rehash(self, hashed: str) -> bool: return self._h.check_needs_rehash(hashed)
    def check(self, password: Secret[str], *, words: Iterable[str]) -> str | None: return None
@service
async def passwords() -> AsyncIterator[Passwords]:
    yield Passwords()
