"""Announces facts: with the transaction of a call, at once without one, and for other services."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from antiphon.core.context import Context
from antiphon.core.errors import Fault, InvalidInput, NotFound, SetupError
from antiphon.core.event import EventTable, EventType, event_type
from antiphon.core.inputs.kinds import Email
from antiphon.services.events.counts import EventCounts
from antiphon.services.events.envelope import Names, Origin, envelope
from antiphon.services.streams.log import EventLog, key_of
from antiphon.services.streams.message import CloudEvent, Undecodable, decode_event, encode_event
from antiphon.services.streams.outbox import Outbox
from antiphon.services.streams.rows import Row

OUTBOX_KIND = "events"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Publishing:
    """Puts events into their logs. `table` is that of the application, once it has begun or published."""

    def __init__(self, log: EventLog, names: Names, counts: EventCounts, outbox: Outbox | None) -> None:
        self.log = log
        self.names = names
        self.counts = counts
        self.table = EventTable()
        self._outbox = outbox
        if outbox is not None:
            outbox.deliver(OUTBOX_KIND, self.send_rows)

    async def publish(self, ctx: Context, event: msgspec.Struct) -> str:
        """Announce a fact: with the call's transaction when one is open, at once otherwise. Gives the event's id.

        Raises TooLarge over 64 KiB with its envelope, and Unavailable when it cannot be kept now.
        """
        kind = _known(event_type(type(event)), event)
        self.table = ctx.runtime.events
        self.table.add(kind)
        await ctx.identify()
        made = envelope(kind, event, self.names, Origin.of(ctx))
        if self._outbox is not None and self._outbox.open_in(ctx):
            data = encode_event(made)
            await self._outbox.add(ctx, f"{OUTBOX_KIND}:{kind.stream}", made.partition_key, made.id, data)
        else:
            await self._keep(kind, made)
        return made.id

    async def announce(self, kind: EventType, event: msgspec.Struct, origin: Origin) -> None:
        """Announce a fact that no call has found out. The same id makes a repeat none."""
        await self._keep(kind, envelope(kind, event, self.names, origin))

    async def accept(self, ctx: Context, event: CloudEvent) -> str:
        """Announce what another service says happened, under its id and source. Gives the id.

        Its tenant is that of the caller, when the caller has one. Raises InvalidInput for a type that this application
        does not declare, a version that it does not know yet, and data that does not fit.
        """
        await ctx.identify()
        kind = self.names.kind_of(event.type, ctx.runtime.events)
        if kind is None:
            raise InvalidInput.of("type", "is no event that this application knows")
        if event.source == self.names.source:
            raise InvalidInput.of("source", "is this application itself")
        if event.data_version > kind.version:
            raise InvalidInput.of("dataversion", f"is newer than what is known here, which is {kind.version}")
        try:
            value = kind.newest(bytes(event.data), event.data_version)
        except InvalidInput as error:
            faults = [Fault(f"data{fault.name.removeprefix('event')}", fault.message) for fault in error.fields]
            raise InvalidInput(error.message if not faults else None, fields=faults) from None
        made = msgspec.structs.replace(
            event,
            partition_key=kind.key_of(value),
            tenant_id=ctx.caller.tenant_id or event.tenant_id,
            caller_id=event.caller_id or ctx.caller.id,
            request_id=event.request_id or ctx.request_id,
            traceparent=event.traceparent or ctx.connection.traceparent,
        )
        await self._keep(kind, made)
        return made.id

    async def send_rows(self, rows: Sequence[Row]) -> None:
        """Put what an outbox kept into its log."""
        target = rows[0].target
        await self._append(target.partition(":")[2], None, [(row.id, row.message) for row in rows])

    def schema(self, events: EventTable, name: str, version: int) -> dict[str, Any]:
        """The JSON Schema of an event's data. Raises NotFound for a name or a version that nobody declares."""
        kind = events.find(name)
        if version != kind.version:
            raise NotFound(f"There is no version {version} of this event; the newest is {kind.version}.")
        schema = msgspec.json.schema(kind.struct, schema_hook=_schema_of)
        return {"$schema": _DIALECT, "$id": self.names.schema_of(kind), "title": f"{name} {version}", **schema}

    async def _keep(self, kind: EventType, event: CloudEvent) -> None:
        await self._append(kind.stream, kind, [(key_of(event, self.names.source), encode_event(event))])

    async def _append(self, stream: str, kind: EventType | None, events: Sequence[tuple[str, bytes]]) -> None:
        kept = await self.log.append(stream, events, keep=self.table.keep(stream))
        for (_, data), appended in zip(events, kept, strict=True):
            if appended.new:
                self.counts.published[kind.name if kind is not None else self.names.name_of(_type_of(data))] += 1


def _known(kind: EventType | None, event: msgspec.Struct) -> EventType:
    if kind is None:
        named = type(event).__name__
        raise SetupError(f'{named} is no event. Write @event("stream:fact") above `class {named}`.')
    return kind


def _type_of(data: bytes) -> str:
    try:
        return decode_event(data).type
    except Undecodable:
        return ""


def _schema_of(kind: type) -> dict[str, Any]:
    return {"type": "string", "format": "email"} if kind is Email else {}
