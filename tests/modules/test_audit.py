"""What Olympus leaves in its audit log: a row for each kind of thing, and nothing that is a secret."""

from __future__ import annotations

from typing import Any

import pytest

from tests.modules.audit_kinds import KINDS, SESSION, Cast, fits, log
from tests.modules.identity_people import bearer, refreshed, with_tokens
from tests.modules.mails_stage import ASK, confirmed, mailed
from tests.olympus_stage import PASSWORD, Olympus


async def outcomes(olympus: Olympus, action: str) -> list[tuple[str, str, str]]:
    """Actor, object and outcome of the rows of one action, but for where it looked beyond a tenant."""
    rows = [row for row in await log(olympus) if row.action == action and row.outcome != "unscoped"]
    return [(row.actor, row.object, row.outcome) for row in rows]


@pytest.mark.parametrize("theme", KINDS)
async def test_each_kind_is_recorded(olympus_anywhere: Olympus, theme: str) -> None:
    """Sign-ins and what fails there, keys, tenants, users, refusals, limits, purges: each leaves a row of its own."""
    hera, missing = await olympus_anywhere.admin(), dict[str, object]()
    for number, (kind, (deed, expected)) in enumerate(KINDS[theme].items()):
        cast = Cast(number, olympus_anywhere, await olympus_anywhere.person(f"Ada {number}"), hera)
        before = len(await log(olympus_anywhere))

        await deed(cast)

        rows = (await log(olympus_anywhere))[before:]
        if not any(fits(row, expected, cast) for row in rows):
            missing[kind] = [tuple(row) for row in rows]
    assert missing == {}


async def test_a_new_password_by_mail_is_recorded(olympus_anywhere: Olympus) -> None:
    """Whose password was reset is on record; a token that is of no use is a refusal."""
    ada = await olympus_anywhere.person("Ada")
    token = await mailed(olympus_anywhere, ada)

    await confirmed(olympus_anywhere, token)
    await confirmed(olympus_anywhere, token)

    assert await outcomes(olympus_anywhere, "reset:confirm") == [
        ("anonymous", ada.id, "password reset"),
        ("anonymous", "", "refused"),
    ]


async def change(olympus: Olympus, what: str, user_id: str, role: str, *, by: str) -> Any:
    """Grant or revoke at the command line."""
    return await olympus.running.command(what, "--user-id", user_id, "--role", role, "--as", by)


async def test_roles_that_are_given_and_taken_are_recorded(olympus_anywhere: Olympus) -> None:
    """Who gave and took which role, and to whom; taking what is not held changes nothing, and is on record as asked."""
    ada = await olympus_anywhere.person("Ada")

    for what in ("role:grant", "role:revoke", "role:revoke"):
        await change(olympus_anywhere, what, ada.id, "staff", by="system")

    assert await outcomes(olympus_anywhere, "role:grant") == [("system", f"{ada.id} staff", "granted")]
    assert await outcomes(olympus_anywhere, "role:revoke") == [
        ("system", f"{ada.id} staff", "revoked"),
        ("system", f"{ada.id} staff", "done"),
    ]


async def test_a_role_that_was_refused_is_recorded(olympus_anywhere: Olympus) -> None:
    """Whoever gives what they do not hold is on record, though nothing was changed."""
    ada, otto = await olympus_anywhere.person("Ada"), await olympus_anywhere.holder("owner", "Otto")

    refused = await change(olympus_anywhere, "role:grant", ada.id, "admin", by=otto.id)

    assert refused.code == 4
    assert (otto.id, "admin", "refused") in await outcomes(olympus_anywhere, "role:grant")


async def test_signing_in_and_out_is_recorded(olympus_anywhere: Olympus) -> None:
    """A sign-in names the user, and so do the failures before it; nothing says what was typed."""
    ada = await olympus_anywhere.person("Ada", signed_in=False)

    wrong = await ada.client.put(SESSION, {"email": ada.email, "password": "wrong " + PASSWORD})
    unknown = await ada.client.put(SESSION, {"email": "nobody@example.com", "password": PASSWORD})
    await olympus_anywhere.sign_in(ada)
    await ada.client.delete(SESSION)

    assert (wrong.status, unknown.status) == (401, 401)
    assert await outcomes(olympus_anywhere, "session:create") == [
        ("anonymous", ada.id, "failed"),
        ("anonymous", "", "failed"),
        (ada.id, ada.id, "signed in"),
    ]
    assert await outcomes(olympus_anywhere, "session:destroy") == [(ada.id, ada.id, "signed out")]


async def test_a_flood_of_refusals_is_two_rows(olympus: Olympus) -> None:
    """The first refusal of a minute has a row, and those after it are counted in one more."""
    ada = await olympus.person("Ada")

    for _ in range(20):
        await ada.client.get("/api/v1/tenants")

    rows = [row for row in await log(olympus) if row.action == "tenants:list"]
    assert [(row.actor, row.outcome, row.times) for row in rows] == [(ada.id, "refused", 1), (ada.id, "refused", 19)]


