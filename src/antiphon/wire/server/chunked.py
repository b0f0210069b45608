"""Reads a chunked body (RFC 9112 §7.1), strictly, and says where it ends."""

from __future__ import annotations

from typing import final

from antiphon.wire.faults import malformed

MOST_EXTENSION_BYTES = 256
MOST_SIZE_DIGITS = 16
MOST_TRAILER_BYTES = 8 * 1024

# The body, and what is expected next:
#
#   SIZE      digits, perhaps ";" and extensions, CRLF          0 leads to TRAILER, anything else to DATA
#   DATA      so many bytes                                     leads to BREAK
#   BREAK     CRLF                                              leads to SIZE
#   TRAILER   lines until an empty one, all of them dropped     leads to ENDED
#
# llhttp could read this as well, but does not show extensions, which anyone may send without end, and reads on into
# the next request, which is not to be touched before this one is answered. A line ends with CRLF and nothing
# else: servers that take a bare LF disagree with those that do not about where a body ends.

_SIZE, _DATA, _BREAK, _TRAILER, _ENDED = range(5)
_HEX = b"0123456789abcdefABCDEF"
_NAME = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# What an extension or a trailer may hold: visible characters, space, tab, and bytes over 127 (RFC 9110 §5.5).
_TEXT = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])


@final
class ChunkedBody:
    """A body that says itself where it ends. Nothing is held of it but a line that is not whole."""

    __slots__ = ("_left", "_line", "_state", "_trailer_bytes")

    def __init__(self) -> None:
        self._state = _SIZE
        self._line = b""
        self._left = 0
        self._trailer_bytes = 0

    @property
    def ended(self) -> bool:
        """Whether the last chunk and its trailers were read."""
        return self._state == _ENDED

    def feed(self, data: bytes, pieces: list[bytes]) -> bytes:
        """Read on: the content goes to `pieces`, and what follows the body is given back.

        Raises WireFault 400, after which nothing of the connection can be read any longer.
        """
        while data and self._state != _ENDED:
            if self._state == _DATA:
                piece = data[: self._left]
                pieces.append(piece)
                self._left -= len(piece)
                data = data[len(piece) :]
                if not self._left:
                    self._state = _BREAK
            else:
                data = self._read_line(data)
        return data

    def _read_line(self, data: bytes) -> bytes:
        line = self._line + data if self._line else data
        end = line.find(b"\n")
        if end < 0:
            self._check_begun(line)
            self._line = line
            return b""
        self._line = b""
        if line[end - 1 : end] != b"\r":
            raise malformed("A line of the chunked body does not end with CRLF.", close=True)
        self._follow(line[: end - 1])
        return line[end + 1 :]

    def _check_begun(self, line: bytes) -> None:
        # What no line can become is refused now: its end may never come.
        text = line.removesuffix(b"\r")
        if self._state == _BREAK and text:
            raise malformed("A chunk is longer than its size says.", close=True)
        if self._state == _SIZE:
            self._read_size(text, whole=False)
        elif self._state == _TRAILER:
            self._check_trailer(text)

    def _follow(self, line: bytes) -> None:
        if self._state == _SIZE:
            self._left = self._read_size(line, whole=True)
            self._state = _DATA if self._left else _TRAILER
        elif self._state == _BREAK:
            if line:
                raise malformed("A chunk is longer than its size says.", close=True)
            self._state = _SIZE
        else:
            self._check_trailer(line)
            self._trailer_bytes += len(line) + 2
            name, colon, _ = line.partition(b":")
            if not line:
                self._state = _ENDED
            elif not colon or not name or name.strip(_NAME):
                # Most likely a request, from someone who takes the body to have ended before it.
                raise malformed("A trailer cannot be read.", close=True)

    def _read_size(self, line: bytes, *, whole: bool) -> int:
        digits, semicolon, extension = line.partition(b";")
        # Blanks between the size and an extension, which RFC 9112 §7.1.1 calls bad and allows, are refused: some
        # servers take the size to end there and others do not.
        if len(extension) > MOST_EXTENSION_BYTES:
            raise malformed(f"A chunk extension is longer than {MOST_EXTENSION_BYTES} bytes.", close=True)
        if len(digits) > MOST_SIZE_DIGITS or digits.strip(_HEX) or extension.translate(None, _TEXT):
            raise malformed("The size of a chunk cannot be read.", close=True)
        if not digits:
            if whole or semicolon:
                raise malformed("A chunk has no size.", close=True)
            return 0
        return int(digits, 16)

    def _check_trailer(self, line: bytes) -> None:
        if self._trailer_bytes + len(line) > MOST_TRAILER_BYTES:
            raise malformed(f"The trailers are longer than {MOST_TRAILER_BYTES:,} bytes.", close=True)
        if line.translate(None, _TEXT):
            raise malformed("A trailer cannot be read.", close=True)
