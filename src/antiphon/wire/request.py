"""What every HTTP request can be asked, whichever server read it; headers and body are taken only when asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from antiphon.wire.faults import expectation_failed
from antiphon.wire.head import Head


class ClientLeft(Exception):
    """The client went away before its request was complete: there is nobody to answer."""


class Request:
    """One HTTP request. All that it holds was sent by anyone and is untrusted.

    Abstract without `ABC`: of a class that has a metaclass, making an object takes the interpreter twice as long.
    """

    method: str
    """As sent, in upper case."""

    path: bytes
    """Raw, still percent-encoded, without the query."""

    query: bytes
    """Raw, without "?"; empty when there is none."""

    scheme: str
    """Of the connection itself, `http` or `https`, whatever a proxy says of the one before it."""

    version: str
    """`1.1` or `1.0`; `2` or `3` behind an ASGI server that speaks them."""

    head: Head
    """The header fields; requests of one connection that carry the same ones may share it."""

    has_body: bool
    """Whether a body was announced, by a Content-Length over 0 or a Transfer-Encoding."""

    left = False
    """The client is known to be gone. False also when nobody has looked."""

    def header(self, name: bytes) -> str | None:
        """The value of a header by its lower-case name, as `Head.get` gives it."""
        return self.head.get(name)

    def header_values(self, name: bytes) -> list[str]:
        """The value of each occurrence of a header, by its lower-case name."""
        return self.head.values(name)

    def header_items(self) -> Sequence[tuple[bytes, bytes]]:
        """Every header as it came, names in lower case."""
        return self.head.items()

    @property
    def peer(self) -> str:
        """The address at the other end of the connection, a proxy's if there is one; empty for a Unix socket."""
        raise NotImplementedError

    async def body(self, limit_bytes: int) -> bytes:
        """The whole body, which is read once only; empty at once when none was announced.

        Raises WireFault TOO_LARGE before more than the limit is held, and without reading anything when
        Content-Length says so already; ClientLeft when the client leaves before the end; RuntimeError the second time.
        """
        raise NotImplementedError

    def body_now(self, limit_bytes: int) -> bytes | None:
        """The whole body when it has arrived already, read as by `body`; None when that has to be awaited."""
        return None

    def chunks(self, limit_bytes: int) -> AsyncIterator[bytes]:
        """The body as it arrives, never an empty chunk; bounded, raising and read once only like `body`."""
        raise NotImplementedError

    async def wait_until_left(self) -> None:
        """Return when the client has gone; cancelled when the answer is out before that.

        Only for a body that was read already, or that nobody will read: what is left of it is dropped.
        """
        raise NotImplementedError


def check_expectation(request: Request) -> None:
    """Raise WireFault 417 when the client expects anything but `100-continue` (RFC 9110 §10.1.1).

    The 100 itself is sent by the server at the first read of the body, which comes only after permission and limits.
    """
    expect = request.header(b"expect")
    # Nearly every request stops here.
    if expect is None:
        return
    if any(word.strip().lower() != "100-continue" for word in expect.split(",")):
        raise expectation_failed()
