"""Cursors: good for the list that gave them, and for no other."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon.core.caller import Caller
from antiphon.core.errors import InvalidInput
from antiphon.core.secrets import Secret
from antiphon.services.identity import Cursors, RootSecret
from antiphon.stores.base import Store
from tests.services.identity_stage import ALICE, Browser, Stage, staged

ROOT = RootSecret(Secret("a first secret that is long enough"))
PLACE = "mail\ndead 17"
FILTERS = ("mail", "dead", None, 0.5)
ELSEWHERE = msgspec.structs.replace(ALICE, tenant_id="orchestra")


@pytest.fixture
async def stage(store: Store) -> AsyncIterator[Stage]:
    """An application whose calls ask for pages."""
    async with staged(store) as opened:
        yield opened


def cursors(stage: Stage, caller: Caller = ALICE, *, action: str = "jobs:list", root: RootSecret = ROOT) -> Cursors:
    """The cursors of a call."""
    ctx = stage.context(Browser(), caller)
    ctx.action_name = action
    return Cursors(ctx, root)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.text(max_size=200))
async def test_a_cursor_leads_back_to_its_place(stage: Stage, place: str) -> None:
    """In another call of the same action, tenant and filter; the beginning and the end are empty."""
    signed = cursors(stage).sign(place, *FILTERS)

    assert cursors(stage).read(signed, *FILTERS) == place
    assert bool(signed) is bool(place)


@pytest.mark.parametrize(
    ("caller", "action", "filters"),
    [
        (ELSEWHERE, "jobs:list", FILTERS),
        (ALICE, "events:list", FILTERS),
        (ALICE, "jobs:list", ("mail", "dead", None, 0.25)),
        (ALICE, "jobs:list", ("mail", "dead", None)),
        (ALICE, "jobs:list", ("maildead", "", None, 0.5)),
        (ALICE, "jobs:list", ()),
    ],
    ids=["tenant", "action", "value", "fewer", "shifted", "none"],
)
async def test_a_cursor_is_good_for_nothing_else(
    stage: Stage, caller: Caller, action: str, filters: tuple[object, ...]
) -> None:
    """One from another tenant, action or filter is an InvalidInput that names the input."""
    signed = cursors(stage).sign(PLACE, *FILTERS)

    with pytest.raises(InvalidInput) as caught:
        cursors(stage, caller, action=action).read(signed, *filters)

    assert [fault.name for fault in caught.value.fields] == ["cursor"]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1, max_size=80) | st.binary(min_size=1).map(bytes.hex))
async def test_what_was_never_given_is_refused(stage: Stage, text: str) -> None:
    """Any other text is an InvalidInput."""
    with pytest.raises(InvalidInput):
        cursors(stage).read(text, *FILTERS)


async def test_a_changed_cursor_is_refused(stage: Stage) -> None:
    """Whichever of its characters is another one; the last holds bits that no byte needs."""
    signed = cursors(stage).sign(PLACE, *FILTERS)
    for at in range(len(signed) - 1):
        changed = signed[:at] + ("A" if signed[at] != "A" else "B") + signed[at + 1 :]
        with pytest.raises(InvalidInput):
            cursors(stage).read(changed, *FILTERS)


async def test_changing_the_secret_interrupts_nobody(stage: Stage) -> None:
    """What was signed under the secret before is read while that is known, and not after."""
    signed, after = cursors(stage).sign(PLACE), Secret("a second secret that is long enough")

    assert cursors(stage, root=RootSecret(after, Secret("a first secret that is long enough"))).read(signed) == PLACE
    with pytest.raises(InvalidInput):
        cursors(stage, root=RootSecret(after)).read(signed)
