"""Signs the cursors of lists, so that one is good only for the list that gave it."""

# A cursor says where the next page begins. What it says goes into a query or into the store, and it comes back from a
# client; so it is signed, under a key of the root secret, together with what it belongs to:
#
#     bound to                         and so useless
#     the action                       for another list
#     the tenant of the call           for another tenant, and beyond tenants
#     the filter, value by value       under another filter
#
#     cursor    base64url of: MAC (16 bytes), the place (UTF-8)
#     MAC       the first 16 bytes of HMAC-SHA256 (RFC 2104) over the JSON array [action, tenant, place, filter…]
#
# It is signed and not sealed: whoever holds it may read the place. Beside one's own list it opens nothing.

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from hmac import compare_digest, digest

import msgspec

from antiphon.core.context import Context
from antiphon.core.errors import InvalidInput
from antiphon.core.service import scoped
from antiphon.services.identity.root import RootSecret

_MAC_BYTES = 16


class Cursors:
    """The cursors of one call: `ctx.get(Cursors)`. The filter is given alike to both: `sign(place, queue, state)`."""

    def __init__(self, ctx: Context, root: RootSecret) -> None:
        self._ctx = ctx
        self._keys = [key.reveal() for key in root.keys("cursors")]

    def sign(self, place: str, *filters: object) -> str:
        """The cursor for a place in the list that this call gives; empty for an empty place, the end of the list.

        `filters` is all that decides what is in the list, as values that JSON knows.
        """
        if not place:
            return ""
        mac = self._mac(self._keys[0], place, filters)
        return urlsafe_b64encode(mac + place.encode()).decode().rstrip("=")

    def read(self, cursor: str, *filters: object) -> str:
        """The place that a client's cursor names; empty for an empty one, the beginning.

        Raises InvalidInput for what is none, or was given by another action, to another tenant or under another filter.
        """
        if not cursor:
            return ""
        try:
            data = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
            mac, place = data[:_MAC_BYTES], data[_MAC_BYTES:].decode()
        except (Error, ValueError):
            raise _none() from None
        # The key of the root secret before is accepted, so that changing the secret interrupts nobody's reading.
        if not any(compare_digest(mac, self._mac(key, place, filters)) for key in self._keys):
            raise _none()
        return place

    def _mac(self, key: bytes, place: str, filters: tuple[object, ...]) -> bytes:
        bound = msgspec.json.encode((self._ctx.action_name, self._ctx.caller.tenant_id, place, *filters))
        return digest(key, bound, "sha256")[:_MAC_BYTES]


@scoped
def cursors(ctx: Context, root: RootSecret) -> Cursors:
    """The cursors of this call."""
    return Cursors(ctx, root)


def _none() -> InvalidInput:
    return InvalidInput.of("cursor", "is none that this list has given")
