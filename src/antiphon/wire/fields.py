"""Query strings and urlencoded forms, read into lists of texts by name."""

from __future__ import annotations

from antiphon.wire.faults import malformed
from antiphon.wire.percent import BadEncoding, percent_decode


class TooManyValues(Exception):
    """One name came with more values than allowed. The caller decides what that means, such as a 422."""

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.limit = limit
        super().__init__(f"{name!r} has more than {limit} values.")


class TooManyFields(Exception):
    """There were more fields than allowed, counted before any was read."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"There are more than {limit} fields.")


def parse_fields(
    raw: bytes, where: str = "query", max_values: int = 1000, max_fields: int = 10_000
) -> dict[str, list[str]]:
    """The fields of `a=1&b=2&b=3` as `{"a": ["1"], "b": ["2", "3"]}` (URL Standard §5.1, but strict).

    "+" is a space. `b[]` and `c.d` are plain names, `;` separates nothing, and fields with an empty name are
    dropped. A bad percent-encoding or bad UTF-8 is malformed (400, its message names `where`). The values come from
    anyone: at most `max_values` of one name (`TooManyValues`) and `max_fields` in all (`TooManyFields`).
    """
    found: dict[str, list[str]] = {}
    if not raw:
        return found
    try:
        text = raw.decode()
        # "+" first: an encoded plus, %2B, must stay one. It is nowhere part of what separates fields.
        pairs = (text.replace("+", " ") if "+" in text else text).split("&", max_fields)
        if len(pairs) > max_fields:
            raise TooManyFields(max_fields)
        encoded = "%" in text
        for pair in pairs:
            name, _, value = pair.partition("=")
            if encoded:
                name, value = percent_decode(name.encode()), percent_decode(value.encode())
            if name in found:
                found[name].append(value)
            elif name:
                found[name] = [value]
    except UnicodeDecodeError:
        raise malformed(f"The {where} is not UTF-8.") from None
    except BadEncoding as bad:
        raise malformed(f"The {where} {bad.problem}.") from None
    # Fewer pairs than the bound cannot break it, and that is nearly every query.
    if len(pairs) > max_values:
        for name, values in found.items():
            if len(values) > max_values:
                raise TooManyValues(name, max_values)
    return found
