"""The rules that ask what a caller may do, and what is said when somebody asks why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import msgspec
import pytest

from antiphon.core.access import Rule, all_of, allow, require
from antiphon.core.action import action
from antiphon.core.caller import ANONYMOUS, SYSTEM, Caller
from antiphon.core.context import Context
from antiphon.core.errors import Forbidden, NotFound, NotSignedIn
from antiphon.core.session import CredentialShown
from antiphon.core.tenancy import TenantEntered
from antiphon.services.access.explain import explain
from antiphon.services.access.roles import Role, Roles
from antiphon.services.access.rules import by_key, can, fresh
from antiphon.services.rules import admin, role, signed_in
from antiphon.stores.base import Store
from tests.services.identity_stage import Browser, Stage, staged

ROLES = Roles(
    Role("customer", ["order:edit:own"]),
    Role("staff", ["order:edit:tenant"], ["customer"]),
    Role("boss", includes=["staff"]),
)
ADA = Caller("user", "ada", "choir", frozenset({"customer"}))
BOSS = Caller("user", "bo", "choir", frozenset({"boss"}))
ROOT = Caller("user", "root", "choir", frozenset({"admin"}))
KEY = msgspec.structs.replace(BOSS, via="key", permissions=frozenset({"order:*:own"}))


@action("order:edit", allow(all_of(signed_in, can("order:edit")), admin))
async def edit_order(ctx: Context) -> str:
    """Say how far the caller reaches."""
    return ctx.scope


@pytest.fixture
async def stage(store: Store) -> AsyncIterator[Stage]:
    """Callers to ask about, in an application with roles."""
    async with staged(store, values=[ROLES]) as opened:
        yield opened


async def scope_of(stage: Stage, rule: Rule, caller: Caller) -> str:
    """The scope that a rule grants, or an empty text."""
    return (await rule(stage.context(Browser(), caller))).scope


@pytest.mark.parametrize(
    ("caller", "scope"),
    [(ANONYMOUS, ""), (ADA, "own"), (BOSS, "tenant"), (ROOT, "any"), (SYSTEM, "any"), (KEY, "own")],
)
async def test_can_grants_the_widest_scope_that_is_held(stage: Stage, caller: Caller, scope: str) -> None:
    """Own, tenant or any, through whichever role; with a key no more than the key holds."""
    assert await scope_of(stage, can("order:edit"), caller) == scope


async def test_the_scope_becomes_that_of_the_call(stage: Stage) -> None:
    """An action finds in `ctx.scope` how far its caller reaches."""
    ctx = stage.context(Browser(), BOSS)

    await allow(can("order:edit")).admit(ctx)

    assert ctx.scope == "tenant"


async def test_a_refused_right_says_what_was_held(stage: Stage) -> None:
    """For the log; the caller hears only no."""
    assert await stage.asks(can("order:view"), BOSS) == (False, "no role allows order:view; held: boss")
    assert await stage.asks(can("order:view"), KEY) == (False, "no role allows order:view by this key; held: boss")
    assert await stage.asks(can("order:view"), ANONYMOUS) == (False, "nobody is signed in")


async def test_a_right_is_asked_for_inside_an_action_too(stage: Stage) -> None:
    """`require` raises for who may not, and gives the scope for who may."""
    assert (await require(can("order:edit"), stage.context(Browser(), BOSS))).scope == "tenant"
    with pytest.raises(Forbidden):
        await require(can("order:view"), stage.context(Browser(), BOSS))
    with pytest.raises(NotSignedIn):
        await require(can("order:view"), stage.context(Browser(), ANONYMOUS))


@pytest.mark.parametrize(("seconds", "granted"), [(0, True), (600, True), (601, False), (-1, False)])
async def test_fresh_is_who_has_proved_it_lately(stage: Stage, seconds: int, *, granted: bool) -> None:
    """Up to the age, and not beyond; a time to come proves nothing."""
    now = stage.context(Browser()).now
    caller = msgspec.structs.replace(ADA, proved_at=now - timedelta(seconds=seconds))

    assert (await stage.asks(fresh("10m"), caller))[0] is granted


@pytest.mark.parametrize(("caller", "granted"), [(ANONYMOUS, False), (ADA, False), (SYSTEM, True)])
async def test_fresh_is_nobody_of_whom_it_is_not_known(stage: Stage, caller: Caller, *, granted: bool) -> None:
    """Without a time there is no proof; the system needs none."""
    assert (await stage.asks(fresh("10m"), caller))[0] is granted


async def test_no_key_is_fresh(stage: Stage) -> None:
    """A key proves a program, and no person."""
    key = msgspec.structs.replace(KEY, proved_at=stage.context(Browser()).now)

    assert not (await stage.asks(fresh("10m"), key))[0]


async def test_an_unconfirmed_token_is_not_fresh(stage: Stage) -> None:
    """While the store cannot say whether a token was revoked, it opens nothing that must be sure."""
    ctx = stage.context(Browser())
    ctx.become(msgspec.structs.replace(ADA, proved_at=ctx.now))
    before = (await fresh("10m")(ctx)).granted
    ctx.tell(CredentialShown(ctx.now, confirmed=False))

    assert (before, (await fresh("10m")(ctx)).granted) == (True, False)


@pytest.mark.parametrize(("caller", "granted"), [(ANONYMOUS, False), (ADA, False), (KEY, True), (SYSTEM, False)])
async def test_by_key_is_who_shows_one(stage: Stage, caller: Caller, *, granted: bool) -> None:
    """Programs, and no person."""
    assert (await stage.asks(by_key, caller))[0] is granted


@pytest.mark.parametrize("rule", [role("boss"), admin])
async def test_a_key_holds_no_role(stage: Stage, rule: Rule) -> None:
    """A role is more than the permissions that were given to a key."""
    key = msgspec.structs.replace(KEY, roles=frozenset({"boss", "admin"}))

    assert await scope_of(stage, rule, key) == ""
    assert not (await stage.asks(rule, key))[0]


# Why


async def test_an_explanation_shows_every_rule_and_the_way_to_the_permission(stage: Stage) -> None:
    """Each part of a joined rule is there, with the roles that led to its permission, the widest first."""
    shown = await explain(stage.context(Browser(), ROOT), edit_order, BOSS)

    assert (shown.granted, shown.scope, shown.roles) == (True, "tenant", ["boss"])
    assert [(step.rule, step.granted) for step in shown.steps] == [
        ("all_of(signed_in, can(order:edit))", True),
        ("  signed_in", True),
        ("  can(order:edit)", True),
        ("admin", False),
    ]
    assert shown.steps[2].via == ["boss > staff: order:edit:tenant", "boss > staff > customer: order:edit:own"]
    assert shown.steps[3].reason == "the role admin is missing; held: boss"


# Tenants


async def test_the_system_says_which_tenant_it_works_in(stage: Stage) -> None:
    """It has none until then, and the log can read that it has one."""
    ctx = stage.context(Browser(), SYSTEM)

    ctx.as_tenant("choir")

    entered = ctx.told(TenantEntered)
    assert (ctx.caller.kind, ctx.caller.tenant_id) == ("system", "choir")
    assert entered is not None
    assert entered.tenant_id == "choir"


@pytest.mark.parametrize("scope", ["", "own", "tenant"])
async def test_another_tenant_looks_missing(stage: Stage, scope: str) -> None:
    """A tenant that an input names must be the caller's, or it is a NotFound; their own is no matter."""
    ctx = stage.context(Browser(), BOSS)
    ctx.scope = scope

    ctx.as_tenant("choir")
    with pytest.raises(NotFound):
        ctx.as_tenant("elsewhere")

    assert ctx.caller.tenant_id == "choir"


async def test_the_scope_any_reaches_another_tenant(stage: Stage) -> None:
    """Only with it may a user name another tenant, and it is told."""
    ctx = stage.context(Browser(), ROOT)
    ctx.scope = "any"

    ctx.as_tenant("elsewhere")

    assert ctx.caller.tenant_id == "elsewhere"
    assert ctx.told(TenantEntered) is not None


@pytest.mark.parametrize("caller", [ANONYMOUS, SYSTEM, ROOT])
async def test_no_tenant_is_none_to_work_in(stage: Stage, caller: Caller) -> None:
    """An empty name is refused to everybody."""
    with pytest.raises(NotFound):
        stage.context(Browser(), caller).as_tenant("")
