"""When a client counts as one that takes nothing, looked at without a socket."""

from __future__ import annotations

import asyncio

from antiphon.wire.server.flow import Flow


class Held(asyncio.Transport):
    """A transport that keeps what is written until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 0

    def write(self, data: object) -> None:
        """Keep it."""
        assert isinstance(data, bytes)
        self.size += len(data)

    def get_write_buffer_size(self) -> int:
        """How much is kept."""
        return self.size


def test_a_first_answer_that_waits_at_the_first_look_is_no_stall() -> None:
    """A loop may write at its next turn only: what waits when nobody has looked before has waited for no time."""
    transport = Held()
    flow = Flow(transport)
    flow.out.append(b"answer")
    flow.flush()

    assert not flow.is_stalled(1000.0, 60.0)
    assert not flow.is_stalled(1060.0, 60.0)
    assert flow.is_stalled(1060.1, 60.0)


def test_a_stall_begins_with_the_last_byte_taken() -> None:
    """Whatever is taken, however little, begins the time anew; when all is taken there is none."""
    transport = Held()
    flow = Flow(transport)
    flow.out.append(b"answer")
    flow.flush()
    assert not flow.is_stalled(1000.0, 60.0)
    transport.size -= 1

    assert not flow.is_stalled(1070.0, 60.0)
    assert not flow.is_stalled(1130.0, 60.0)
    assert flow.is_stalled(1131.0, 60.0)
    transport.size = 0
    assert not flow.is_stalled(2000.0, 60.0)
