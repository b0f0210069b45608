"""Remembers who came with which credential, so that a call's limits are asked on the trip that verifies it."""

# Nobody is let in by this: who calls is read from the store every time. What is remembered says only whose limits the
# call will probably be under. When it turns out to be somebody else's call, or nobody's, the charge is taken back.

from __future__ import annotations

from hashlib import sha256

from antiphon.core.caller import Caller
from antiphon.core.context import Context


class Remembered:
    """Callers by the digest of their session's id or bearer token, `most` of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._callers: dict[bytes, Caller] = {}

    def __len__(self) -> int:
        return len(self._callers)

    def find(self, ctx: Context) -> Caller | None:
        """Who came with this the last time, or None. A token wins over the session beside it, as it does for rules."""
        digest = _digest(ctx)
        return None if digest is None else self._callers.get(digest)

    def keep(self, ctx: Context) -> None:
        """This is who came with this."""
        digest, caller = _digest(ctx), ctx.caller
        if digest is None:
            return
        self._callers.pop(digest, None)
        if caller.kind == "user":
            self._callers[digest] = Caller("user", caller.id, caller.tenant_id)
            if len(self._callers) > self._most:
                del self._callers[next(iter(self._callers))]

    def forget(self, ctx: Context) -> None:
        """Nobody comes with this any more."""
        digest = _digest(ctx)
        if digest is not None:
            self._callers.pop(digest, None)


def _digest(ctx: Context) -> bytes | None:
    connection = ctx.connection
    bearer, key = connection.bearer, connection.session_key
    # Marked by what it is: a session's id that is shown as a token is nobody's.
    if bearer is not None:
        shown: str | None = f"bearer:{bearer}"
    else:
        shown = f"key:{key}" if key is not None else connection.session_token
    return None if shown is None else sha256(shown.encode("utf-8", "surrogatepass")).digest()
