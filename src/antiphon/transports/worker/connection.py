"""The connection of a job: through what it came, and whose trace it goes on with."""

from __future__ import annotations

from antiphon.core.connection import Connection
from antiphon.services.streams.message import JobMessage
from antiphon.wire.trace import Trace, join_trace


class JobConnection(Connection):
    """Its id is the job's. `via` is the transport of the call that queued it."""

    type = "worker"

    def __init__(self, message: JobMessage) -> None:
        self._message = message
        self._trace: Trace | None = None

    @property
    def id(self) -> str:
        return self._message.id

    @property
    def via(self) -> str:
        """The transport of the call that queued the job."""
        return self._message.caller.via

    @property
    def trace_id(self) -> str:
        return self._own.trace_id if self._message.traceparent else ""

    @property
    def traceparent(self) -> str:
        return self._own.parent if self._message.traceparent else ""

    @property
    def _own(self) -> Trace:
        """The span of this run: a child of the call's that queued the job."""
        if self._trace is None:
            self._trace = join_trace(self._message.traceparent, self._message.tracestate)
        return self._trace
