"""Shows a route's path as OpenAPI writes it: with `{name}` places, also where the route is a regular expression."""

from __future__ import annotations

import re

from antiphon.transports.http.routes import Route

_GROUP = re.compile(r"\(\?P<(\w+)>")
# What matches no character of its own: the router compares whole paths anyway.
_ANCHORS = re.compile(r"\\[AZbB]|[\^$]")


def shown_path(route: Route) -> str:
    """The path with its prefix. What else a regular expression says stays as it is, `?` and `#` encoded."""
    if isinstance(route.path, str):
        return route.text
    return route.prefix + _without_groups(route.path.pattern).replace("?", "%3F").replace("#", "%23")


def shown_names(route: Route) -> list[str]:
    """The inputs that stand as places in the shown path: not those of groups inside other groups."""
    path = shown_path(route)
    return [name for name in route.names if f"{{{name}}}" in path]


def _without_groups(pattern: str) -> str:
    pieces: list[str] = []
    at = 0
    while at < len(pattern):
        if group := _GROUP.match(pattern, at):
            pieces.append(f"{{{group[1]}}}")
            at = _end_of_group(pattern, at)
        elif anchor := _ANCHORS.match(pattern, at):
            at = anchor.end()
        elif pattern[at] == "\\" and at + 1 < len(pattern):
            # `\.` is a dot; `\d` has no plain form and stays.
            pieces.append(pattern[at : at + 2] if pattern[at + 1].isalnum() else pattern[at + 1])
            at += 2
        else:
            pieces.append(pattern[at])
            at += 1
    return "".join(pieces)


def _end_of_group(pattern: str, at: int) -> int:
    """The place after the bracket that closes the group which opens at `at`."""
    depth, in_class = 0, False
    while at < len(pattern):
        character = pattern[at]
        if character == "\\":
            at += 1
        elif in_class:
            in_class = character != "]"
        elif character == "[":
            in_class = True
            # A bracket right at the beginning of a class is a member of it.
            at += pattern.startswith(("]", "^]"), at + 1) * (1 + pattern.startswith("^", at + 1))
        elif character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            if not depth:
                return at + 1
        at += 1
    return at
