"""What accounts leave in the audit log of Olympus, and that the log can be verified."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, select

from antiphon import Database
from antiphon.services.audit.tables import audit_log
from tests.olympus_stage import PASSWORD, Olympus


async def outcomes(olympus: Olympus, action: str) -> list[tuple[str, str, str]]:
    """Actor, object and outcome of the rows of one action."""
    database = olympus.running.runtime.require(Database, "the test")
    async with database.transaction() as work:
        rows = await work.execute(select(audit_log).where(audit_log.c.action == action).order_by(audit_log.c.seq))
        return [(row.actor, row.object, row.outcome) for row in rows.all()]


async def change(olympus: Olympus, what: str, user_id: str, role: str, *, by: str) -> Any:
    """Grant or revoke at the command line."""
    return await olympus.running.command(what, "--user-id", user_id, "--role", role, "--as", by)


async def test_roles_that_are_given_and_taken_are_recorded(olympus_anywhere: Olympus) -> None:
    """Who gave and took which role, and to whom; taking what is not held changes nothing and leaves no row."""
    ada = await olympus_anywhere.person("Ada")

    for what in ("role:grant", "role:revoke", "role:revoke"):
        await change(olympus_anywhere, what, ada.id, "staff", by="system")

    assert await outcomes(olympus_anywhere, "role:grant") == [("system", f"{ada.id} staff", "granted")]
    assert await outcomes(olympus_anywhere, "role:revoke") == [("system", f"{ada.id} staff", "revoked")]


async def test_a_role_that_was_refused_is_recorded(olympus_anywhere: Olympus) -> None:
    """Whoever gives what they do not hold is on record, though nothing was changed."""
    ada, otto = await olympus_anywhere.person("Ada"), await olympus_anywhere.holder("owner", "Otto")

    refused = await change(olympus_anywhere, "role:grant", ada.id, "admin", by=otto.id)

    assert refused.code == 4
    assert (otto.id, "admin", "refused") in await outcomes(olympus_anywhere, "role:grant")


async def test_signing_in_and_out_is_recorded(olympus_anywhere: Olympus) -> None:
    """A sign-in names the user, and so do the failures before it; nothing says what was typed."""
    ada = await olympus_anywhere.person("Ada", signed_in=False)

    wrong = await ada.client.put("/api/session", {"email": ada.email, "password": "wrong " + PASSWORD})
    unknown = await ada.client.put("/api/session", {"email": "nobody@example.com", "password": PASSWORD})
    await olympus_anywhere.sign_in(ada)
    await ada.client.delete("/api/session")

    assert (wrong.status, unknown.status) == (401, 401)
    assert await outcomes(olympus_anywhere, "session:create") == [
        ("anonymous", ada.id, "failed"),
        ("anonymous", "", "failed"),
        (ada.id, ada.id, "signed in"),
    ]
    assert await outcomes(olympus_anywhere, "session:destroy") == [(ada.id, ada.id, "signed out")]


async def test_an_admin_verifies_the_log(olympus: Olympus) -> None:
    """`audit:verify` says that every row is in its place, and where it is not once a row is gone."""
    await olympus.person("Ada")
    await olympus.person("Bob")
    intact = await olympus.running.command("audit:verify", "--as", "system")

    database = olympus.running.runtime.require(Database, "the test")
    async with database.transaction(write=True) as work:
        await work.execute(delete(audit_log).where(audit_log.c.seq == 2))
    broken = await olympus.running.command("audit:verify", "--as", "system")

    assert (intact.result["intact"], intact.result["rows"], intact.result["brokenAt"]) == (True, 2, None)
    assert (broken.result["intact"], broken.result["brokenAt"]) == (False, 2)
