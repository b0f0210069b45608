"""The rules that come with Antiphon, and how callers are identified for them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from antiphon.core.access import all_of, allow, require
from antiphon.core.caller import ANONYMOUS, SYSTEM, Caller
from antiphon.core.errors import Forbidden, NotSignedIn
from antiphon.services.rules import admin, role, signed_in
from antiphon.stores.base import Store
from tests.services.identity_stage import ALICE, BOB, Browser, Stage, staged

ADMIN = Caller("user", "root", roles=frozenset({"admin"}))


@pytest.fixture
async def stage(store: Store) -> AsyncIterator[Stage]:
    """Callers to ask about."""
    async with staged(store) as opened:
        yield opened


@pytest.mark.parametrize(("caller", "granted"), [(ANONYMOUS, False), (BOB, True), (ADMIN, True), (SYSTEM, True)])
async def test_signed_in_is_whoever_we_know(stage: Stage, caller: Caller, *, granted: bool) -> None:
    """Users and the system, and no anonymous caller."""
    assert (await stage.asks(signed_in, caller))[0] is granted


@pytest.mark.parametrize(("caller", "granted"), [(ANONYMOUS, False), (BOB, False), (ADMIN, True), (SYSTEM, True)])
async def test_admin_is_whoever_holds_that_role(stage: Stage, caller: Caller, *, granted: bool) -> None:
    """Admins and the system."""
    assert (await stage.asks(admin, caller))[0] is granted


@pytest.mark.parametrize(
    ("caller", "granted"), [(ANONYMOUS, False), (BOB, False), (ALICE, True), (ADMIN, False), (SYSTEM, True)]
)
async def test_a_role_is_asked_for_by_name(stage: Stage, caller: Caller, *, granted: bool) -> None:
    """Only who holds this very role, and the system; an admin is no editor."""
    assert (await stage.asks(role("editor"), caller))[0] is granted


async def test_a_refusal_has_a_reason(stage: Stage) -> None:
    """The log learns what was missing and what was there."""
    assert await stage.asks(signed_in, ANONYMOUS) == (False, "nobody is signed in")
    assert await stage.asks(admin, ANONYMOUS) == (False, "nobody is signed in")
    assert await stage.asks(admin, BOB) == (False, "the role admin is missing; held: none")
    assert await stage.asks(role("chair"), ALICE) == (False, "the role chair is missing; held: editor")


def test_rules_have_the_names_that_logs_show() -> None:
    """A rule is called what one writes in allow(...)."""
    assert allow(signed_in, admin, role("editor")).summary == "signed_in or admin or role(editor)"


def test_a_role_needs_a_name() -> None:
    """An empty role is a mistake that is found at the start."""
    with pytest.raises(ValueError, match=r"role\('editor'\)"):
        role("")


async def test_rules_can_be_joined(stage: Stage) -> None:
    """all_of(...) wants every one."""
    both = all_of(signed_in, role("editor"))

    assert [(await stage.asks(both, caller))[0] for caller in (ANONYMOUS, BOB, ALICE)] == [False, False, True]


async def test_a_refused_caller_is_told_whether_to_sign_in(stage: Stage) -> None:
    """Who is unknown is asked to sign in; who is known and may not, is told so."""
    with pytest.raises(NotSignedIn):
        await require(admin, stage.context(Browser()))
    with pytest.raises(Forbidden):
        await require(admin, stage.context(await stage.sign_in(BOB)))


async def test_a_rule_asks_the_session(stage: Stage) -> None:
    """Who has signed in is known to the rules of the next call, with roles."""
    browser = await stage.sign_in(ALICE)

    assert (await role("editor")(stage.context(browser))).granted
    assert not (await admin(stage.context(browser))).granted


async def test_an_unverifiable_token_makes_the_caller_anonymous(stage: Stage) -> None:
    """A token beside a valid cookie is not saved by the cookie."""
    token = (await stage.sign_in(ALICE)).held

    assert (await signed_in(stage.context(Browser(token)))).granted
    assert not (await signed_in(stage.context(Browser(token, bearer="")))).granted
