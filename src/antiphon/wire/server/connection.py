"""One connection: bytes in, requests up, answers out, in their order, until somebody has had enough."""

from __future__ import annotations

import asyncio
from typing import Final, cast, final

from antiphon.wire.faults import WireFault, request_timeout
from antiphon.wire.request import ClientLeft
from antiphon.wire.response import DEFECT, NOT_AT_ONCE, Headers, Later, Response
from antiphon.wire.server.flow import Flow
from antiphon.wire.server.heads import HeadReader
from antiphon.wire.server.request import HELD_BYTES, ServerRequest
from antiphon.wire.server.sending import AT_EOF, CLOSE, CLOSE_FIELD, KEEP, NEVER, WHEN_LOST, pour, write_plain
from antiphon.wire.server.shared import Shared

# The life of a connection
#
#   state    what came, what is awaited                     ends it, or leads on
#   NEW      nothing at all                                 head time: closed. First byte: HEAD
#   IDLE     nothing of a next request                      idle time: closed. First byte: HEAD
#   HEAD     some of a head                                 head time: 408. Whole: BUSY. No head: 400, 414, 431
#   BUSY     a request is with the layer above; its body    answered: IDLE, or HEAD when more has come, or ENDING
#            may be arriving, its answer leaving            body too slow: 408 told to its reader
#   ENDING   the last answer leaves; what still comes is    taken: closed. Bytes on their way that nobody will read:
#            thrown away                                    closed once the client closes, after 2 s, or 1 MiB
#   GONE     nothing, or another protocol has it            –
#
# In every state, an answer of which nothing was taken for a minute ends the connection.
#
# What ends it after an answer: "connection: close" in it, a request that asked for it, HTTP/1.0 without keep-alive, a
# drain, a body that was not read to its end, bytes that are no request. A drain lets NEW and HEAD go on to BUSY if they
# have begun just now: who was let in has asked, as far as they know. While the client sends what nobody will read,
# the end waits for it: closing would reset the connection, and the reset overtakes the answer (RFC 9112 §9.6). No byte
# after a fault is ever read as a request.
#
# One request at a time is with the layer above. What comes behind it (pipelining), or behind answers that nobody takes,
# waits here (BUSY), at most 64 KiB, then the client is held back. Answers of one read are joined into one write.

_NEW, _IDLE, _HEAD, _BUSY, _ENDING, _GONE = range(6)
_ASKING = (_NEW, _HEAD)

_JOINED, _LARGE_BYTES = 64, 16 * 1024
"""Answers joined into one write, and one that joins none. A client that has not taken them gets no more."""

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


