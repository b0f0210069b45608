"""Olympus and the users of a foreign issuer: known by its tokens, with what the settings give them and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import OKPKey

from antiphon.modules.accounts import DEFAULT_TENANT_ID
from antiphon.services.identity import foreign_user_id
from antiphon.testing.engines import ValkeyServer
from tests.modules.identity_people import bearer, status_of
from tests.olympus_stage import Olympus, olympus_on
from tests.services.issuer_stage import FOR_US, FOREIGN, IssuerServer, signed
from tests.transports.websocket_stage import talking

OWN = "/api/sessions"
"""For whoever is signed in."""

SETTINGS = """
[identity.issuers.partner]
issuer = "{issuer}"
audience = ["{audience}"]
algorithms = ["Ed25519"]
jwks_url = "{url}"
tenant_claim = "org"
tenants = {{ acme = "{tenant}" }}
roles = {{ boss = "admin" }}
"""


class Visit:
    """Olympus, and tokens of the issuer."""

    def __init__(self, olympus: Olympus, key: OKPKey) -> None:
        self.olympus = olympus
        self._key = key
        self._made = 0

    def token(self, *roles: str, org: str = "acme") -> str:
        """A token of the user `auth|7`."""
        self._made += 1
        now = int(datetime.now(UTC).timestamp())
        claims: dict[str, Any] = {
            "iss": FOREIGN, "aud": FOR_US, "sub": "auth|7", "iat": now, "exp": now + 300, "jti": f"{self._made}",
            "org": org, "roles": roles,
        }  # fmt: skip
        return signed(claims, self._key)


@pytest.fixture
async def visit(tmp_path: Path, olympus_url: str, valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[Visit]:
    """Olympus with the issuer in its settings file."""
    key = OKPKey.generate_key("Ed25519")
    async with IssuerServer() as server:
        server.publish(("one", key))
        said = SETTINGS.format(issuer=FOREIGN, audience=FOR_US, url=server.url, tenant=DEFAULT_TENANT_ID)
        (tmp_path / "settings.toml").write_text(said)
        async with olympus_on(tmp_path, olympus_url, valkey.url, store_prefix) as olympus:
            yield Visit(olympus, key)


async def test_a_foreign_user_may_what_is_for_those_signed_in(visit: Visit) -> None:
    """And what the roles they have here allow; a role that is not mapped allows nothing, a strange tenant is out."""
    olympus = visit.olympus
    roles = "/api/v1/roles"

    statuses = [
        await status_of(olympus, visit.token(), OWN),
        await status_of(olympus, visit.token(), roles),
        await status_of(olympus, visit.token("admin"), roles),
        await status_of(olympus, visit.token("boss"), roles),
        await status_of(olympus, visit.token("boss", org="evil"), OWN),
    ]

    assert statuses == [200, 403, 403, 200, 401]


async def test_a_foreign_token_signs_out(visit: Visit) -> None:
    """It is of no use any more, and its socket closes; another token of the same user goes on."""
    token, other = visit.token(), visit.token()
    async with talking(visit.olympus.running.port, authorization=f"Bearer {token}") as talker:
        left = await visit.olympus.client().delete("/api/session", bearer(token))
        code = await talker.closed()

    assert talker.hello["user"] == {"id": foreign_user_id(FOREIGN, "auth|7"), "name": ""}
    assert (left.status, code) == (204, 4501)
    assert [await status_of(visit.olympus, each, OWN) for each in (token, other)] == [401, 200]


async def test_a_foreign_token_is_inspected(visit: Visit) -> None:
    """Its issuer is named, and its user is the one that calls here."""
    hera = await visit.olympus.admin()

    answer = await hera.client.post("/api/token/inspect", {"token": visit.token()})

    assert (answer.json["active"], answer.json["iss"]) == (True, FOREIGN)
    assert answer.json["sub"] == foreign_user_id(FOREIGN, "auth|7")
    assert answer.json["tenant_id"] == DEFAULT_TENANT_ID


async def test_a_foreign_user_has_no_account_here(visit: Visit) -> None:
    """What is done with an account is not found, and what would belong to one is refused: never a defect."""
    client, headers = visit.olympus.client(), bearer(visit.token())

    answers = [
        await client.get("/api/me", headers),
        await client.post("/api/user", {"name": "Eve Else"}, headers),
        await client.put("/api/message", {"body": "Hello"}, headers),
        await client.get(OWN, headers),
    ]

    assert [answer.status for answer in answers] == [404, 404, 409, 200]
