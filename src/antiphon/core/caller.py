"""Who makes a call: a value that rules look at and logs name."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

import msgspec

type CallerKind = Literal["anonymous", "user", "system"]

type Via = Literal["", "session", "token", "key"]
"""What a user showed: the cookie or ticket of a session, an access token, an API key; empty where nothing had to be."""


class Caller(msgspec.Struct, frozen=True):
    """Who makes a call. `id` is the user's id; the system and anonymous callers have none.

    `sid` names the sign-in that this comes from, the same on a session, its tokens and its sockets. `permissions` is
    None for those of the roles; an API key holds some of them, written `resource:action:scope`. `proved_at` is when the
    user last showed a password, and None when that is not known. `roles_version` counts the changes of the user's
    roles, and says which of them `roles` is.
    """

    kind: CallerKind = "anonymous"
    id: str = ""
    tenant_id: str = ""
    roles: frozenset[str] = frozenset()
    sid: str = ""
    via: Via = ""
    permissions: frozenset[str] | None = None
    proved_at: datetime | None = None
    roles_version: int = 0

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
