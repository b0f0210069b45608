"""What is done with events: read in their log, taken from other services, told again; and how listeners stand."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from antiphon import (
    Conflict,
    Context,
    Cursors,
    Events,
    Gap,
    ListenerState,
    NotFound,
    Replay,
    Struct,
    action,
    admin,
    all_of,
    allow,
    by_key,
    can,
    delete,
    get,
    post,
    raises,
    read_structured,
    signed_in,
    system,
)

type Name = Annotated[str, Meta(min_length=1, max_length=200)]
type StreamName = Annotated[str, Meta(max_length=100, pattern=r"^([a-z][a-z0-9-]*)?$", description="before the colon")]
type TimeOrId = Annotated[str, Meta(max_length=1_024, description="a time with its offset, or the id of an event")]
type Text = Annotated[str, Meta(max_length=1_024)]


class KeptEvent(Struct):
    """An entry of a log. `event` is the CloudEvent, and null for bytes that are none."""

    entry_id: str
    at: datetime
    event: Any


class EventList(Struct):
    """Events of one stream, the newest first, and which streams there are. An empty cursor is the end."""

    streams: list[str]
    events: list[KeptEvent]
    cursor: str


class Missed(Struct):
    """What a listener missed because the log no longer had it: how many, and between which times."""

    events: int
    since: datetime
    until: datetime


class ListenerView(Struct):
    """How a listener stands. `lag` counts the events it was not given yet; null when nobody knows."""

    name: str
    stream: str
    event: str
    declared: bool
    lag: int | None
    unfinished: int
    at: datetime | None
    gap: Missed | None
    replay: Replay | None


class ListenerList(Struct):
    """Every listener, by name."""

    listeners: list[ListenerView]


class Announced(Struct):
    """The id under which an event is kept."""

    id: str


service_caller = all_of(by_key, can("event:publish"))
"""Other services: they come with an API key that was given this right."""


@action("events:list", get("/events"), allow(admin))
async def list_events(
    ctx: Context,
    stream: StreamName = "",
    cursor: Text = "",
    limit: Annotated[int, Meta(ge=1, le=100)] = 50,
) -> EventList:
    """Read the log of a stream, the newest first."""
    events, cursors = _events(ctx), ctx.get(Cursors)
    before = cursors.read(cursor, stream)
    streams = sorted(await events.log.streams())
    kept = await events.listeners.latest(stream, before=before, count=limit) if stream else []
    shown = [
        KeptEvent(one.place.entry_id, one.at, msgspec.Raw(one.data if one.event is not None else b"null"))
        for one in kept
    ]
    return EventList(streams, shown, cursors.sign(shown[-1].entry_id if len(shown) == limit else "", stream))


@action("listeners:list", get("/listeners"), allow(admin))
async def list_listeners(ctx: Context) -> ListenerList:
    """List the listeners: how far behind they are, and what they missed."""
    return ListenerList([_view(state) for state in await _events(ctx).listeners.states()])


@action("events:replay", post("/listeners/{name}/replay", status=202), allow(admin), raises(NotFound, Conflict))
async def replay_events(
    ctx: Context, name: Name, since: TimeOrId, until: TimeOrId = "", key: Text = "", *, again: bool = False
) -> Replay:
    """Have a listener told again of what happened from `since` to `until`; effects that stand are not repeated.

    With `again` they are.
    """
    return await _events(ctx).listeners.replay(name, since, until, key=key, again=again)


@action("listener:accept", post("/listeners/{name}/accept"), allow(admin), raises(NotFound))
async def accept_gap(ctx: Context, name: Name) -> Missed:
    """Accept that a listener has missed events, and end the complaint about it."""
    return _missed(await _events(ctx).listeners.accept(name))


@action("listener:drop", delete("/listeners/{name}"), allow(admin), raises(NotFound, Conflict))
async def drop_listener(ctx: Context, name: Name) -> None:
    """Forget a listener that the application does not have any more."""
    await _events(ctx).listeners.drop(name)


@action("event:accept", post("/events", status=202), allow(service_caller, system))
async def accept_event(
    ctx: Context,
    specversion: Text,
    id: Text,
    source: Text,
    type: Text,
    data: dict[str, Any],
    time: Text = "",
    subject: Text = "",
    datacontenttype: Text = "",
    dataschema: Text = "",
    dataversion: Annotated[int, Meta(ge=1)] = 1,
    partitionkey: Text = "",
    tenantid: Text = "",
    callerid: Text = "",
    requestid: Text = "",
    traceparent: Text = "",
    tracestate: Text = "",
) -> Announced:
    """Take an event of another service: a CloudEvent 1.0 in structured JSON. A repeat is no second event."""
    given = {
        "specversion": specversion, "id": id, "source": source, "type": type, "data": data, "time": time,
        "subject": subject, "datacontenttype": datacontenttype, "dataschema": dataschema, "dataversion": dataversion,
        "tenantid": tenantid, "callerid": callerid, "requestid": requestid, "traceparent": traceparent,
        "tracestate": tracestate,
    }  # fmt: skip
    # A key is told from the data, so what another service says of it is not needed.
    event = read_structured({name: value for name, value in given.items() if value != ""}, ctx.now)
    return Announced(await ctx.get(Events).publishing.accept(ctx, event))


@action("event:schema", get("/events/schemas/{name}/{version}"), allow(signed_in), raises(NotFound))
async def show_schema(ctx: Context, name: Name, version: Annotated[int, Meta(ge=1)]) -> dict[str, Any]:
    """The JSON Schema of an event's data: what `dataschema` of a CloudEvent points at."""
    return ctx.get(Events).publishing.schema(ctx.runtime.events, name, version)


def _events(ctx: Context) -> Events:
    """The events, which know what the application declares; a command has not begun to listen, so nobody told them."""
    events = ctx.get(Events)
    events.know(ctx.runtime)
    return events


def _view(state: ListenerState) -> ListenerView:
    return ListenerView(
        name=state.name,
        stream=state.stream,
        event=state.event,
        declared=state.declared,
        lag=state.lag,
        unfinished=state.unfinished,
        at=state.at,
        gap=None if state.gap is None else _missed(state.gap),
        replay=state.replay,
    )


def _missed(gap: Gap) -> Missed:
    return Missed(gap.events, gap.since, gap.until)
