"""Finds the endpoint of a request: fixed paths, then templates, then regular expressions. The first path decides.

    kind      found by                                         cost
    fixed     one look-up of the raw path                      one dict
    tail      one look-up of all but the last segment          one dict
    template  segments, fixed before places, left to right     one dict a segment
    regular   in the order they were declared                  one match each

A path is compared after decoding, segment by segment, so `%2F` never becomes a slash.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Generic, TypeVar

from antiphon.core.errors import SetupError
from antiphon.wire.faults import WireFault, method_not_allowed, not_found
from antiphon.wire.paths import split_path

E = TypeVar("E")

_PLACE = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}")

_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~"
"""What stands for itself in a path, wherever it stands."""

_SLASH = "\udc2f"


class Resource(Generic[E]):
    """What answers at one path: an endpoint by method."""

    __slots__ = ("endpoints", "names", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.endpoints: dict[str, E] = {}
        self.names: dict[str, tuple[str, ...]] = {}

    @property
    def methods(self) -> list[str]:
        """The methods that `Allow` names."""
        known = {*self.endpoints, "OPTIONS"}
        return sorted(known | {"HEAD"} if "GET" in known else known)


class _Node(Generic[E]):
    __slots__ = ("fixed", "place", "resource")

    def __init__(self) -> None:
        self.fixed: dict[str, _Node[E]] = {}
        self.place: _Node[E] | None = None
        self.resource: Resource[E] | None = None


class Router(Generic[E]):
    """The paths of one application."""

    def __init__(self, max_segments: int) -> None:
        self.fixed: dict[bytes, Resource[E]] = {}
        self._tails: dict[bytes, Resource[E]] = {}
        self._root: _Node[E] = _Node()
        self._regular: list[tuple[re.Pattern[str], str, Resource[E]]] = []
        self._max_segments = max_segments

    def add(self, method: str, prefix: str, path: str | re.Pattern[str], endpoint: E) -> None:
        """Add a route. Raises SetupError when its method and shape are taken."""
        if isinstance(path, re.Pattern):
            resource, names = self._add_regular(prefix, path), tuple(path.groupindex)
        else:
            resource, names = self._add_template(prefix + path)
        if method in resource.endpoints:
            raise SetupError(
                f"Two routes answer {method} {resource.path}: {resource.endpoints[method]} and {endpoint}. "
                f"Change one of the paths."
            )
        resource.endpoints[method] = endpoint
        resource.names[method] = names

    def _add_template(self, path: str) -> tuple[Resource[E], tuple[str, ...]]:
        node, names = self._root, list[str]()
        for segment in path.split("/")[1:]:
            if _PLACE.fullmatch(segment):
                names.append(segment[1:-1])
                node.place = node.place or _Node()
                node = node.place
            elif "{" in segment or "}" in segment:
                raise SetupError(
                    f"The path {path!r} has a place that is not a whole segment. Use a regular expression for that."
                )
            else:
                node = node.fixed.setdefault(segment, _Node())
        if node.resource is None:
            node.resource = Resource(path)
            before, _, last = path.rpartition("/")
            if not names:
                self.fixed[path.encode()] = node.resource
            elif _PLACE.fullmatch(last) and len(names) == 1 and path.count("/") <= self._max_segments:
                self._tails[before.encode()] = node.resource
        return node.resource, tuple(names)

    def _add_regular(self, prefix: str, pattern: re.Pattern[str]) -> Resource[E]:
        for known, known_prefix, resource in self._regular:
            if known == pattern and known_prefix == prefix:
                return resource
        resource = Resource[E](prefix + pattern.pattern)
        self._regular.append((pattern, prefix, resource))
        return resource

    def resources(self) -> Iterator[Resource[E]]:
        """Whatever answers at all: an inventory."""
        nodes = [self._root]
        while nodes:
            node = nodes.pop()
            nodes += [*node.fixed.values(), *([] if node.place is None else [node.place])]
            if node.resource is not None:
                yield node.resource
        yield from (resource for _, _, resource in self._regular)

    def resource(self, path: bytes) -> tuple[Resource[E], list[str] | dict[str, str]]:
        """What answers at a path, and the texts of its places. Raises a 404 that names a near path."""
        resource = self.fixed.get(path)
        if resource is not None:
            return resource, []
        segments = split_path(path, self._max_segments)
        texts: list[str] = []
        resource = self._walk(self._root, segments, 0, texts)
        if resource is not None:
            return resource, texts
        # A slash inside a segment must not look like one between two: it stands aside as what no decoded text holds.
        whole = "/" + "/".join(segment.replace("/", _SLASH) for segment in segments)
        for pattern, prefix, candidate in self._regular:
            match = pattern.fullmatch(whole[len(prefix) :]) if whole.startswith(prefix) else None
            if match is not None:
                return candidate, {
                    name: text.replace(_SLASH, "/") for name, text in match.groupdict().items() if text is not None
                }
        raise self._missing(segments)

    def find(self, method: str, path: bytes) -> tuple[E, dict[str, str]]:
        """The endpoint of a request, and the texts that the path gives its inputs. Raises a 404 or a 405."""
        # Nothing counts before fixed segments all the way to one place at the end, so no walk would end elsewhere.
        before, _, last = path.rpartition(b"/")
        tail = self._tails.get(before)
        if tail is not None and last and path not in self.fixed and not last.translate(None, _PLAIN):
            endpoint = tail.endpoints.get(method)
            if endpoint is not None:
                return endpoint, {tail.names[method][0]: last.decode("ascii")}
        resource, texts = self.resource(path)
        endpoint = resource.endpoints.get(method)
        if endpoint is None:
            raise method_not_allowed(resource.methods)
        if isinstance(texts, dict):
            return endpoint, texts
        names = resource.names[method]
        if len(names) == 1:
            return endpoint, {names[0]: texts[0]}
        return endpoint, dict(zip(names, texts, strict=True))

    def _walk(self, node: _Node[E], segments: list[str], at: int, texts: list[str]) -> Resource[E] | None:
        """The first resource that fits, fixed segments before places; `texts` gains what the places hold."""
        if at == len(segments):
            return node.resource
        segment = segments[at]
        fixed = node.fixed.get(segment)
        if fixed is not None:
            found = self._walk(fixed, segments, at + 1, texts)
            if found is not None:
                return found
        # An empty segment is no value: `/user/` is another path than `/user/{user_id}`.
        if node.place is None or not segment:
            return None
        texts.append(segment)
        found = self._walk(node.place, segments, at + 1, texts)
        if found is None:
            texts.pop()
        return found

    def _missing(self, segments: list[str]) -> WireFault:
        other = segments[:-1] if segments and not segments[-1] else [*segments, ""]
        resource = self._walk(self._root, other, 0, [])
        if resource is not None:
            slash = "without the slash at its end" if len(other) < len(segments) else "with a slash at its end"
            return not_found(f"There is nothing at this path. {resource.path} exists, {slash}.")
        return not_found()
