"""What the page about mails shows is run: Olympus with its listeners sends a token that makes an account."""

from __future__ import annotations

import sys
from pathlib import Path
from shutil import copyfile

import pytest

from antiphon import App, Http, Worker
from antiphon.modules import accounts, audit
from antiphon.testing.app import TestApp
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from olympus.roles import roles
from olympus.tables import schema
from tests.docs.test_howto import imported
from tests.olympus_stage import PASSWORD

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "mails-of-accounts.md"

pytestmark = pytest.mark.lasting_keys("{jobs.*", "{known}*", "{events.*}:log")


async def test_the_page_of_mails_works(
    tmp_path: Path, olympus_sqlite: Path, valkey: ValkeyServer, store_prefix: str
) -> None:
    """Somebody signs up, confirms what the mail says, is told when their address is given again, and has a reset."""
    code = PAGE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    (tmp_path / "mails_of_the_page.py").write_text(f"from __future__ import annotations\n\n{code}", encoding="utf-8")
    mails = imported("mails_of_the_page", tmp_path)
    mailer = mails.Mailer()
    app = App(
        "shop",
        modules=[accounts, audit, mails.__name__],
        transports=[Http(), Worker()],
        values=[schema, roles, mailer],
    )
    copyfile(olympus_sqlite, tmp_path / "test.db")
    environ = {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'test.db'}",
        "REDIS_URL": valkey.url,
        "REDIS_PREFIX": store_prefix,
        "ACCOUNTS_CONFIRM_EMAIL": "true",
        "WORKER_SCHEDULES": "false",
    }
    ada = {"name": "Ada", "email": "ada@example.com", "password": PASSWORD}
    async with TestApp.start(app, tmp_path, environ) as running:

        async def token(number: int) -> str:
            await wait_until(lambda: len(mailer.sent) >= number, "the mail was never sent", within=15.0)
            return mailer.sent[number - 1][1].rsplit(" ", 1)[1]

        client = running.client()
        await client.put("/api/user", ada)
        confirmed = await client.post("/api/email/confirm", {"token": await token(1), "password": PASSWORD})
        await client.put("/api/user", ada)
        told = await token(2)
        await client.post("/api/password/reset", {"email": ada["email"]})
        new = {"token": await token(3), "password": "a quiet harbour, before the storm"}
        reset = await client.post("/api/password/reset/confirm", new)
    sys.modules.pop("mails_of_the_page")

    assert (confirmed.status, told, reset.status) == (204, "you?", 204)
    assert {to for to, _ in mailer.sent} == {ada["email"]}
