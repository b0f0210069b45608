"""What a client is told when a call fails: the error object of the wire, or the loss of the connection."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

PASSING = frozenset({"UNAVAILABLE", "TOO_MANY_CALLS", "TIMED_OUT", "DEFECT"})
"""The types of what goes by, so that trying again later is of use."""


class Field(msgspec.Struct, frozen=True):
    """An input at fault, by its name on the wire."""

    name: str
    message: str


class _Told(msgspec.Struct, rename="camel"):
    type: str = "DEFECT"
    message: str = "The call failed."
    fields: list[Field] = []
    retry_after: float | None = None
    request_id: str | None = None


class CallError(Exception):
    """What a call was answered, or why there is no answer. `type` is for programs, `message` for people."""

    def __init__(
        self,
        type: str,
        message: str,
        *,
        fields: Sequence[Field] = (),
        retry_after: float | None = None,
        request_id: str | None = None,
        may_have_run: bool = False,
    ) -> None:
        """`may_have_run`: it was sent and no answer came, so it may have run, in part, or may run still."""
        super().__init__(message)
        self.type = type
        self.message = message
        self.fields = tuple(fields)
        self.retry_after = retry_after
        self.request_id = request_id
        self.may_have_run = may_have_run

    @classmethod
    def read(cls, told: object) -> CallError:
        """The error that an error object tells; whatever is missing in it is left out."""
        body = msgspec.convert(told, _Told)
        return CallError(
            body.type,
            body.message,
            fields=body.fields,
            retry_after=body.retry_after,
            request_id=body.request_id,
        )

    def __str__(self) -> str:
        fields = "".join(f" {field.name}: {field.message}." for field in self.fields)
        return f"{self.type}: {self.message}{fields}"


class ConnectionLost(CallError):
    """The connection ended before the answer. `may_have_run`: the call was sent. `code` is the close code."""

    def __init__(self, *, may_have_run: bool, code: int | None = None) -> None:
        sent = "The connection was lost before the answer; the call may have run."
        message = sent if may_have_run else "Not connected; the call was not sent."
        super().__init__("CONNECTION_LOST", message, may_have_run=may_have_run)
        self.code = code
