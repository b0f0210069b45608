"""Who watches: what a transport must be for the hub, and the place of one watcher in one topic."""

# A watch goes one way, so that nothing is missed, nothing comes twice, and the reply comes first:
#
#     state      live events                                        becomes
#     held       are held back, with their offsets                  following, at `begin`, after the reply was sent
#     following  are shown when they are above the answered offset  live, when the node's own place has reached it
#     live       are shown                                          gone
#     gone       nothing is shown any more

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from antiphon.core.context import Context
from antiphon.core.errors import Unavailable
from antiphon.services.channels.frames import Frame, Subscribed

if TYPE_CHECKING:
    from antiphon.services.channels.feed import Feed


class Watcher(Protocol):
    """One connection, as its transport shows it to the hub."""

    watches: dict[str, Watch]
    """What it watches, by topic. It begins empty, and only the hub changes it."""

    def deliver(self, frame: Frame) -> None:
        """Send a frame or put it into the queue. It must not wait and must not raise."""
        ...

    def context(self) -> Context:
        """A new context on this connection, whose caller is not identified yet: for asking a door again."""
        ...


class Watch:
    """One watcher of one topic."""

    __slots__ = (
        "answer",
        "arguments",
        "began",
        "bound_bytes",
        "feed",
        "gone",
        "held",
        "held_bytes",
        "present",
        "user",
        "watcher",
    )

    def __init__(self, feed: Feed, watcher: Watcher, arguments: dict[str, Any], bound_bytes: int) -> None:
        self.feed = feed
        self.watcher = watcher
        self.arguments = arguments
        self.bound_bytes = bound_bytes
        self.user = ""
        self.present = False
        self.answer: Subscribed = Subscribed(feed.topic)
        self.held: list[tuple[int | None, Frame]] = []
        self.held_bytes = 0
        self.began = False
        self.gone = False

    @property
    def answered(self) -> int:
        """The offset that the reply names; 0 without a log."""
        return self.answer.offset if isinstance(self.answer.offset, int) else 0

    def hold_again(self) -> None:
        """Begin anew: what comes from now on is held back until the next `begin`."""
        self.began = False
        self.held, self.held_bytes = [], 0

    def begin(self) -> None:
        """Show what was held back and everything from now on. Encode and send the reply first, in the same step."""
        if self.began or self.gone:
            return
        self.began = True
        if self.answer.members or self.answer.missed:
            # Only the place is asked for again; the lists would be held as long as the connection.
            self.answer = Subscribed(self.answer.topic, self.answer.epoch, self.answer.offset)
        held, self.held, self.held_bytes = self.held, [], 0
        for offset, frame in held:
            self._show(offset, frame)
        self.feed.settle(self)

    def take(self, offset: int | None, frame: Frame) -> None:
        """A live event while it is not live itself."""
        if self.began:
            self._show(offset, frame)
            return
        self.held_bytes += len(frame.data)
        if self.held_bytes <= self.bound_bytes:
            self.held.append((offset, frame))

    def check(self) -> None:
        """Raises Unavailable when the watcher has gone, or more was held back than may be."""
        if self.gone:
            raise Unavailable("The connection has ended.")
        if self.held_bytes > self.bound_bytes:
            raise Unavailable("Too much happened on this topic while it was being subscribed to. Try again.")

    def _show(self, offset: int | None, frame: Frame) -> None:
        if not self.gone and (offset is None or offset > self.answered):
            self.watcher.deliver(frame)
