"""How far the statements of a unit of work reach: which rows they stay within, and who hears when they leave them."""

#     scope of the call     tables with tenants              tables with an owner
#     none, `tenant`        rows of the tenant               –
#     `own`                 rows of the tenant               rows of the caller
#     `any`                 every row, until the call says   –
#                           `ctx.as_tenant(id)`
#
# What is added always belongs to the tenant, and under `own` to the caller, in every scope.

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

from antiphon.services.database.columns import Id

EVERYBODY = "*"
"""How it is said that every row is in reach."""


class Rows(NamedTuple):
    """The rows that statements stay within: of this tenant; of this owner, unless that is None; or of everybody."""

    tenant_id: str = ""
    owner_id: str | None = None
    everybody: bool = False

    @property
    def wall(self) -> str:
        """How the database is told whose rows these are, where it asks (see `row_security`)."""
        if self.everybody:
            return EVERYBODY
        return str(UUID(self.tenant_id)) if Id.fits(self.tenant_id) else ""


NO_ROWS = Rows()
"""Those of no tenant: statements over tables with tenants are refused, unless they are unscoped."""


def _nobody(reason: str) -> None:
    """Outside of a call there is no caller to hold to account."""


class Reach(NamedTuple):
    """`rows` gives the rows of now; `unscoped` is told why somebody looks beyond a tenant."""

    rows: Callable[[], Rows] = lambda: NO_ROWS
    unscoped: Callable[[str], None] = _nobody

    @classmethod
    def within(cls, tenant_id: str, unscoped: Callable[[str], None] = _nobody) -> Reach:
        """The rows of one tenant; of none when it is empty."""
        rows = Rows(tenant_id)
        return cls(lambda: rows, unscoped)


NOWHERE = Reach()
"""No tenant at all."""
