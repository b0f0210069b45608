"""Whose calls are counted together, and the keys under which they are."""

# All keys of one call are in one slot of a Cluster, so that one script can decide them: that of the tenant for a caller
# who is known, that of the address for one who is not. What is counted for everyone has a slot of its own.
#
#     signed in    <prefix>:{limits.t.<tenant>}:user.<user>:<policy>
#                  <prefix>:{limits.t.<tenant>}:tenant:<policy>
#                  <prefix>:{limits.t.<tenant>}:address.<address>:<policy>
#     anonymous    <prefix>:{limits.a.<address>}:address:<policy>
#     everyone     <prefix>:{limits.e}:<policy>
#
# An address is an IPv4 address or the first half of an IPv6 one, which is what one line is given: whoever has it has
# all of the other half. What is no address, such as a command, counts under the name of its transport.

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address

from antiphon.core.caller import Caller
from antiphon.core.connection import Connection
from antiphon.services.limits.policies import Policy

_PLAIN = re.compile(r"[A-Za-z0-9_@-][A-Za-z0-9_.@-]{0,63}")
_LINE_BITS = 64


def address_of(connection: Connection) -> str:
    """The address that a connection counts under."""
    return _line(connection.identifier) or connection.type


@lru_cache(maxsize=4096)
def _line(address: str) -> str:
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return word(address) if address else ""
    if isinstance(found, IPv6Address):
        mapped: IPv4Address | None = found.ipv4_mapped
        if mapped is None:
            return f"{int(found) >> _LINE_BITS:016x}"
        found = mapped
    return str(found)


def word(text: str) -> str:
    """The text as a part of a key: itself when it is an id as ids look, else its digest."""
    return text if _PLAIN.fullmatch(text) else f"~{sha256(text.encode()).hexdigest()[:32]}"


def slot_of(caller: Caller, connection: Connection) -> str:
    """The slot of the keys of a call."""
    if caller.kind == "user":
        return f"{{limits.t.{word(caller.tenant_id) if caller.tenant_id else '-'}}}"
    return f"{{limits.a.{address_of(connection)}}}"


def key_of(caller: Caller, connection: Connection, slot: str, policy: Policy) -> str | None:
    """The key that counts a call under a policy, without the store's prefix; None when it does not count there."""
    who = policy.who
    if who == "everyone":
        return f"{{limits.e}}:{policy.key}"
    if caller.kind == "system":
        return None
    if who == "caller":
        who = "user" if caller.kind == "user" else "anonymous"
    if who == "user":
        return f"{slot}:user.{word(caller.id)}:{policy.key}" if caller.kind == "user" else None
    if who == "tenant":
        return f"{slot}:tenant:{policy.key}" if caller.tenant_id else None
    if caller.kind == "user":
        return f"{slot}:address.{address_of(connection)}:{policy.key}" if who == "address" else None
    return f"{slot}:address:{policy.key}"


def names_users(policy: Policy) -> bool:
    """Whether it has to be known who calls to count under this."""
    return policy.who in ("caller", "user", "tenant")
