"""What the store holds of a session: ids, keys and records, in the one file that knows how they look."""

# All sessions of one user are the fields of one hash. So a step that concerns several of them (ending the oldest, all
# others, or all) is one script on one key, on a Cluster too, and there is no index that a crash could leave behind.
#
#     key     <prefix>:{sessions.<user>}     <user> is the beginning of SHA-256 of the user's id, 24 letters
#     field   SHA-256 of the session id, hexadecimal
#     value   {"user":…,"sid":…,"created":…,"touched":…,"tenant":…,"roles":[…]}   a session; times are milliseconds
#                                                                                 since 1970
#             {"moved":…}                                                         an id that was replaced at this time
#     field   rights
#     value   {"version":…,"roles":[…]}                                           what the user may do now
#
# A session id is <user>, which says where to look, and then 256 random bits: 67 letters of base64url. One read finds
# it, and the store's content lets nobody make one. The key lives as long as the longest of its sessions may. A session
# in it is dead when its own times have passed: whoever reads it looks, and every sign-in removes those of its user.
#
# A session's sid is its name for everybody: 128 random bits that follow from nothing, the same from sign-in to the end,
# under however many ids.
#
# An id that was replaced is as dead as any other, and known as `moved` for a minute: calls that were on their way with
# it when it changed must not answer "forget the cookie", or the client would forget the new one.

# Roles are in each session as they were at its sign-in, with the version they are of; `rights` are those of the newest
# change. Whichever is newer counts. So a change is one write for all sessions, those that are being made as well, and
# a session with older roles shows that its id is from before the change: it gets a new one with its next HTTP call.

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from enum import Enum
from hashlib import sha256
from secrets import token_urlsafe
from typing import NamedTuple, Self

import msgspec

from antiphon.core.caller import Caller

MOVED_MILLIS = 60_000
"""How long an id that was replaced is known as such."""

_USER_LETTERS = 24
_SECRET_BYTES = 32
_SID_BYTES = 16
_TOKEN = re.compile(r"[A-Za-z0-9_-]{67}")
_PLACE = re.compile(r"([A-Za-z0-9_-]{24})\.([0-9a-f]{64})")
_MOVED = b'{"moved":'

RIGHTS = "rights"
"""The field that holds what the user may do now."""


class Absent(Enum):
    """Why there is no session under an id."""

    ENDED = "ended"
    MOVED = "moved"


class Place(NamedTuple):
    """Where a session is in the store. It follows from the session's id, and the id does not follow from it."""

    user: str
    field: str

    @classmethod
    def of(cls, token: str) -> Self:
        """The place of the session with this id."""
        return cls(token[:_USER_LETTERS], sha256(token.encode()).hexdigest())

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The place that a `text` stands for, or None."""
        found = _PLACE.fullmatch(text)
        return cls(found[1], found[2]) if found is not None else None

    @property
    def text(self) -> str:
        """The place as one word."""
        return f"{self.user}.{self.field}"

    @property
    def key(self) -> str:
        """The key that holds the session, without the store's prefix."""
        return _key(self.user)


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """One session. Times are milliseconds since 1970; `behind` when its id is older than the newest roles."""

    user: str
    sid: str
    created: int
    touched: int
    tenant: str = ""
    roles: tuple[str, ...] = ()
    version: int = 0
    proved: int = 0
    behind: bool = False

    @classmethod
    def of(cls, caller: Caller, *, sid: str, created: int, touched: int) -> Record:
        """The session of this caller."""
        roles = tuple(sorted(caller.roles))
        proved = 0 if caller.proved_at is None else int(caller.proved_at.timestamp() * 1000)
        return cls(caller.id, sid, created, touched, caller.tenant_id, roles, caller.roles_version, proved)

    @property
    def caller(self) -> Caller:
        """Who signed in."""
        return Caller(
            "user",
            self.user,
            self.tenant,
            frozenset(self.roles),
            sid=self.sid,
            via="session",
            proved_at=datetime.fromtimestamp(self.proved / 1000, UTC) if self.proved else None,
            roles_version=self.version,
        )

    def under(self, rights: Rights | None) -> Record:
        """The session with the rights of now."""
        if rights is None or rights.version <= self.version:
            return self
        return msgspec.structs.replace(self, roles=rights.roles, version=rights.version, behind=True)

    def ends(self, idle: int, life: int) -> int:
        """When it ends if nothing is called, with lives in milliseconds."""
        return min(self.touched + idle, self.created + life)


class Rights(msgspec.Struct, frozen=True):
    """What a user may do since the newest change."""

    version: int
    roles: tuple[str, ...] = ()


encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode
_decode_rights = msgspec.json.Decoder(Rights).decode


def decode(value: bytes | None) -> Record | Absent:
    """What a field holds. A record of another version of this file is no session."""
    if value is None:
        return Absent.ENDED
    if value.startswith(_MOVED):
        return Absent.MOVED
    try:
        return _decode(value)
    except msgspec.DecodeError:
        return Absent.ENDED


def decode_rights(value: bytes | None) -> Rights | None:
    """What the field `rights` holds. Raises DecodeError: whoever cannot read what was taken must not guess."""
    return None if value is None else _decode_rights(value)


def new_token(user_id: str) -> str:
    """A new session id for this user. A secret."""
    return _user(user_id) + token_urlsafe(_SECRET_BYTES)


def new_sid() -> str:
    """A new name for a session. No secret."""
    return token_urlsafe(_SID_BYTES)


def is_token(text: str) -> bool:
    """Whether this has the form of a session id; everything else was not made here and is not looked up."""
    return _TOKEN.fullmatch(text) is not None


def key_of_user(user_id: str) -> str:
    """The key that holds every session of a user, without the store's prefix."""
    return _key(_user(user_id))


def _user(user_id: str) -> str:
    return urlsafe_b64encode(sha256(user_id.encode()).digest())[:_USER_LETTERS].decode()


def _key(user: str) -> str:
    return f"{{sessions.{user}}}"
