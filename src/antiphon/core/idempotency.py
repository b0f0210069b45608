"""What a client's key promises: the first answer of a call again, and no second effect; fulfilled by a service."""

# A client that does not know whether its call arrived sends it again under the same key (`Idempotency-Key`, `key`,
# `--key`). The runner asks for every unsafe call that came with one, after its inputs are read and before its layers:
#
#     under this key, for this caller and action       the call
#     nothing                                          runs; its answer is kept when it is final
#     a call that still runs                           Conflict
#     an answer to the same inputs                     ends with that answer, and Replayed is told
#     an answer, or a call, with other inputs          InvalidInput
#     an answer that was not kept                      Conflict, which says so
#     nobody can tell: the store is away               Unavailable; without a key it would have run
#
# Calls that only read take any key and have no use for it. A call without a key costs one look at an attribute.

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from antiphon.core.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from antiphon.core.action import AnyAction
    from antiphon.core.context import Context
    from antiphon.core.inputs.schema import Inputs


class Replayed:
    """A fact for the transport: this is the answer of an earlier call under the same key, and nothing was done now."""

    __slots__ = ()


class KeyTaken(Conflict):
    """The call cannot be made under this key: the first one still runs, or its answer is gone."""


class Replay(NamedTuple):
    """The result of an earlier call."""

    result: Any


class Attempt(Protocol):
    """The one call that runs under a key. It ends with either of these, once; neither raises."""

    async def keep(self, ctx: Context, result: Any) -> None:
        """The call has ended well, and its effects stand: keep its result for whoever repeats it."""
        ...

    async def fail(self, error: BaseException) -> None:
        """The call has ended with this: keep it when it is final, else let a repeat run."""
        ...


@runtime_checkable
class Idempotency(Protocol):
    """Remembers the first answers of calls under keys. It is there wherever an application has a store."""

    async def begin(self, ctx: Context, action: AnyAction, inputs: Inputs) -> Attempt | Replay:
        """Look up `ctx.client_key`: the right to run, or the result to give again; it also sets `ctx.idempotency_key`.

        Raises the error that was kept, InvalidInput for a key that is none or belongs to other inputs, KeyTaken,
        TooManyCalls for a caller with too many keys, or Unavailable.
        """
        ...


def no_keys_here() -> InvalidInput:
    """The refusal of an application that cannot keep its word: to ignore the key would promise what nobody holds."""
    # Said to the caller alone: any client could fill the log with it.
    return InvalidInput("This application keeps no answers under keys, as it has no store. Call without a key.")


def no_keys_for_streams() -> InvalidInput:
    """The refusal of a stream that is not safe: its items are not kept."""
    return InvalidInput("The items of a stream are not kept under a key. Call without one.")
