"""What a call says about tenants: how it enters one, the facts that the audit log reads, and who finds them by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

from antiphon.core.audit import Refused
from antiphon.core.errors import NotFound

if TYPE_CHECKING:
    from antiphon.core.context import Context


class TenantEntered:
    """A fact: the call works within a tenant that is not its caller's own."""

    __slots__ = ("tenant_id",)

    def __init__(self, tenant_id: str) -> None:
        self.tenant_id = tenant_id


class Unscoped:
    """A fact: the call looks beyond its tenant, for this reason."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


def enter_tenant(ctx: Context, tenant_id: str) -> None:
    """Work within this tenant from here on (`ctx.as_tenant`). Raises NotFound for one that is out of reach."""
    if not tenant_id or tenant_id != ctx.caller.tenant_id:
        reaches_all = ctx.caller.kind == "system" or (ctx.caller.signed_in and ctx.scope == "any")
        if not tenant_id or not reaches_all:
            ctx.tell(Refused("another tenant"))
            raise NotFound
        ctx.tell(TenantEntered(tenant_id))
        ctx.become(msgspec.structs.replace(ctx.caller, tenant_id=tenant_id))
    ctx.outermost.in_tenant = True


@runtime_checkable
class TenantDirectory(Protocol):
    """Finds a tenant for `--tenant`: what the accounts of an application fulfil."""

    async def find_tenant(self, which: str) -> str | None:
        """The id of the tenant with this id or name, or None."""
        ...
