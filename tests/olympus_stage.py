"""Olympus running for a test, and people who use it over HTTP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from antiphon.application import App
from antiphon.core.caller import Caller
from antiphon.core.clock import Clock
from antiphon.core.middleware import Middleware
from antiphon.core.module import Module
from antiphon.modules.accounts import DEFAULT_TENANT_ID
from antiphon.modules.accounts.roles import grant_role
from antiphon.modules.accounts.tenants import join_tenant
from antiphon.testing.app import HttpClient, TestApp
from olympus.app import app

PASSWORD = "four lanterns over still water"
UNKNOWN_ID = "01890000-0000-7000-8000-000000000000"


class Person:
    """Somebody with an account, and a client that is signed in as them."""

    def __init__(self, name: str, email: str, user_id: str, client: HttpClient) -> None:
        self.name = name
        self.email = email
        self.id = user_id
        self.client = client
        self.roles: frozenset[str] = frozenset()
        self.tenant_id = DEFAULT_TENANT_ID

    @property
    def caller(self) -> Caller:
        """The same person, as an action sees them."""
        return Caller(kind="user", id=self.id, tenant_id=self.tenant_id, roles=self.roles)


class Olympus:
    """A running Olympus. Everybody has the same password."""

    def __init__(self, running: TestApp, folder: Path) -> None:
        self.running = running
        self.folder = folder / "var"
        self.files = folder / "var" / "files"

    def client(self) -> HttpClient:
        """A client that nobody has signed in with."""
        return self.running.client()

    async def person(self, name: str, *, signed_in: bool = True) -> Person:
        """Somebody who has signed up, and signed in."""
        email = f"{name.lower().replace(' ', '.')}@example.com"
        client = self.client()
        made = await client.put("/api/user", {"name": name, "email": email, "password": PASSWORD})
        assert made.status == 201, made.body
        person = Person(name, email, made.json["id"], client)
        if signed_in:
            await self.sign_in(person)
        return person

    async def admin(self, name: str = "Hera") -> Person:
        """Somebody with the role `admin`."""
        return await self.holder("admin", name)

    async def holder(self, role: str, name: str) -> Person:
        """Somebody with this role."""
        person = await self.person(name, signed_in=False)
        await self.running.call(grant_role, person.id, role)
        person.roles = frozenset({role})
        await self.sign_in(person)
        return person

    async def move(self, person: Person, tenant_id: str) -> None:
        """Put somebody into a tenant, without roles, and sign them in there."""
        await self.running.call(join_tenant, person.id, tenant_id)
        person.tenant_id, person.roles = tenant_id, frozenset()
        await self.sign_in(person)

    async def sign_in(self, person: Person, *, password: str = PASSWORD) -> dict[str, Any]:
        """Sign in with the person's client."""
        answer = await person.client.put("/api/session", {"email": person.email, "password": password})
        assert answer.status == 201, answer.body
        return answer.json

    def kept(self) -> list[Path]:
        """Every file that is on disk: those that were uploaded, and those that were on their way."""
        return [path for part in ("files", "uploads") for path in (self.folder / part).rglob("*") if path.is_file()]


@asynccontextmanager
async def olympus_on(
    folder: Path,
    database_url: str,
    store_url: str,
    store_prefix: str,
    *,
    clock: Clock | None = None,
    middleware: Sequence[Middleware] = (),
    settings: Mapping[str, str] | None = None,
    modules: Sequence[Module] = (),
    values: Sequence[object] = (),
) -> AsyncGenerator[Olympus]:
    """Run Olympus on these engines, with more modules and values beside its own."""
    environ = {
        "DATABASE_URL": database_url,
        "REDIS_URL": store_url,
        "REDIS_PREFIX": store_prefix,
        # A minute that ends during a test must not post a greeting into it.
        "WORKER_SCHEDULES": "false",
        # Whoever is locked out still is when a busy machine makes the next guess.
        "LOCKOUT_FIRST_TIME": "60s",
        **(settings or {}),
    }
    olympus = App(
        app.name,
        version=app.version,
        modules=[*app.modules, *modules],
        transports=app.transports,
        middleware=middleware,
        values=[*app.values, *values],
    )
    async with TestApp.start(olympus, folder, environ, clock=clock) as running:
        yield Olympus(running, folder)
