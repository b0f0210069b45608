"""One client at the other end of a socket: reads its frames, answers them, and is shown what it watches."""

# One object for a socket. While nothing happens it owns no task, no queue and no timer: calls, an outlet and watches
# are made when there are any, and one sweep a second over all sockets looks after times.
#
#   a frame            answered
#   id of a call       CONFLICT while that call runs
#   too many           TOO_MANY_CALLS; after 100 in a minute 4029
#   that is none       MALFORMED; after ten 4500
#   binary             1003
#   ping               at once
#   action             when it is done, others meanwhile (calls.py)
#   cancel             at once; the call answers nothing more
#   subscribe          when the door has let it in (watching.py)
#   unsubscribe        at once
#   token              when it was looked at

from __future__ import annotations

from typing import TYPE_CHECKING, final

from antiphon.core.caller import Caller
from antiphon.core.context import Context
from antiphon.core.errors import CallError, Conflict, Defect, TooManyCalls, TransportFault, Unavailable
from antiphon.core.session import SessionEnded, SessionStarted
from antiphon.core.standing import NOBODY, Standing
from antiphon.services.channels.frames import Frame, Kind
from antiphon.services.channels.watching import Watch
from antiphon.transports.base import error_object
from antiphon.transports.websocket import errors
from antiphon.transports.websocket.calls import Run, SocketCalls
from antiphon.transports.websocket.connection import SocketConnection
from antiphon.transports.websocket.frames import (
    Asked,
    FrameId,
    Hello,
    Malformed,
    Said,
    SocketUser,
    error_frame,
    hello_frame,
    read_frame,
    reconnect_frame,
    result_frame,
)
from antiphon.transports.websocket.outlet import Outlet, framed
from antiphon.transports.websocket.rate import Rate
from antiphon.transports.websocket.tokens import take_token, token_run
from antiphon.transports.websocket.watching import subscribe
from antiphon.wire.faults import malformed
from antiphon.wire.websocket.face import Socket
from antiphon.wire.websocket.frames import text_frame

if TYPE_CHECKING:
    from antiphon.transports.websocket.desk import Desk


