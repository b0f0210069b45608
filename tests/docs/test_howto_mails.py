"""What the page about mails shows is run: Olympus with its listeners sends a token that makes an account."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon import App, Http, Worker
from antiphon.modules import accounts, audit
from antiphon.testing.app import TestApp
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from olympus.roles import roles
from olympus.tables import schema
from tests.docs.howto_stage import program_of
from tests.olympus_stage import PASSWORD

pytestmark = pytest.mark.lasting_keys("{jobs.*", "{known}*", "{events.*}:log")


async def test_the_page_of_mails_works(
    tmp_path: Path, olympus_url: str, valkey: ValkeyServer, store_prefix: str
) -> None:
    """Somebody signs up, confirms what the mail says, is told when their address is given again, and has a reset."""
    environ = {
        "DATABASE_URL": olympus_url,
        "REDIS_URL": valkey.url,
        "REDIS_PREFIX": store_prefix,
        "ACCOUNTS_CONFIRM_EMAIL": "true",
        "WORKER_SCHEDULES": "false",
    }
    ada = {"name": "Ada", "email": "ada@example.com", "password": PASSWORD}
    with program_of("mails-of-accounts", tmp_path) as mails:
        mailer = mails.Mailer()
        app = App(
            "shop",
            modules=[accounts, audit, mails.__name__],
            transports=[Http(), Worker()],
            values=[schema, roles, mailer],
        )

        async def token(number: int) -> str:
            await wait_until(lambda: len(mailer.sent) >= number, "the mail was never sent", within=15.0)
            return mailer.sent[number - 1][1].rsplit(" ", 1)[1]

        async with TestApp.start(app, tmp_path, environ) as running:
            client = running.client()
            await client.put("/api/user", ada)
            confirmed = await client.post("/api/email/confirm", {"token": await token(1), "password": PASSWORD})
            await client.put("/api/user", ada)
            told = await token(2)
            await client.post("/api/password/reset", {"email": ada["email"]})
            new = {"token": await token(3), "password": "a quiet harbour, before the storm"}
            reset = await client.post("/api/password/reset/confirm", new)

    assert (confirmed.status, told, reset.status) == (204, "you?", 204)
    assert {to for to, _ in mailer.sent} == {ada["email"]}
