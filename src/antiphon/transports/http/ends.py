"""Ends open streams: all when the server drains, and those of a caller whose session or token has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf

from antiphon.core.context import Context
from antiphon.core.errors import CallError, Defect, Forbidden, NotSignedIn
from antiphon.core.revocation import Revocations, Revoked
from antiphon.core.runtime import Runtime
from antiphon.core.standing import LOOK_AGAIN_SECONDS, LOOKS_AT_ONCE, Standing, find_standing

# A stream outlives the moment in which its caller was let in. What ends it, besides itself and its client:
#
#   news                                   the stream
#   the server drains                      ends, and its client comes back
#   its session or its user is out         ends with NOT_SIGNED_IN, on every node within a second
#   its session has a new id               the same: whoever has the new id asks again
#   its token or its session runs out      its caller is looked up again, and it ends with NOT_SIGNED_IN; whoever has
#                                          used the session since goes on
#   what its caller may do has changed     its rule is asked again, and it ends with the refusal
#   revocations may have been missed       the same, after its caller was looked up again

SWEEP_SECONDS = 1.0


class Ending:
    """How one stream is told to end. `error` is what its client is told; None for a drain."""

    __slots__ = ("error", "told", "wake")

    def __init__(self) -> None:
        self.told = False
        self.error: CallError | None = None
        self.wake: Callable[[], None] | None = None

    def end(self, error: CallError | None) -> None:
        """End now; the first word counts."""
        if not self.told:
            self.told, self.error = True, error
            if self.wake is not None:
                self.wake()


class StreamEnds:
    """The open streams of one process."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._open: dict[Ending, tuple[Standing, Context]] = {}
        self._draining = False
        self._forget: Callable[[], None] | None = None
        self._looks: set[asyncio.Task[None]] = set()
        self._looking = asyncio.Semaphore(LOOKS_AT_ONCE)
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._open)

    async def begin(self, ctx: Context) -> Ending:
        """A stream of this call begins. Raises Unavailable when its caller cannot be read."""
        ending = Ending()
        standing = await find_standing(ctx) if ctx.caller.kind == "user" else Standing(ctx.caller)
        user = standing.caller.kind == "user"
        if user and self._forget is None and (revocations := self._runtime.find(Revocations)) is not None:
            # Only now: an application without such streams listens to nobody.
            self._forget = revocations.subscribe(self._revoked)
        self._open[ending] = standing, ctx
        if self._timer is None and standing.look_at != inf:
            self._timer = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._tick)
        if self._draining:
            ending.end(None)
        return ending

    def leave(self, ending: Ending) -> None:
        """A stream has ended."""
        self._open.pop(ending, None)

    def drain(self) -> None:
        """End every stream, those to come too."""
        self._draining = True
        for ending in [*self._open]:
            ending.end(None)

    def close(self) -> None:
        """Listen no longer."""
        if self._forget is not None:
            self._forget()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for look in self._looks:
            look.cancel()

    def _revoked(self, revoked: Revoked) -> None:
        for ending, (standing, _) in [*self._open.items()]:
            if _asks(revoked, standing):
                self._ask(ending)
            elif _ends(revoked, standing):
                ending.end(NotSignedIn())

    def sweep(self) -> None:
        """Look again at those whose token or session should be over now."""
        now = self._runtime.clock.monotonic()
        for ending, (standing, _) in [*self._open.items()]:
            if standing.look_at <= now:
                self._ask(ending)

    def _tick(self) -> None:
        self._timer = None
        self.sweep()
        # Those that are being looked at have no time until that is done.
        if self._looks or any(standing.look_at != inf for standing, _ in self._open.values()):
            self._timer = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._tick)

    def _ask(self, ending: Ending) -> None:
        self._look_at(ending, inf)
        look = asyncio.create_task(self._look(ending, self._open[ending][1]))
        self._looks.add(look)
        look.add_done_callback(self._looks.discard)

    def _look_at(self, ending: Ending, at: float) -> None:
        found = self._open.get(ending)
        if found is not None:
            self._open[ending] = found[0]._replace(look_at=at), found[1]

    async def _look(self, ending: Ending, ctx: Context) -> None:
        async with self._looking:
            if ending in self._open:
                await self._look_now(ending, ctx)

    async def _look_now(self, ending: Ending, ctx: Context) -> None:
        connection = ctx.connection
        # The server asks, so no session lives longer for it.
        connection.by_itself = True
        again = Context(self._runtime, ctx.action_name, connection, ctx.request_id, ctx.deadline, safe=False)
        try:
            standing = await find_standing(again)
            if not standing.caller.signed_in:
                raise NotSignedIn
            allow = self._runtime.runner(ctx.action_name).allow
            if allow is not None:
                await allow.admit(again)
            self._look_at(ending, standing.look_at)
        except (NotSignedIn, Forbidden) as refusal:
            ending.end(refusal)
        except (CallError, Defect):
            # Such as a store that is away: that ends nobody's session.
            self._look_at(ending, self._runtime.clock.monotonic() + LOOK_AGAIN_SECONDS)


def _asks(revoked: Revoked, standing: Standing) -> bool:
    if standing.caller.kind != "user":
        return False
    return revoked.what == "unknown" or (revoked.what == "rights" and standing.caller.id == revoked.id)


def _ends(revoked: Revoked, standing: Standing) -> bool:
    if revoked.what == "user":
        return standing.caller.id == revoked.id
    return revoked.what in ("session", "moved") and standing.sid == revoked.id
