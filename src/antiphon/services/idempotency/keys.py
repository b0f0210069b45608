"""What a client's key stands for: whose it is, its id, its names in the store, and what seals the answer."""

# A key belongs to a caller and an action. Nothing that the client sent stands in the store as it was sent:
#
#     caller    a digest of: user and tenant | the system | the address of whoever is not signed in
#     id        a UUIDv8 of caller, action and key: `ctx.idempotency_key`, the same in every process (RFC 9562 §5.8)
#     secret    of caller, action and key, for one purpose each: sealing the answer, marking the inputs. Whoever reads
#               the store but does not have the key of the client finds neither
#
#     <prefix>:{idempotency.<caller>}:<id>     inputs (their mark), and token while the call runs, then answer
#     <prefix>:{idempotency.<caller>}:used     keys and bytes of the caller, within a window
#
# Who is not signed in is known by the address alone, as a session begins with signing in. It is the whole address:
# neighbours of one network are never one caller. Somebody who comes back from another address runs anew; a stranger who
# comes from the same one would have to send the same key with the same inputs to be given the answer.

from __future__ import annotations

import re
from hashlib import sha256
from hmac import digest
from typing import NamedTuple
from uuid import UUID

import msgspec

from antiphon.core.caller import Caller
from antiphon.core.connection import Connection
from antiphon.core.errors import InvalidInput

_KEY = re.compile(r"[!-~]{1,255}")
_VERSION_8, _VARIANT = 8 << 76, 0b10 << 62


class Named(NamedTuple):
    """A key of one caller for one action."""

    caller: str
    id: str
    secret: bytes

    @property
    def entry(self) -> str:
        """The name of what is kept, without the store's prefix."""
        return f"{{idempotency.{self.caller}}}:{self.id}"

    @property
    def used(self) -> str:
        """The name of what the caller has used up."""
        return f"{{idempotency.{self.caller}}}:used"

    def secret_for(self, purpose: str) -> bytes:
        """32 bytes for one purpose."""
        return digest(self.secret, purpose.encode(), "sha256")


def read_key(given: str) -> str:
    """The key as a client sent it. Raises InvalidInput for what is none."""
    if not _KEY.fullmatch(given):
        raise InvalidInput("The idempotency key is not 1 to 255 visible ASCII characters.")
    return given


def name_key(key: str, action: str, caller: Caller, connection: Connection) -> Named:
    """What the key of this caller for this action is known by."""
    if caller.signed_in:
        whose = [caller.kind, caller.tenant_id, caller.id]
    else:
        whose = [caller.kind, connection.identifier or connection.type]
    # As JSON, so that no two lists of texts become one text.
    scope = msgspec.json.encode([*whose, action, key])
    return Named(
        sha256(msgspec.json.encode(whose)).hexdigest()[:32],
        _uuid8(sha256(b"id " + scope).digest()),
        sha256(b"secret " + scope).digest(),
    )


def _uuid8(given: bytes) -> str:
    bits = int.from_bytes(given[:16])
    bits &= ~((0xF << 76) | (0b11 << 62))
    return str(UUID(int=bits | _VERSION_8 | _VARIANT))
