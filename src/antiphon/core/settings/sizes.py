"""Sizes in bytes as people write them: `"64KiB"`, `"10MiB"`, `"1GiB"`."""

from __future__ import annotations

import re
from decimal import Decimal

_BYTES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
# One number of digits that no real size needs more of, so that no text can ask for a number of a million digits.
_SIZE = re.compile(r"([0-9]{1,24}(?:\.[0-9]{1,12})?)(B|KiB|MiB|GiB|TiB)?")
_HINT = 'write bytes as a number, or a size such as "64KiB", "10MiB" or "1GiB"'


def parse_size(text: str) -> int:
    """Read `"10MiB"` as 10,485,760 bytes; a bare number is bytes.

    Units are B, KiB, MiB, GiB and TiB, each 1,024 of the one before (IEC 80000-13). KB and MB are refused: people mean
    1,000 or 1,024 by them. Raises ValueError, without the text, when it is no size or no whole number of bytes.
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"this is no size; {_HINT}")
    size = Decimal(found[1]) * _BYTES[found[2] or "B"]
    if size != size.to_integral_value():
        raise ValueError(f"a size is a whole number of bytes; {_HINT}")
    return int(size)


def format_size(size: int) -> str:
    """Write a size in the largest unit that keeps it whole: `"10MiB"`, `"1500B"`, `"0B"`."""
    unit = next((unit for unit in reversed(_BYTES) if size and size % _BYTES[unit] == 0), "B")
    return f"{size // _BYTES[unit]}{unit}"
