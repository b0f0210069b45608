"""What of a frame, and of the message around it, has come so far."""

from __future__ import annotations

from codecs import utf_8_decode

from antiphon.wire.websocket.closing import BAD_TEXT
from antiphon.wire.websocket.events import Fault
from antiphon.wire.websocket.masking import mask

UNKNOWN = -1
"""How much of a payload is left while its head is still awaited."""


class Broken(Exception):
    """What came cannot be read on; the code and the reason are to be closed with."""

    def __init__(self, code: int, reason: str) -> None:
        self.fault = Fault(code, reason)
        super().__init__(reason)


class Partial:
    """What is under way: a piece of a head or of a payload, or a message between two of its fragments."""

    __slots__ = ("buffer", "checked", "control", "first", "head", "key", "kind", "left", "packed", "size")

    def __init__(self) -> None:
        self.head = b""
        self.first = 0
        # Of the payload, while it comes; unknown while a head is awaited.
        self.left = UNKNOWN
        self.key = b""
        self.control = b""
        # Of the message: its opcode (0 without one), its size by all heads so far, what came of it, how much of that
        # is known to be UTF-8, and whether an extension has packed it.
        self.kind = 0
        self.size = 0
        self.buffer = bytearray()
        self.checked = 0
        self.packed = False

    def is_idle(self) -> bool:
        """Whether nothing is under way after all."""
        return self.left == UNKNOWN and not self.head and not self.kind

    def unmask(self, piece: bytes) -> bytes:
        """A piece of the payload as it was meant; the key goes on where this piece ends."""
        key, turn = self.key, len(piece) & 3
        if turn:
            self.key = key[turn:] + key[:turn]
        return mask(piece, key)

    def check_text(self, *, final: bool) -> None:
        """Look at what was added to a text. It may end within a character, unless this is the end of the text."""
        fresh = self.buffer[self.checked :]
        try:
            known = utf_8_decode(fresh, "strict", final)[1]
        except UnicodeDecodeError:
            raise not_utf8() from None
        # Python waits for the third byte of a surrogate, because some of its error modes let it pass. Two are enough.
        if len(fresh) - known > 1 and fresh[known] == 0xED and fresh[known + 1] > 0x9F:
            raise not_utf8()
        self.checked += known

    def end_message(self) -> None:
        """Forget the message."""
        self.kind = self.size = self.checked = 0
        if self.buffer:
            self.buffer = bytearray()


def is_utf8(text: bytes) -> bool:
    """Whether all of `text` is UTF-8, without surrogates and longer forms than needed (RFC 3629)."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def not_utf8() -> Broken:
    """What is said of a text that is not UTF-8."""
    return Broken(BAD_TEXT, "A text is not UTF-8.")