@final
class SocketClient:
    """What a socket's client says and is told. It is the socket's inbox, and a watcher of channels."""

    __slots__ = (
        "_calls",
        "_malformed",
        "_opened_at",
        "_outlet",
        "_pinged_at",
        "_rate",
        "_user",
        "connection",
        "desk",
        "heard_at",
        "leaving_at",
        "socket",
        "standing",
        "watches",
    )

    socket: Socket

    def __init__(self, desk: Desk, connection: SocketConnection, standing: Standing, user: SocketUser | None) -> None:
        self.desk = desk
        self.connection = connection
        self.standing = standing
        self.watches: dict[str, Watch] = {}
        connection.shows(self.watches)
        now = desk.now()
        self._rate = Rate(desk.settings.burst, now)
        self._opened_at = self.heard_at = now
        self._pinged_at: float | None = None
        self.leaving_at: float | None = None
        self._malformed = 0
        self._user = user
        self._outlet: Outlet | None = None
        self._calls: SocketCalls | None = None

    # What the socket tells

    def on_open(self, socket: Socket) -> None:
        """Say hello."""
        self.socket = socket
        settings = self.desk.settings
        self.reply(
            hello_frame(
                Hello(
                    connection_id=self.connection.id,
                    user=self._user,
                    ping_seconds=settings.ping_time.total_seconds(),
                    frame_bytes=settings.frame_bytes,
                )
            )
        )
        self.desk.enter(self)

    def on_text(self, socket: Socket, data: bytes) -> None:
        """Answer a frame."""
        now = self.heard_at = self.desk.now()
        settings = self.desk.settings
        try:
            said = read_frame(data)
        except Malformed as problem:
            self._malformed += 1
            self.fail(problem.id, malformed(problem.message))
            if self._malformed >= settings.malformed:
                self.end(errors.MALFORMED, "Too many frames could not be read.")
            return
        if not self._rate.allows(now, settings.frames, settings.burst):
            self.fail(said.id, TooManyCalls(retry_after=self._rate.wait_seconds(settings.frames)))
            if self._rate.refused(now) >= settings.refusals:
                self.end(errors.FLOOD, "Too many frames.")
            return
        try:
            if self._calls is not None and said.id in self._calls.running:
                raise Conflict("A call with this id is running. Give each frame an id of its own.")
            if type(said) is Asked:
                if self.leaving_at is not None:
                    self._check_staying(now)
                (self._calls or self.calls).begin(said, now)
            else:
                self._answer(said, now)
        except (CallError, TransportFault) as error:
            self.fail(said.id, error)

    def on_binary(self, socket: Socket) -> None:
        """There are no binary frames here."""
        self.end(errors.BINARY, "Frames are text.")

    def on_sign_of_life(self, socket: Socket) -> None:
        """It is there."""
        self.heard_at = self.desk.now()

    def on_room(self, socket: Socket) -> None:
        """Send what waits."""
        if self._outlet is not None and self._outlet.flush():
            self._outlet = None

    def on_gone(self, socket: Socket, code: int) -> None:
        """End what runs only for this client, and let others know that it has left."""
        if self._outlet is not None:
            self._outlet.close()
        if self._calls is not None:
            self._calls.leave()
        self.desk.leave(self, code)

    # Frames

    def _check_staying(self, now: float) -> None:
        if self.leaving_at is not None and now >= self.leaving_at:
            raise Unavailable("The server goes away. Come back soon.", retry_after=1.0)

    def _answer(self, said: Said, now: float) -> None:
        verb = said.verb
        if verb == "ping":
            self.reply(result_frame(said.id, {"now": self.desk.runtime.clock.now()}))
        elif verb == "cancel":
            if isinstance(said.cancel, int | str) and self._calls is not None:
                self._calls.cancel(said.cancel)
            self.reply(result_frame(said.id, None))
        elif verb == "subscribe":
            self._check_staying(now)
            ctx = self.desk.context("channel:subscribe", self.connection)
            run = Run(said.id, ctx, self.standing, ends_with_client=True, topic=str(said.subscribe))
            self.calls.start(run, lambda: subscribe(self, said, run))
        elif verb == "unsubscribe":
            self._unsubscribe(str(said.unsubscribe))
            self.reply(result_frame(said.id, None))
        else:
            token = token_run(self, said)
            self.calls.start(token, lambda: take_token(self, said, token))

    def _unsubscribe(self, topic: str) -> None:
        if self._calls is not None:
            # Otherwise its events would begin after they were answered to have ended.
            self._calls.give_up(topic)
        if self.desk.channels is not None:
            self.desk.channels.unsubscribe(self, topic)

    @property
    def calls(self) -> SocketCalls:
        """The calls of this socket."""
        if self._calls is None:
            self._calls = SocketCalls(self)
        return self._calls

    @property
    def caller(self) -> Caller:
        """Who is at the other end."""
        return self.standing.caller

    def context(self) -> Context:
        """A context for asking a door again, whose caller is not identified yet."""
        return self.desk.context("channel:subscribe", self.connection.asked_by_server())

    def follow(self, ctx: Context, before: Standing) -> None:
        """Do what a call has said about the session: the last fact counts. `before` is who it was when it began."""
        for fact in reversed(ctx.facts or ()):
            if isinstance(fact, SessionStarted):
                self.connection.sign_in(fact.token)
                # How long the session lives by itself is for the next sweep to find out.
                self.desk.stand(self, Standing(ctx.caller, fact.sid, self.desk.now()))
                return
            if isinstance(fact, SessionEnded):
                if fact.found_dead and self.standing is not before:
                    # The call came with what was held before somebody else signed in on this socket.
                    return
                was_known = self.caller.signed_in
                self.connection.sign_out()
                self.desk.stand(self, NOBODY)
                # The answer is before it in the same queue.
                if not fact.found_dead:
                    self.end(errors.SIGNED_OUT, "Signed out.")
                elif was_known:
                    self.end(errors.ENDED, "The session has ended.")
                return

    @property
    def changes_session(self) -> bool:
        """Whether a call of this socket signs in or out now, so that the socket will hear of it from the call."""
        return self._calls is not None and self._calls.changes_session()

    # What the client is told

    def deliver(self, frame: Frame) -> None:
        """Show a frame of a topic, now or when the client has room."""
        if self._outlet is None and not self.socket.is_paused:
            self.socket.send(framed(frame))
        else:
            self.wait_with(frame)

    def reply(self, data: bytes) -> None:
        """Send an answer."""
        if self._outlet is None and not self.socket.is_paused:
            self.socket.send(text_frame(data))
        else:
            self.wait_with(Frame(Kind.REPLY, data))

    def wait_with(self, frame: Frame) -> bool:
        """Let a frame wait until the client has room; False for an item that has to be offered again."""
        if not self.socket.is_open:
            return True
        if self._outlet is None:
            self._outlet = Outlet(self.socket, self.desk.settings, self.desk.now, self._too_slow, self._dropped)
        return self._outlet.add(frame)

    async def send_item(self, data: bytes) -> None:
        """Send an item of a stream; waits as long as the client is behind."""
        if self._outlet is None and not self.socket.is_paused:
            self.socket.send(text_frame(data))
            return
        frame = Frame(Kind.ITEM, data)
        while not self.wait_with(frame):
            if self._outlet is not None:
                await self._outlet.room()
            if self._outlet is None and not self.socket.is_paused:
                # Nothing waits any more: an outlet made now would never be asked to flush.
                self.socket.send(framed(frame))
                return

    def fail(
        self,
        frame_id: FrameId | None,
        error: CallError | Defect | TransportFault,
        request_id: str = "",
        *,
        is_replayed: bool = False,
    ) -> None:
        """Tell that a frame failed."""
        runtime = self.desk.runtime
        told = error_object(error, request_id or runtime.ids.uuid7(), runtime.clock.now())
        self.reply(error_frame(frame_id, told, is_replayed=is_replayed))

    def _too_slow(self) -> None:
        self.end(errors.SLOW, "Too much waits to be read.")
        # What waits would stand before the close, and the client takes nothing.
        if self._outlet is not None:
            self._outlet.close()

    def _dropped(self) -> None:
        self.desk.dropped += 1

    @property
    def waiting_bytes(self) -> int:
        """What waits to be sent to it, here and in its socket."""
        return self.socket.waiting_bytes + (self._outlet.bytes if self._outlet is not None else 0)

    # Times

    def check(self, now: float) -> None:
        """End what has taken too long. Called once a sweep."""
        socket, settings = self.socket, self.desk.settings
        socket.check(now)
        if not socket.is_open:
            return
        if self._outlet is not None:
            self._outlet.check(now)
        if self.leaving_at is not None:
            self._check_leaving(now, self.leaving_at)
        elif not (settings.anonymous or self.caller.signed_in or self.is_busy):
            if now - self._opened_at > settings.sign_in_time.total_seconds():
                self.end(errors.ENDED, "Sign in first.")
        elif now >= self.standing.look_at:
            self.desk.look(self)
        if socket.can_ping:
            self._check_life(now)

    def _check_leaving(self, now: float, leaving_at: float) -> None:
        if now < leaving_at:
            return
        if self._calls is not None:
            self._calls.end_streams()
        if not self.is_busy:
            self.end(errors.RESTART, "The server goes away.")

    def _check_life(self, now: float) -> None:
        settings = self.desk.settings
        if self._pinged_at is not None and self.heard_at > self._pinged_at:
            self._pinged_at = None
        if self._pinged_at is None:
            if now - self.heard_at >= settings.ping_time.total_seconds():
                self._pinged_at = now
                self.socket.ping()
        elif now - self._pinged_at > settings.pong_time.total_seconds():
            self.end(errors.SILENT, "No sign of life.")

    @property
    def is_busy(self) -> bool:
        """Whether a call of this socket runs."""
        return self._calls is not None and bool(self._calls.running)

    def send_away(self, after_ms: int, leaving_at: float) -> None:
        """Tell the client to come back after so long, and close at this time, or when its calls have ended."""
        self.reply(reconnect_frame(after_ms))
        self.leaving_at = leaving_at

    def end(self, code: int, reason: str) -> None:
        """Close. What runs only for this client ends; calls run to their end."""
        self.socket.close(code, reason)
        if self._calls is not None:
            self._calls.leave()
