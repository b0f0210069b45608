"""Close codes: which may be sent, what a close frame says, and after which a client comes back."""

from __future__ import annotations

from antiphon.wire.websocket.events import Close, Fault

# RFC 6455 §7.4 and the IANA registry, which added 1012 to 1014. 1005 and 1006 are never sent: they are how an
# endpoint says to itself that there was no code, or no close frame at all.
NORMAL = 1000
GOING_AWAY = 1001
PROTOCOL_ERROR = 1002
NOT_TAKEN = 1003
NO_CODE = 1005
NO_CLOSE = 1006
BAD_TEXT = 1007
TOO_BIG = 1009
DEFECT = 1011
RESTART = 1012
FULL = 1013

_REGISTERED = frozenset((1000, 1001, 1002, 1003, *range(1007, 1015)))
_COMES_BACK = frozenset((GOING_AWAY, NO_CODE, NO_CLOSE, DEFECT, RESTART, FULL))


def is_sendable(code: int) -> bool:
    """Whether a close frame may carry this code: a registered one, or 3000 to 4999 (RFC 6455 §7.4.2)."""
    return code in _REGISTERED or 3000 <= code <= 4999


def is_passing(code: int) -> bool:
    """Whether a client that was closed with this code should come back after a while; after any other it stops.

    1001, 1011, 1012, 1013, no code at all, and everything from 4000 to 4499, known or not.
    """
    return code in _COMES_BACK or 4000 <= code <= 4499


def read_close(payload: bytes) -> Close | Fault:
    """What a close frame says (RFC 6455 §5.5.1): nothing (1005), or a code of two bytes and a reason in UTF-8."""
    if not payload:
        return Close(NO_CODE, "")
    if len(payload) == 1:
        return Fault(PROTOCOL_ERROR, "A close frame has half a code.")
    code = int.from_bytes(payload[:2])
    if not is_sendable(code):
        return Fault(PROTOCOL_ERROR, "A close frame has a code that may not be sent.")
    try:
        return Close(code, payload[2:].decode())
    except UnicodeDecodeError:
        return Fault(BAD_TEXT, "The reason in a close frame is not UTF-8.")
