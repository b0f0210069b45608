"""What a call says for the record: who did what to whom, and how it ended."""

from __future__ import annotations

from typing import Protocol


class Audit(Protocol):
    """The record of one call, found with `ctx.get(Audit)`.

    A row has the time, the caller, their tenant, the action, what it was done to, the outcome, the address and the id
    of the request. `about` is an id or a few words of ours, never a secret, and nothing that a caller wrote. `actor` is
    for who is not signed in yet, such as whoever is just signing in; empty means the caller.
    """

    def record(self, about: str = "", *, outcome: str = "done", actor: str = "", tenant_id: str = "") -> None:
        """Write a row within the call's transaction: it is there if, and only if, what was done is there."""
        ...

    def record_apart(self, about: str = "", *, outcome: str, actor: str = "", tenant_id: str = "") -> None:
        """Write a row in a transaction of its own when the call has ended, whatever its end: for refusals."""
        ...
