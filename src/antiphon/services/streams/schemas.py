"""The digest of an action's inputs: by it a worker sees that a job was made for other inputs than it knows."""

from __future__ import annotations

from antiphon.core.action import AnyAction
from antiphon.core.inputs.describe import describe
from antiphon.services.streams.keys import digest_of


def schema_digest(action: AnyAction) -> str:
    """What the inputs of an action are called and what fits, as 20 hexadecimal digits."""
    return digest_of(", ".join(f"{field.wire}: {describe(field.declared)}" for field in action.schema.fields))
