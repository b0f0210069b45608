"""Finds the files of a folder, as far as they may be seen from outside, and knows their content by its digest."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from hashlib import blake2b
from pathlib import Path, PurePath
from stat import S_ISDIR, S_ISREG
from threading import Lock
from time import time
from typing import Literal

from antiphon.transports.http.content_types import content_type
from antiphon.wire.conditional import EntityTag, strong_tag

INDEX = "index.html"

LARGEST_HASHED_BYTES = 64 * 1024 * 1024
_MOST_TAGS = 10_000
_SETTLED_SECONDS = 2.0
_PIECE_BYTES = 1024 * 1024
_DIGEST_BYTES = 12

# Which tag
#
# The tag must change whenever the bytes do, since a client that resumes a download joins two parts by it. Size and
# time of change do not promise that: copying with times kept (rsync -t) and builds that set every time to one moment
# give two versions of one size the same tag. And they differ between two machines with the same files, so that a
# client that is answered by both asks for everything again. So the tag is a digest of the bytes. It is kept for as
# long as the file is the same by everything that the disk says of it, and taken once a version. Files that are too
# large for that have a tag of size and times.


class Missing(Enum):
    """What was wrong with the asking: a folder with an index, and no slash at the end."""

    SLASH = "/"


@dataclass(frozen=True, slots=True)
class Within:
    """A place inside the folder: names, and whether a slash stands after the last one."""

    names: tuple[str, ...]
    slash: bool

    @classmethod
    def read(cls, segments: Sequence[str]) -> Within | None:
        """The place that decoded segments of a path name, or None when they name none that may be seen."""
        slash = bool(segments) and not segments[-1]
        names = tuple(segments[:-1] if slash else segments)
        return cls(names, slash) if all(map(_may_be_seen, names)) else None


def _may_be_seen(name: str) -> bool:
    # A decoded segment can hold slashes; on some systems also a drive.
    return bool(name) and name[0] != "." and "\\" not in name and "\0" not in name and PurePath(name).name == name


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that may be sent, as it was when it was looked at."""

    path: str
    size_bytes: int
    modified_at: datetime | None
    tag: EntityTag
    type: str

    def read(self) -> bytes | None:
        """All of its bytes, or None when they are no longer those of the tag. It must be small."""
        try:
            content = Path(self.path).read_bytes()
        except OSError:
            return None
        return content if strong_tag(blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()) == self.tag else None


class Folder:
    """The files of one folder. Every method speaks with the disk and belongs into a thread; any number may at once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._tags: dict[str, tuple[tuple[int, ...], EntityTag]] = {}
        self._lock = Lock()

    def look(self, within: Within) -> FoundFile | Literal[Missing.SLASH] | None:
        """The file at a place, that of a folder being its index; None for whatever must not be seen."""
        try:
            # Resolved each time: a root that is a link may be turned to another folder while we serve.
            root = os.path.realpath(self._root, strict=True)
            path, state = self._resolve(root, within.names)
            if not S_ISDIR(state.st_mode):
                return None if within.slash else self._file(path, state, within.names[-1])
            path, state = self._resolve(root, (*within.names, INDEX))
            file = self._file(path, state, INDEX)
        except (OSError, ValueError):
            # Not there, not for us, a loop of links, a name that no file can have: all the same from outside.
            return None
        return file if file is None or within.slash else Missing.SLASH

    def _resolve(self, root: str, names: Sequence[str]) -> tuple[str, os.stat_result]:
        """Where a place really is. Raises OSError or ValueError when that is outside, or hidden."""
        path = os.path.realpath(os.path.join(root, *names), strict=True)  # noqa: PTH118  # names are checked, and speed counts
        inside = PurePath(path).relative_to(root)
        if any(part.startswith(".") for part in inside.parts):
            raise FileNotFoundError(path)
        return path, os.stat(path)  # noqa: PTH116  # as above

    def _file(self, path: str, state: os.stat_result, name: str) -> FoundFile | None:
        if not S_ISREG(state.st_mode):
            return None
        return FoundFile(path, state.st_size, _modified_at(state), self._tag(path, state), content_type(name))

    def _tag(self, path: str, state: os.stat_result) -> EntityTag:
        if state.st_size > LARGEST_HASHED_BYTES:
            return strong_tag(f"{state.st_size:x}-{state.st_mtime_ns:x}-{state.st_ctime_ns:x}")
        version = _version(state)
        known = self._tags.get(path)
        if known is not None and known[0] == version:
            return known[1]
        digest, version_after = _digest(path)
        tag = strong_tag(digest)
        # A file that changed a moment ago can change again without its times telling, as they have a grain.
        if version == version_after and abs(time() - state.st_ctime) > _SETTLED_SECONDS:
            self._keep(path, version, tag)
        return tag

    def _keep(self, path: str, version: tuple[int, ...], tag: EntityTag) -> None:
        with self._lock:
            self._tags.pop(path, None)
            while len(self._tags) >= _MOST_TAGS:
                del self._tags[next(iter(self._tags))]
            self._tags[path] = version, tag


def _version(state: os.stat_result) -> tuple[int, ...]:
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns


def _digest(path: str) -> tuple[str, tuple[int, ...]]:
    """The digest of a file's bytes, and what the disk says of the file after they were read."""
    digest = blake2b(digest_size=_DIGEST_BYTES)
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123  # a string as it comes from the system
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
        return digest.hexdigest(), _version(os.fstat(file.fileno()))


def _modified_at(state: os.stat_result) -> datetime | None:
    try:
        return datetime.fromtimestamp(state.st_mtime, UTC)
    except (OverflowError, OSError, ValueError):
        return None
