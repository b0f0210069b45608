"""The mark of a call's inputs: equal for equal inputs, and told by no other value; and whether they hold a secret."""

from __future__ import annotations

from hmac import digest
from typing import Any, NamedTuple

import msgspec

from antiphon.core.inputs.kinds import Upload
from antiphon.core.inputs.schema import Inputs
from antiphon.core.inputs.types import encode_kind
from antiphon.core.secrets import Secret


class Mark(NamedTuple):
    """What inputs are compared by, and whether there was a secret among them, which is left out of it."""

    text: str
    holds_secret: bool


def mark_of(inputs: Inputs, base: str | None, secret: bytes) -> Mark:
    """The mark of these inputs, made on this version of what they change (`If-Match`)."""
    found: list[bool] = []

    def write(value: object) -> Any:
        if isinstance(value, Secret):
            # Its digest would let whoever reads the store try passwords, as fast as digests are.
            found.append(True)
            return None
        if isinstance(value, Upload):
            return [value.name, value.type, value.size_bytes, value.sha256]
        return encode_kind(value)

    written = msgspec.json.Encoder(enc_hook=write, order="deterministic").encode([base, inputs])
    return Mark(digest(secret, written, "sha256").hex(), bool(found))
