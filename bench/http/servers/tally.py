"""What the three middlewares do, whatever their shape: the same counting, timing and checking for every server."""

from __future__ import annotations

from random import getrandbits

from bench.http.works import BLOCKED_AGENT


class Tally:
    """What the middlewares of one server have seen, shown at `/api/tally` so that the proof can ask."""

    __slots__ = ("counted", "seconds", "timed")

    def __init__(self) -> None:
        self.counted = 0
        self.timed = 0
        self.seconds = 0.0

    def count(self) -> None:
        """One more call has come in."""
        self.counted += 1

    def time(self, seconds: float) -> None:
        """One more call was answered, in so many seconds."""
        self.timed += 1
        self.seconds += seconds

    def shown(self) -> dict[str, int]:
        """The answer of `/api/tally`."""
        return {"counted": self.counted, "timed": self.timed}


def blocked(agent: str | None) -> bool:
    """Whether the check refuses this `User-Agent`."""
    return agent is not None and agent.startswith(BLOCKED_AGENT)


def new_request_id() -> str:
    """A request id; the cheapest honest one, so that no server pays for a slower taste in ids."""
    return f"{getrandbits(128):032x}"
