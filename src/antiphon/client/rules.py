"""When a connection comes back, and when it does not: close codes, delays, and how long silence may last.

close code or refusal                                then
1001, 1005 (none), 1006 (cut), 1011-1015             again: 0.5 s doubling to 30 s, all of it jitter
4000 to 4499                                         the same
every other, 1000 and 4500 to 4999 among them        stopped
`reconnect` came before it                           again, after the time that it says
handshake refused with 408, 429 or 5xx               again, not before `Retry-After`
handshake refused with 401, 403, 404 or other 4xx    stopped, as by 4501, 4503, 4504, 4500
"""

from __future__ import annotations

from antiphon.wire.websocket.closing import is_passing

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0

SETTLED = 10.0
"""A connection that lasted this long begins the doubling anew."""

OPENING = 10.0
"""From the first byte to `hello`."""

ANSWER = 10.0
"""A ping that is not answered by then means that nobody is there."""

AT_ONCE = 30
"""The server takes 40 frames at once and 20 a second: beyond these, topics are subscribed to one by one."""

PACE = 0.07

LEAVING = 4000
"""Our own close code: not 1000, which would say that the user has left."""

CUT = 1006
RESTART = 1012
SILENT = 4001

_NEVER_SENT = frozenset({1014, 1015})
"""How libraries and proxies say that there was no connection: a bad gateway, a TLS that failed."""

_REFUSED = {401: 4501, 403: 4503, 404: 4504}
_PASSING = frozenset({408, 429})


def comes_back(code: int) -> bool:
    """Whether trying again after this close code is of use."""
    return is_passing(code) or code in _NEVER_SENT


def code_of_refusal(status: int) -> int:
    """The close code that says the same as a handshake that was refused with this status."""
    if status in _PASSING or status >= 500:
        return CUT
    return _REFUSED.get(status, 4500)


def delay(attempt: int, random: float) -> float:
    """Seconds before the next attempt, from 0 on; `random` is from 0 to 1."""
    return random * min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(attempt, 16))
