"""Compressed messages (permessage-deflate, RFC 7692), agreed on and packed by the sans-I/O layer of `websockets`."""

from __future__ import annotations

from typing import Final

from websockets.exceptions import InvalidHeader, NegotiationError, PayloadTooBig, ProtocolError
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.headers import build_extension, parse_extension

from antiphon.wire.faults import malformed
from antiphon.wire.websocket.closing import PROTOCOL_ERROR, TOO_BIG
from antiphon.wire.websocket.frames import BINARY, FINAL, TEXT, frame, payload_at
from antiphon.wire.websocket.partial import Broken, Partial
from antiphon.wire.websocket.reading import FrameReader

# A compressed message has RSV1 set in its first frame, and only there; control frames never have it. The payloads of
# its frames are one deflate stream, cut anywhere. So a piece of a payload is given to the library as if it were a
# fragment of its own, as soon as it comes: what it says is checked and counted byte by byte, like the text of a plain
# message, and nothing packed is ever held.
#
#   size                    bound                      crossed
#   by the heads, packed    limit_bytes of a message   1009 before the payload is held, by FrameReader
#   inflated so far         limit_bytes of a message   1009 after one byte too many; zlib never makes the second
#   no deflate stream       -                          1002
#
# Without context takeover, in both directions: every message is packed by itself. An idle socket then holds no window
# (up to 44 KiB otherwise), and a broadcast is packed once for all who agreed on the same window.

RSV1: Final = 0x40
_NAME: Final = "permessage-deflate"
_WINDOW_BITS: Final = 12
_SMALLEST_BYTES: Final = 256


class Deflate:
    """Compression as a server offers it, one object for all its sockets."""

    __slots__ = ("_factory", "_last")

    def __init__(self) -> None:
        # A window of 4 KiB: what is sent here is rarely longer, and packing takes an eighth of the memory.
        self._factory = ServerPerMessageDeflateFactory(
            server_no_context_takeover=True,
            client_no_context_takeover=True,
            server_max_window_bits=_WINDOW_BITS,
            compress_settings={"memLevel": 5},
        )
        self._last: tuple[bytes, int, bytes] = (b"", 0, b"")

    def agree(self, offers: str) -> Deflated | None:
        """The first of a client's offers that can be met, or None. `offers` is Sec-WebSocket-Extensions.

        Raises WireFault MALFORMED when it cannot be read.
        """
        try:
            extensions = parse_extension(offers)
        except InvalidHeader:
            raise malformed("Sec-WebSocket-Extensions cannot be read.") from None
        for name, parameters in extensions:
            if name != _NAME:
                continue
            try:
                terms, extension = self._factory.process_request_params(parameters, [])
            except NegotiationError:
                continue
            return Deflated(self, extension, build_extension([(name, terms)]).encode())
        return None

    def pack(self, whole: bytes, extension: PerMessageDeflate) -> bytes:
        """The packed form of a server's frame of one whole message; the same frame is packed once for many sockets."""
        if len(whole) < _SMALLEST_BYTES or whole[0] not in (FINAL | TEXT, FINAL | BINARY):
            return whole
        bits = extension.local_max_window_bits
        before, before_bits, packed = self._last
        if whole is not before or bits != before_bits:
            opcode = whole[0] & 15
            payload = extension.encode(Frame(Opcode(opcode), whole[payload_at(whole) :])).data
            packed = frame(opcode, bytes(payload), reserved=RSV1)
            # What does not get smaller may go as it is (RFC 7692 §6).
            packed = packed if len(packed) < len(whole) else whole
            self._last = (whole, bits, packed)
        return packed


class Deflated:
    """What one socket agreed on: `terms` for its 101, a reader, and a packer."""

    __slots__ = ("_deflate", "_extension", "terms")

    def __init__(self, deflate: Deflate, extension: PerMessageDeflate, terms: bytes) -> None:
        self._deflate = deflate
        self._extension = extension
        self.terms = terms

    def reader(self, limit_bytes: int) -> FrameReader:
        """A reader of this client's frames, with `limit_bytes` before and after inflating."""
        return DeflatedReader(limit_bytes, self._extension)

    def pack(self, whole: bytes) -> bytes:
        """A server's frame as it is sent on this socket: packed where that is worth it."""
        return self._deflate.pack(whole, self._extension)


class DeflatedReader(FrameReader):
    """Reads the frames of a client that may compress its messages; everything else as in FrameReader."""

    __slots__ = ("_extension",)

    def __init__(self, limit_bytes: int, extension: PerMessageDeflate) -> None:
        super().__init__(limit_bytes)
        self._extension = extension

    def _is_reserved_used(self, first: int) -> bool:
        return first & 0x7F in (RSV1 | TEXT, RSV1 | BINARY)

    def _unpack(self, partial: Partial, piece: bytes, *, last: bool) -> bytes:
        extension = self._extension
        goes_on = extension.decode_cont_data
        opcode = Opcode.CONT if goes_on else Opcode.BINARY
        room = self.limit_bytes - len(partial.buffer)
        try:
            # One byte more than may be, so that the library's bound is never 0, which to zlib means none at all.
            inflated = extension.decode(Frame(opcode, piece, last, rsv1=not goes_on), max_size=room + 1).data
        except PayloadTooBig:
            raise self._too_big() from None
        except ProtocolError:
            raise Broken(PROTOCOL_ERROR, "A compressed message cannot be inflated.") from None
        if len(inflated) > room:
            raise self._too_big()
        return bytes(inflated)

    def _too_big(self) -> Broken:
        return Broken(TOO_BIG, f"A message is larger than {self.limit_bytes} bytes when inflated.")
