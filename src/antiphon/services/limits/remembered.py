"""Remembers who came with which session, so that a call's limits can be asked while its session is read."""

# Nobody is let in by this: who calls is read from the store every time. What is remembered says only whose limits the
# call will probably be under. When it turns out to be somebody else's call, or nobody's, the charge is taken back.

from __future__ import annotations

from hashlib import sha256

from antiphon.core.caller import Caller
from antiphon.core.context import Context


class Remembered:
    """Callers by the digest of their session's id, `most` of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._callers: dict[bytes, Caller] = {}

    def __len__(self) -> int:
        return len(self._callers)

    def find(self, ctx: Context) -> Caller | None:
        """Who came with this session the last time, or None. A token beside it wins, so it is nobody then."""
        digest = _digest(ctx)
        return None if digest is None else self._callers.get(digest)

    def keep(self, ctx: Context) -> None:
        """This is who came with this session."""
        digest, caller = _digest(ctx), ctx.caller
        if digest is None:
            return
        self._callers.pop(digest, None)
        if caller.kind == "user":
            self._callers[digest] = Caller("user", caller.id, caller.tenant_id)
            if len(self._callers) > self._most:
                del self._callers[next(iter(self._callers))]

    def forget(self, ctx: Context) -> None:
        """Nobody comes with this session any more."""
        digest = _digest(ctx)
        if digest is not None:
            self._callers.pop(digest, None)


def _digest(ctx: Context) -> bytes | None:
    connection = ctx.connection
    if connection.bearer is not None:
        return None
    token = connection.session_token
    return None if token is None else sha256(token.encode()).digest()
