"""Reads frames from bytes as they come, in whatever pieces, and gives messages, control frames, or one fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from antiphon.wire.websocket.closing import PROTOCOL_ERROR, TOO_BIG, read_close
from antiphon.wire.websocket.events import Binary, Close, Event, Fault, Ping, Pong
from antiphon.wire.websocket.frames import BINARY, CLOSE, CONTINUATION, CONTROL_BYTES, FINAL, MASKED, PING, PONG, TEXT
from antiphon.wire.websocket.masking import mask
from antiphon.wire.websocket.partial import UNKNOWN, Broken, Partial, is_utf8, not_utf8

# A connection is a sequence of frames. Some are messages, or the first fragment of one; control frames may stand
# between the fragments of a message, whole messages may not. So what is under way is at most one frame, its head or
# its payload, and around it at most one message:
#
#   state       held                           a head, a payload              what ends it
#   idle        nothing at all                 -                              the first byte of a frame
#   head        1 to 13 bytes of it            begins here                    its last byte
#   payload     of a message: what came of it  what comes now                 its last byte: message or between
#               of a control frame: same
#   between     the message so far             continuation or control        the final fragment
#   over        nothing                        dropped                        -
#
# Most reads bring exactly one whole frame to an idle connection, so that way is short and makes nothing but the
# answer. All others make one object, which is dropped as soon as the connection is idle again.
#
# What is refused, when it is seen, and with what (RFC 6455):
#
#   two bytes of a head    a reserved bit without an extension (§5.2), an unknown opcode (§5.2), a control frame in
#                          fragments or over 125 bytes (§5.5), a continuation of nothing, a message within a message
#                          (§5.4), a mask missing from a client or set by a server (§5.1)                      1002
#   the whole length       not its shortest form, or over 63 bits (§5.2)                                       1002
#                          more than may be held, fragments before it counted in                               1009
#   any byte of a text     not UTF-8 whatever may follow (§8.1)                                                1007
#   the end of a message   in the middle of a character                                                        1007
#   the end of a close     half a code, a code that may not be sent (§7.4) 1002; its reason not UTF-8          1007

_RESERVED = 0x70
_LONGEST_HEAD = 14
_WHOLE_TEXT = FINAL | TEXT
# Never changed: whoever is over looks no further.
_NOTHING_MORE: Final = Partial()


class FrameReader:
    """Reads the frames of a client. Idle it holds no buffer, and while a message comes no more than `limit_bytes`.

    `limit_bytes` bounds a message over all its fragments and is at least 125, the size of a control frame.
    """

    __slots__ = ("_partial", "limit_bytes")

    from_client: ClassVar[bool] = True

    def __init__(self, limit_bytes: int) -> None:
        if limit_bytes < CONTROL_BYTES:
            raise ValueError(f"A message of {CONTROL_BYTES} bytes must always pass; the limit was {limit_bytes}.")
        self.limit_bytes = limit_bytes
        self._partial: Partial | None = None

    @property
    def is_over(self) -> bool:
        """Whether a Close or a Fault was given; whatever comes after it is dropped."""
        return self._partial is _NOTHING_MORE

    def feed(self, data: bytes) -> Sequence[Event]:
        """What these bytes complete, in order. A Fault or Close is the last event there is."""
        if self._partial is None:
            size = len(data)
            # One whole masked text of up to 125 bytes: its length and the mask bit are what the segment's size says.
            if 5 < size < 132 and data[1] == size + 122 and data[0] == _WHOLE_TEXT:
                text = mask(data[6:], data[2:6])
                if text.isascii() or is_utf8(text):
                    return (text,)
        return self._feed(data)

    def _feed(self, data: bytes) -> Sequence[Event]:
        events: list[Event] = []
        partial, at = self._partial, 0
        if partial is None:
            if self.from_client:
                at = self._read_texts(data, events)
                if at == len(data):
                    return events
            partial = self._partial = Partial()
        elif partial is _NOTHING_MORE:
            return events
        try:
            self._read(partial, data, at, events)
        except Broken as broken:
            events.append(broken.fault)
            self._partial = _NOTHING_MORE
        else:
            if events and type(events[-1]) is Close:
                self._partial = _NOTHING_MORE
            elif partial.is_idle():
                self._partial = None
        return events

    def _read_texts(self, data: bytes, events: list[Event]) -> int:
        """Read whole texts as long as nothing else comes, and return where the first thing else begins.

        Whatever is wrong is left to the long way, which knows the words for it.
        """
        at, end = 0, len(data)
        while end - at > 5 and data[at] == _WHOLE_TEXT:
            size = data[at + 1]
            if MASKED <= size <= MASKED + CONTROL_BYTES:
                start = at + 6
                stop = start + size - MASKED
            elif size == MASKED + 126 and end - at > 8:
                size = int.from_bytes(data[at + 2 : at + 4])
                if not CONTROL_BYTES < size <= self.limit_bytes:
                    break
                start = at + 8
                stop = start + size
            else:
                break
            if stop > end:
                break
            text = mask(data[start:stop], data[start - 4 : start])
            if not text.isascii() and not is_utf8(text):
                break
            events.append(text)
            at = stop
        return at

    def _read(self, partial: Partial, data: bytes, at: int, events: list[Event]) -> None:
        while True:
            if partial.left == UNKNOWN:
                at = self._read_head(partial, data, at)
                if partial.left == UNKNOWN:
                    return
            piece = data[at : at + partial.left]
            at += len(piece)
            partial.left -= len(piece)
            if partial.key:
                piece = partial.unmask(piece)
            event = self._take_control(partial, piece) if partial.first & 8 else self._take_data(partial, piece)
            if event is not None:
                events.append(event)
                if type(event) is Close:
                    return
            if partial.left:
                return
            partial.left = UNKNOWN

    # heads

    def _read_head(self, partial: Partial, data: bytes, at: int) -> int:
        """Read on in a head, and return where it ends. What it holds is looked at as soon as it is there."""
        before = len(partial.head)
        head = partial.head + data[at : at + _LONGEST_HEAD - before]
        have = len(head)
        if have < 2:
            partial.head = head
            return len(data)
        first, second = head[0], head[1]
        self._check_head(partial, first, second)
        size, short = 2, second & 127
        if short > CONTROL_BYTES:
            size = 4 if short == 126 else 10
        need = size + 4 if self.from_client else size
        if have >= size:
            length = short if size == 2 else _long_length(head[2:size])
            if not first & 8 and length + partial.size > self.limit_bytes:
                raise Broken(TOO_BIG, f"A message is larger than {self.limit_bytes} bytes.")
            if have >= need:
                partial.head, partial.first, partial.left = b"", first, length
                partial.key = head[size:need]
                if not first & 8:
                    self._begin_data(partial, first, length)
                return at + need - before
        partial.head = head
        return len(data)

    def _check_head(self, partial: Partial, first: int, second: int) -> None:
        opcode = first & 15
        if first & _RESERVED and not self._is_reserved_used(first):
            raise Broken(PROTOCOL_ERROR, "A reserved bit is set.")
        if opcode > PONG or BINARY < opcode < CLOSE:
            raise Broken(PROTOCOL_ERROR, "A frame has an unknown opcode.")
        if opcode >= CLOSE:
            if not first & FINAL:
                raise Broken(PROTOCOL_ERROR, "A control frame is fragmented.")
            if second & 127 > CONTROL_BYTES:
                raise Broken(PROTOCOL_ERROR, "A control frame is longer than 125 bytes.")
        elif opcode == CONTINUATION:
            if not partial.kind:
                raise Broken(PROTOCOL_ERROR, "There is no message to continue.")
        elif partial.kind:
            raise Broken(PROTOCOL_ERROR, "A message begins within another.")
        if (second & MASKED != 0) is not self.from_client:
            raise Broken(PROTOCOL_ERROR, "A client's frames must be masked, and a server's must not.")

    def _begin_data(self, partial: Partial, first: int, length: int) -> None:
        partial.size += length
        if first & 15:
            partial.kind = first & 15
            partial.packed = first & _RESERVED != 0

    # payloads

    def _take_control(self, partial: Partial, piece: bytes) -> Event | None:
        payload = partial.control + piece
        if partial.left:
            partial.control = payload
            return None
        partial.control = b""
        opcode = partial.first & 15
        if opcode != CLOSE:
            return Ping(payload) if opcode == PING else Pong(payload)
        close = read_close(payload)
        if type(close) is Fault:
            raise Broken(*close)
        return close

    def _take_data(self, partial: Partial, piece: bytes) -> Event | None:
        last = not partial.left and partial.first & FINAL != 0
        if not piece and not last:
            return None
        if partial.packed:
            piece = self._unpack(partial, piece, last=last)
        if last and not partial.buffer:
            if partial.kind == TEXT and not piece.isascii() and not is_utf8(piece):
                raise not_utf8()
            whole = piece
        else:
            partial.buffer += piece
            if partial.kind == TEXT:
                partial.check_text(final=last)
            if not last:
                return None
            whole = bytes(partial.buffer)
        kind = partial.kind
        partial.end_message()
        return whole if kind == TEXT else Binary(whole)

    # for an extension

    def _is_reserved_used(self, first: int) -> bool:
        """Whether an extension has given the reserved bits of this frame a meaning."""
        return False

    def _unpack(self, partial: Partial, piece: bytes, *, last: bool) -> bytes:
        """What a piece of a message says that an extension has packed."""
        raise NotImplementedError


class ServerFrameReader(FrameReader):
    """Reads the frames of a server, for a client; everything else as in FrameReader."""

    __slots__ = ()

    from_client = False

    def feed(self, data: bytes) -> Sequence[Event]:
        """What these bytes complete, in order. A Fault or Close is the last event there is."""
        return self._feed(data)


def _long_length(digits: bytes) -> int:
    length = int.from_bytes(digits)
    if length >> 63:
        raise Broken(PROTOCOL_ERROR, "A length has more than 63 bits.")
    if length <= CONTROL_BYTES or (len(digits) == 8 and length < 1 << 16):
        raise Broken(PROTOCOL_ERROR, "A length is not in its shortest form.")
    return length