async def test_no_row_holds_a_secret(olympus_anywhere: Olympus) -> None:
    """Not a password, a token, a key or a name that nobody has, whatever became of the calls that carried them."""
    planted, olympus = "planted-in-the-audit-log", olympus_anywhere
    ada, hera = await olympus.holder("customer", "Ada"), await olympus.admin()
    tokens = await with_tokens(olympus, ada)
    made = await ada.client.put("/api/key", {"name": planted, "permissions": ["task:*:own"]})
    reset = await mailed(olympus, ada)

    for body in ({"email": f"{planted}@example.com", "password": planted}, {"email": ada.email, "password": planted}):
        await olympus.client().put(SESSION, body, {"User-Agent": planted, "X-Request-Id": "one"})
    await olympus.client().post(ASK, {"email": f"{planted}@example.com"})
    await refreshed(olympus, planted)
    await refreshed(olympus, tokens["refreshToken"])
    await olympus.client().get("/api/v1/tenants", bearer(tokens["accessToken"]))
    await olympus.client().get("/api/v1/tenants", bearer(made.json["key"]))
    await hera.client.post("/api/token/inspect", {"token": planted})
    await hera.client.post(f"/api/v1/tenants/{planted}/disable")
    await confirmed(olympus, reset, planted + " and more")

    text = "\n".join(str(tuple(row)) for row in await log(olympus))
    secrets = (planted, PASSWORD, reset.reveal(), made.json["key"], *(str(each) for each in tokens.values()))
    assert [secret for secret in secrets if secret in text] == []


async def test_admins_list_the_log_in_pages(olympus_anywhere: Olympus) -> None:
    """The newest first, each row once, under the filters that were given."""
    hera = await olympus_anywhere.admin()
    for number in range(5):
        await hera.client.post("/api/v1/tenants", {"name": f"choir-{number}"})

    path = f"/api/v1/audit?action=tenant:create&actor={hera.id}&outcome=done&limit=2"
    pages = [(await hera.client.get(path)).json]
    while pages[-1]["cursor"]:
        pages.append((await hera.client.get(f"{path}&cursor={pages[-1]['cursor']}")).json)

    seqs = [row["seq"] for page in pages for row in page["rows"]]
    assert [len(page["rows"]) for page in pages] == [2, 2, 1]
    assert seqs == sorted(set(seqs), reverse=True)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("action=tenant:create", 1),
        ("action=tenant:create&actor=nobody", 0),
        ("action=tenant:create&outcome=refused", 0),
        ("action=tenant:create&tenant=nowhere", 0),
        ("action=tenant:create&since=2020-01-01T00:00:00Z&until=2100-01-01T00:00:00Z", 1),
        ("action=tenant:create&until=2020-01-01T00:00:00Z", 0),
        ("action=tenant:create&since=2100-01-01T00:00:00Z", 0),
    ],
)
async def test_the_log_is_filtered(olympus: Olympus, query: str, found: int) -> None:
    """By action, actor, outcome, tenant and time, all of them together."""
    hera = await olympus.admin()
    await hera.client.post("/api/v1/tenants", {"name": "choir"})

    page = (await hera.client.get(f"/api/v1/audit?{query}")).json

    assert len(page["rows"]) == found


@pytest.mark.parametrize("query", ["limit=101", "limit=0", "cursor=x", "since=yesterday"])
async def test_a_list_that_cannot_be_is_refused(olympus: Olympus, query: str) -> None:
    """More than a page, a cursor that is none, a time that is none."""
    hera = await olympus.admin()

    assert (await hera.client.get(f"/api/v1/audit?{query}")).status == 422


async def test_a_cursor_belongs_to_its_filter(olympus: Olympus) -> None:
    """Under another filter it is no cursor."""
    hera = await olympus.admin()

    cursor = (await hera.client.get("/api/v1/audit?limit=1")).json["cursor"]
    other = await hera.client.get(f"/api/v1/audit?limit=1&outcome=refused&cursor={cursor}")

    assert cursor
    assert other.status == 422


async def test_an_admin_verifies_the_log(olympus_anywhere: Olympus) -> None:
    """`audit:verify` walks the whole log, and goes on where another walk has ended."""
    await olympus_anywhere.person("Ada")
    await olympus_anywhere.person("Bob")
    rows = len(await log(olympus_anywhere))

    whole = (await olympus_anywhere.running.command("audit:verify", "--as", "system")).result
    first = (await olympus_anywhere.running.command("audit:verify", "--rows", "1", "--as", "system")).result
    rest = await olympus_anywhere.running.command(
        "audit:verify", "--after", str(first["seq"]), "--hash", first["hash"], "--as", "system"
    )

    assert (whole["intact"], whole["complete"], whole["rows"], whole["brokenAt"]) == (True, True, rows, None)
    assert (first["intact"], first["complete"], first["rows"]) == (True, False, 1)
    assert (rest.result["intact"], rest.result["complete"], rest.result["rows"]) == (True, True, rows - 1)
    assert rest.result["hash"] == whole["hash"]


async def test_a_young_log_loses_nothing_to_the_purge(olympus_anywhere: Olympus) -> None:
    """`audit:purge` removes what is older than `audit.keep_time`, so of a young log nothing."""
    await olympus_anywhere.person("Ada")
    before = len(await log(olympus_anywhere))

    purged = await olympus_anywhere.running.command("audit:purge", "--as", "system")

    assert purged.result == {"rowsDeleted": 0}
    assert len(await log(olympus_anywhere)) >= before
