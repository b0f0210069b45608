"""Who makes a call: a value that rules look at and logs name."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

import msgspec

type CallerKind = Literal["anonymous", "user", "system"]


class Caller(msgspec.Struct, frozen=True):
    """Who makes a call. `id` is the user's id; the system and anonymous callers have none."""

    kind: CallerKind = "anonymous"
    id: str = ""
    tenant_id: str = ""
    roles: frozenset[str] = frozenset()

    @property
    def signed_in(self) -> bool:
        """Whether we know who this is."""
        return self.kind != "anonymous"

    def has_role(self, name: str) -> bool:
        """Whether the caller holds a role. The system holds every one."""
        return self.kind == "system" or name in self.roles


ANONYMOUS = Caller()
"""The caller of whom nothing is known."""

SYSTEM = Caller(kind="system")
"""The application itself: scheduled work, and an operator at the command line."""


@runtime_checkable
class Directory(Protocol):
    """Finds a user for `--as`: what the accounts of an application fulfil."""

    async def find_caller(self, who: str) -> Caller | None:
        """The user with this id or email, or None."""
        ...