@final
class Connection(asyncio.Protocol):
    """The server's end of one connection."""

    __slots__ = (
        "_address",
        "_begun",
        "_cancels",
        "_dropped_bytes",
        "_heard",
        "_leaving",
        "_reader",
        "_request",
        "_respond",
        "_rest",
        "_since",
        "_state",
        "_taking",
        "_task",
        "_unread",
        "closing",
        "flow",
        "peer",
        "scheme",
        "shared",
    )

    flow: Flow

    def __init__(self, shared: Shared, peer: str, address: str, scheme: str) -> None:
        self.shared = shared
        self.peer = peer
        self.scheme = scheme
        self._address = address
        self._respond = shared.respond
        self._state = _NEW
        self._since = shared.now
        self._reader = HeadReader(shared.bounds.head)
        self._request: ServerRequest | None = None
        self._task: asyncio.Task[None] | None = None
        self._rest, self._dropped_bytes = b"", 0
        self._cancels = NEVER
        self._taking = self.closing = self._unread = self._begun = self._leaving = self._heard = False

    # What the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: nothing is expected but a first request."""
        self.flow = Flow(cast("asyncio.Transport", transport))
        self.shared.connections.add(self)
        self.closing = self.shared.hushed
        if self.shared.full:
            # Decided once for a connection: those that were here first are not disturbed by who comes now.
            self._respond = self.shared.turn_away

    def data_received(self, data: bytes) -> None:
        """Answer what can be answered now."""
        if self._state <= _HEAD:
            self._take(data)
        elif self._state == _BUSY:
            if self._request is not None and not self._request.ended:
                data = self._feed(self._request, data)
            if data:
                self._hold(data)
        else:
            self._dropped_bytes += len(data)
            if self._dropped_bytes > self.shared.bounds.linger_bytes:
                self.abort()

    def eof_received(self) -> bool:
        """The client sends no more. It may still read, so what it has asked for is answered before the end."""
        if self._request is None:
            return False
        self._heard, self.closing = True, not self._rest
        self._request.leave()
        self._cancel(AT_EOF)
        # Over TLS there is no half of a connection.
        return self.scheme == "http"

    def connection_lost(self, exc: Exception | None) -> None:
        """End: whoever waits for this client is told."""
        self._state = _GONE
        self.shared.forget(self, self._address)
        self._reader.close()
        self.flow.wake()
        if self._request is not None:
            self._request.leave()
        self._cancel(WHEN_LOST)

    def _cancel(self, news: int) -> None:
        if self._cancels >= news and self._task is not None and not self._leaving:
            self._leaving = True
            self._task.cancel()

    def pause_writing(self) -> None:
        """The client takes less than it is given: what it asks for meanwhile waits behind what it was answered."""
        self.flow.paused = True
        if self._state <= _HEAD:
            self._state = _BUSY

    def resume_writing(self) -> None:
        """The client has taken most of it."""
        self.flow.paused = False
        if not self.flow.wake() and self._request is None and not self._taking and self._state < _ENDING:
            self._go_on()
            if self._state == _IDLE and self._reader.begun:
                self._state = _HEAD

    # From bytes to requests

    def _take(self, data: bytes) -> None:
        """Answer every whole request; keep what begins another."""
        reader, flow = self._reader, self.flow
        self._taking = True
        try:
            while True:
                if not reader.read(data):
                    if self._state != _HEAD and reader.begun:
                        self._state, self._since = _HEAD, self.shared.now
                    break
                if not self._begin(reader):
                    break
                data, self._rest = self._rest, b""
                self._state, self._since = _IDLE, self.shared.now
                if not data:
                    break
                if len(flow.out) >= _JOINED or (flow.out and len(flow.out[-1]) >= _LARGE_BYTES):
                    flow.flush()
                if flow.paused:
                    self._hold(data)
                    break
        except WireFault as fault:
            self._refuse(fault)
        finally:
            self._taking = False
        if flow.out:
            flow.flush()
        if self._request is None and (self._heard or (self.closing and (self._unread or self._state not in _ASKING))):
            self._end()

    def _begin(self, reader: HeadReader) -> bool:
        """Hand one request up; whether the next may follow at once."""
        fields = reader.fields
        if fields.closes or (reader.version == "1.0" and not fields.keeps):
            self.closing = True
        request = ServerRequest(self, reader.method, reader.path, reader.query, reader.version, fields)
        self._request = request
        self._state = _BUSY
        rest = reader.rest
        if request.has_body:
            rest = request.begin_body(rest)
            if rest and not request.ended:
                rest = self._feed(request, rest)
        self._rest = rest
        if self._heard:
            request.leave()
        try:
            answer = self._respond(request)
            if type(answer) is Response:
                self.flow.out.append(write_plain(self, request, answer))
        except Exception as defect:  # noqa: BLE001  # the last place where it can become an answer
            self.shared.report(defect)
            answer = DEFECT
            self._put(request, answer)
        if type(answer) is Response:
            self._request = None
            return not self.closing
        # Begun here and now: what never waits is answered within this read.
        task = asyncio.Task(self._answer(request, answer), loop=self.shared.loop, eager_start=True)
        if task.done():
            return not self.closing and self._state == _BUSY
        self._task = task
        self.shared.answers.add(task)
        task.add_done_callback(self.shared.answers.discard)
        return False

    def _feed(self, request: ServerRequest, data: bytes) -> bytes:
        """Give a body its bytes, and back what follows it."""
        try:
            return request.feed(data)
        except WireFault as fault:
            # Nothing behind this can be told apart from the body any longer. Whoever reads the body tells the fault.
            self.closing = True
            request.fail(fault)
            self.flow.hold_back()
            return b""

    def _hold(self, data: bytes) -> None:
        self._rest = self._rest + data if self._rest else data
        if len(self._rest) > HELD_BYTES:
            self.flow.hold_back()

    def _refuse(self, fault: WireFault) -> None:
        """Tell that these bytes are no request, and read nothing more."""
        self.closing = self._unread = True
        self._request = None
        self._put(None, self.shared.told(fault))

    def _go_on(self) -> None:
        """After an answer: the next request, the end, or rest."""
        if self._state == _GONE:
            return
        if self.flow.out:
            self.flow.flush()
        if self.closing or (self._heard and not self._rest):
            self._end()
            return
        self._since = self.shared.now
        if self.flow.paused:
            self._state = _BUSY
            return
        self._state = _IDLE
        data, self._rest = self._rest, b""
        if data:
            self._take(data)
        if len(self._rest) <= HELD_BYTES and (self._request is None or not self._request.is_full):
            self.flow.let_go()

    # From answers to bytes

    async def _answer(self, request: ServerRequest, later: Later) -> None:
        """Write an answer that is not there at once, or not as a whole."""
        try:
            answer = later if isinstance(later, NOT_AT_ONCE) else await later
            if type(answer) is not Response:
                await pour(self, request, answer)
            elif self._state != _GONE:
                self.flow.out.append(write_plain(self, request, answer))
        except ClientLeft:
            self.closing = True
        except asyncio.CancelledError:
            self.abort()
            if not self._leaving:
                raise
        except Exception as defect:  # noqa: BLE001  # the last place where it can become an answer
            self.shared.report(defect)
            if self._begun:
                # Cut, so that nobody takes what has left for the whole.
                self.abort()
            else:
                self._put(request, DEFECT)
        finally:
            if request.watchers is not None:
                request.release()
            self._request = self._task = None
            self._begun, self._cancels = False, NEVER
        if self._taking:
            return
        if self._rest:
            # In the context of the connection: the next request must not see what this one's task has set.
            self.shared.loop.call_soon(self._go_on, context=self.shared.context)
        else:
            self._go_on()

    def _put(self, request: ServerRequest | None, answer: Response) -> None:
        """Write a whole answer, together with the others of this read."""
        if self._state == _GONE:
            return
        try:
            self.flow.out.append(write_plain(self, request, answer))
        except ValueError as defect:
            self.shared.report(defect)
            self.flow.out.append(write_plain(self, request, DEFECT))

    def _end(self) -> None:
        """Close: at once when nothing is on its way, else after the client has taken the answer."""
        if self._state >= _ENDING:
            return
        if self.flow.out:
            self.flow.flush()
        self._state, self._since = _ENDING, self.shared.now
        end = self.flow.end_ours if self._unread or self._rest else self.flow.end
        end()
        self._rest = b""

    # For whoever writes an answer

    def ending(self, request: ServerRequest | None, headers: Headers) -> bytes:
        """The line that says how the connection goes on after an answer with these headers."""
        if request is not None and not request.ended:
            # What the client still sends is nobody's. One that waits for our 100 sends nothing.
            self.closing = True
            self._unread = not request.is_held_back
        if CLOSE_FIELD in headers:
            self.closing = True
            return b""
        if self.closing:
            return CLOSE
        return KEEP if request is not None and request.version == "1.0" else b""

    def write(self, data: bytes) -> None:
        """Write a part of an answer, behind what waits."""
        self._begun = True
        self.flow.out.append(data)
        self.flow.flush()

    def cancel_when(self, news: int) -> None:
        """From here on the answer is cancelled at this news of its client."""
        self._cancels = news

    def hand_over(self, head: bytes, protocol: asyncio.Protocol) -> None:
        """Give the transport to another protocol, with what has come behind the request."""
        if self._state == _GONE:
            return
        transport, rest = self.flow.transport, self._rest
        self.write(head)
        self.flow.let_go()
        self._state, self._rest = _GONE, b""
        self._reader.close()
        self.shared.hand_over(self, transport, self._address)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if rest:
            protocol.data_received(rest)

    def await_body(self, *, invite: bool) -> None:
        """Begin to expect a body, and ask for it when the client waits for that (RFC 9110 §10.1.1)."""
        self._since = self.shared.now
        if invite and self._state == _BUSY and not self._begun:
            self.flow.out.append(_CONTINUE)
            self.flow.flush()

    # For the listener

    def check(self, now: float) -> None:
        """End what has taken too long. Called once a sweep, with the time."""
        bounds, state = self.shared.bounds, self._state
        # `_since` may be one sweep behind.
        age = now - self._since - bounds.sweep_seconds
        if state == _BUSY:
            if self._request is not None:
                self._request.check_rate(age, bounds)
        elif state == _ENDING:
            if age > bounds.linger_seconds and self.flow.is_empty:
                self.abort()
        elif age > (bounds.idle_seconds if state == _IDLE else bounds.head_seconds):
            if state == _HEAD:
                self._refuse(request_timeout("The head of the request did not arrive in time."))
            self._end()
        if self.flow.is_stalled(now, bounds.stall_seconds):
            self.abort()

    def hush(self) -> None:
        """Take no further request: end now, or after the one that is here or on its way."""
        self.closing = True
        if self._request is None and (self._state not in _ASKING or self.shared.is_late(self._since)):
            self._end()

    def abort(self) -> None:
        """End now, and read nothing more as a request."""
        self.closing = True
        self.flow.transport.abort()
