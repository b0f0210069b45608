"""How deep JSON is nested, found out before anything is built of it."""

from __future__ import annotations

import re

from antiphon.wire.faults import malformed

# Possessive, and happy with a text that never ends: no body makes it go back.
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def check_nesting(data: bytes, most: int) -> None:
    """Raise WireFault (400) when JSON is nested deeper than this. Costs next to nothing where brackets are few.

    What is too short to close as many brackets is no JSON: that is for its reader to say.
    """
    if len(data) <= 2 * most or data.count(b"[") + data.count(b"{") <= most:
        return
    depth = 0
    for byte in _TEXT.sub(b"", data).translate(None, _NO_BRACKETS):
        if byte in b"[{":
            depth += 1
            if depth > most:
                raise malformed(f"The JSON is nested deeper than {most} levels.")
        else:
            depth -= 1
