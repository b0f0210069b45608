"""What a call says about tenants: facts that the audit log reads, and who finds them by name."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


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


@runtime_checkable
class TenantDirectory(Protocol):
    """Finds a tenant for `--tenant`: what the accounts of an application fulfil."""

    async def find_tenant(self, which: str) -> str | None:
        """The id of the tenant with this id or name, or None."""
        ...
