"""The algebra of permissions: what covers what, the widest scope, and roles that hold other roles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.caller import ANONYMOUS, SYSTEM, Caller
from antiphon.core.errors import SetupError
from antiphon.services.access.permissions import WIDTHS, Permission, Permissions, Scope, narrower, read_right
from antiphon.services.access.roles import Role, Roles

RESOURCES, ACTIONS = ("order", "user"), ("edit", "view")
SCOPES: tuple[Scope, ...] = ("own", "tenant", "any")

words = st.sampled_from((*RESOURCES, "*")), st.sampled_from((*ACTIONS, "*"))
permissions = st.builds(Permission, *words, st.sampled_from(SCOPES))
sets = st.frozensets(permissions, max_size=5).map(Permissions)
rights = st.tuples(st.sampled_from(RESOURCES), st.sampled_from(ACTIONS))


@given(permissions)
def test_a_permission_covers_itself(one: Permission) -> None:
    """Whoever holds a permission holds at least that."""
    assert one.covers(one)


@given(permissions, permissions, permissions)
def test_covering_goes_through(one: Permission, two: Permission, three: Permission) -> None:
    """What covers something covers all that this covers."""
    assert one.covers(three) or not (one.covers(two) and two.covers(three))


@given(permissions, permissions, rights)
def test_what_covers_grants_at_least_as_much(wide: Permission, narrow: Permission, right: tuple[str, str]) -> None:
    """A permission that covers another never allows less than it."""
    if wide.covers(narrow):
        given_wide, given_narrow = Permissions([wide]).widest(*right), Permissions([narrow]).widest(*right)
        assert WIDTHS[given_wide] >= WIDTHS[given_narrow]


@given(sets, sets, rights)
def test_more_permissions_never_allow_less(some: Permissions, others: Permissions, right: tuple[str, str]) -> None:
    """The widest scope of two sets together is the wider of the two."""
    together = Permissions(some | others).widest(*right)

    assert WIDTHS[together] == max(WIDTHS[some.widest(*right)], WIDTHS[others.widest(*right)])


@given(sets, sets, rights)
def test_a_set_that_covers_another_allows_all_of_it(
    some: Permissions, others: Permissions, right: tuple[str, str]
) -> None:
    """Who may pass on a set of permissions may do everything that it allows."""
    if some.cover(others):
        assert WIDTHS[some.widest(*right)] >= WIDTHS[others.widest(*right)]


@given(sets, sets, rights)
def test_a_key_allows_no_more_than_its_user_and_itself(
    of_user: Permissions, of_key: Permissions, right: tuple[str, str]
) -> None:
    """With an API key a call has the narrower of what the user and the key hold, whichever way it is asked."""
    roles = Roles(Role("some", [*map(str, of_user)]))
    caller = Caller("user", "ada", roles=frozenset({"some"}), via="key", permissions=frozenset(map(str, of_key)))

    scope = roles.widest(caller, *right)

    assert scope == narrower(of_user.widest(*right), of_key.widest(*right))
    assert scope == roles.held_by(caller).widest(*right)


@given(st.dictionaries(st.sampled_from("abcd"), st.tuples(sets, st.sets(st.sampled_from("abcd"))), max_size=4), rights)
def test_a_role_holds_what_it_includes(
    declared: dict[str, tuple[Permissions, set[str]]], right: tuple[str, str]
) -> None:
    """A role allows what each role that it includes allows; a circle or an unknown name stops the start."""
    try:
        roles = Roles(*(Role(name, [*map(str, own)], sorted(more)) for name, (own, more) in declared.items()))
    except SetupError:
        return
    for name, (own, more) in declared.items():
        whole = roles.of(frozenset({name}))
        assert whole >= own
        assert all(whole >= roles.of(frozenset({other})) for other in more)
        best = max((WIDTHS[roles.of(frozenset({each})).widest(*right)] for each in more), default=0)
        assert WIDTHS[whole.widest(*right)] == max(best, WIDTHS[own.widest(*right)])


@given(st.dictionaries(st.sampled_from("abcd"), st.sets(st.sampled_from("abcd")), min_size=1, max_size=4))
def test_only_a_hierarchy_is_taken(includes: dict[str, set[str]]) -> None:
    """Roles are refused exactly when they name an unknown one or go round in a circle."""

    def reaches(start: str, goal: str, seen: frozenset[str] = frozenset()) -> bool:
        found = includes.get(start, set())
        return goal in found or any(reaches(each, goal, seen | {start}) for each in found - seen - {start})

    wrong = any(name not in includes for names in includes.values() for name in names)
    wrong = wrong or any(reaches(name, name) for name in includes)

    try:
        Roles(*(Role(name, includes=sorted(names)) for name, names in includes.items()))
    except SetupError:
        assert wrong
    else:
        assert not wrong


@pytest.mark.parametrize(
    "text", ["order", "order:edit", "order:edit:all", "Order:edit:own", "order:*:*", ":edit:own", ""]
)
def test_what_is_no_permission_is_refused(text: str) -> None:
    """The start says what to write instead."""
    with pytest.raises(SetupError, match="resource:action:scope"):
        Permission.read(text)


@pytest.mark.parametrize("text", ["order", "order:*", "*:edit", "order:edit:own", "Order:Edit", ""])
def test_a_right_to_ask_for_is_exact(text: str) -> None:
    """`can()` takes neither a scope nor a wildcard."""
    with pytest.raises(ValueError, match="resource:action"):
        read_right(text)


def test_every_fault_of_the_roles_is_named_at_once() -> None:
    """Repeated names, permissions that are none and unknown roles come in one error."""
    with pytest.raises(SetupError) as raised:
        Roles(Role("a", ["x"], ["nobody"]), Role("a", ["order:edit"]))

    assert len(raised.value.problems) == 4


def test_a_circle_is_written_out() -> None:
    """The error shows the way round."""
    with pytest.raises(SetupError, match="a → b → a"):
        Roles(Role("a", includes=["b"]), Role("b", includes=["a"]))


def test_there_is_always_an_admin() -> None:
    """An application that declares no roles has one that may do everything."""
    root = Caller("user", "root", roles=frozenset({"admin"}))

    assert (Roles().widest(root, "order", "edit"), Roles().names) == ("any", ["admin"])


def test_the_system_may_do_everything_and_strangers_nothing() -> None:
    """Neither of them holds a role."""
    assert [Roles().widest(caller, "order", "edit") for caller in (SYSTEM, ANONYMOUS)] == ["any", ""]


def test_a_role_that_is_gone_grants_nothing() -> None:
    """A user may hold a role that the next version no longer declares."""
    assert Roles().widest(Caller("user", "ada", roles=frozenset({"editor"})), "order", "edit") == ""


def test_a_permission_that_a_key_kept_and_nobody_understands_grants_nothing() -> None:
    """What was written by another version is no reason to fail, and none to let in."""
    key = Caller(
        "user", "a", roles=frozenset({"admin"}), via="key", permissions=frozenset({"order:edit", "user:view:own"})
    )

    assert [Roles().widest(key, *right) for right in (("order", "edit"), ("user", "view"))] == ["", "own"]
