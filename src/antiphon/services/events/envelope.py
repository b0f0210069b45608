"""CloudEvents 1.0: the envelope that our events travel in, and the two ways in which other services send theirs."""

# (https://github.com/cloudevents/spec: the specification 1.0.2, its JSON format and its HTTP binding.)
#
#   attribute          of our own events                                            from others
#   specversion        1.0                                                          must be 1.0
#   id                 a UUIDv7                                                     any text; with the source it is one
#   source             /<app>                                                       a URI reference
#   type               <app>.order.paid                                             one that this application declares
#   time               when it was published                                        RFC 3339; without one, now
#   subject            the key, if there is one                                     kept
#   datacontenttype    application/json                                             JSON, or none said
#   dataschema         where the schema of this version is                          kept
#   data               the Struct                                                   the Struct, of this version or older
#   dataversion        the version of the event                                     1 without one
#   partitionkey       the key, if there is one                                     told from the data
#   tenantid callerid requestid traceparent tracestate     who, and as part of what     kept
#
#   mode         content type                       attributes                    data
#   structured   application/cloudevents+json       members of the body           the member `data`
#   binary       application/json                   headers `ce-…`, escaped       the body
#
# Null means absent. Bytes (`data_base64`) and batches are no events of ours.

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, cast
from urllib.parse import unquote_to_bytes

import msgspec

from antiphon.core.context import Context
from antiphon.core.errors import Fault, InvalidInput
from antiphon.core.event import EventTable, EventType
from antiphon.services.streams.message import CloudEvent

STRUCTURED = "application/cloudevents+json"
"""The content type of the structured mode."""

HEADER = "ce-"
"""What the headers of the binary mode begin with."""

_MOST_TEXT = 1_024
_JSON = ("application/json", "text/json")
_TEXTS = {
    "id": "id",
    "source": "source",
    "type": "type",
    "subject": "subject",
    "dataschema": "data_schema",
    "tenantid": "tenant_id",
    "callerid": "caller_id",
    "requestid": "request_id",
    "traceparent": "traceparent",
    "tracestate": "tracestate",
}
_REQUIRED = ("id", "source", "type")


class Names:
    """What the events of an application are called outside of it. `address` is where its HTTP stands, or empty."""

    def __init__(self, app: str, address: str = "") -> None:
        self._app = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in app.lower())
        self._address = address.rstrip("/")
        self.source = f"/{self._app}"

    def type_of(self, kind: EventType) -> str:
        """`<app>.order.paid`."""
        return f"{self._app}.{kind.name.replace(':', '.')}"

    def name_of(self, type: str) -> str:
        """The name of our event of this type; the type itself when it is none of ours."""
        front = f"{self._app}."
        return type.removeprefix(front).replace(".", ":", 1) if type.startswith(front) else type

    def kind_of(self, type: str, events: EventTable) -> EventType | None:
        """The event that is called so, or None."""
        return events.by_name.get(self.name_of(type))

    def schema_of(self, kind: EventType) -> str:
        """Where the schema of its data is to be had."""
        return f"{self._address}/api/events/schemas/{kind.name}/{kind.version}"


class Origin(NamedTuple):
    """Where an event is from: who, when, and as part of what."""

    id: str
    time: datetime
    tenant_id: str = ""
    caller_id: str = ""
    request_id: str = ""
    traceparent: str = ""
    tracestate: str = ""

    @classmethod
    def of(cls, ctx: Context) -> Origin:
        """This call."""
        caller = ctx.caller
        return cls(ctx.new_id(), ctx.now, caller.tenant_id, caller.id, ctx.request_id, ctx.connection.traceparent)


def envelope(kind: EventType, event: msgspec.Struct, names: Names, origin: Origin) -> CloudEvent:
    """The event as it travels."""
    key = kind.key_of(event)
    return CloudEvent(
        id=origin.id,
        source=names.source,
        type=names.type_of(kind),
        subject=key,
        time=origin.time,
        data_schema=names.schema_of(kind),
        data=msgspec.Raw(kind.encode(event)),
        data_version=kind.version,
        partition_key=key,
        tenant_id=origin.tenant_id,
        caller_id=origin.caller_id,
        request_id=origin.request_id,
        traceparent=origin.traceparent,
        tracestate=origin.tracestate,
    )


def read_structured(body: Mapping[str, Any], now: datetime) -> CloudEvent:
    """The event in a body of the structured mode, decoded. Raises InvalidInput with every fault."""
    faults: list[Fault] = []
    if "data_base64" in body:
        faults.append(Fault("data_base64", "is not taken; send JSON in `data`"))
    if body.get("data") is None and "data_base64" not in body:
        faults.append(Fault("data", "is missing"))
    return _read(body, msgspec.Raw(msgspec.json.encode(body.get("data"))), now, faults)


def read_binary(headers: Mapping[str, str], body: bytes, now: datetime) -> CloudEvent:
    """The event of the binary mode. `headers` are by lower-case name. Raises InvalidInput with every fault."""
    faults: list[Fault] = []
    attributes: dict[str, Any] = {
        name.removeprefix(HEADER): _unescaped(value) for name, value in headers.items() if name.startswith(HEADER)
    }
    if "content-type" in headers:
        attributes["datacontenttype"] = headers["content-type"]
    version = attributes.get("dataversion", "")
    if version.isascii() and version.isdigit() and len(version) < 10:
        attributes["dataversion"] = int(version)
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        faults.append(Fault("data", "is not JSON"))
    return _read(attributes, msgspec.Raw(body), now, faults)


def is_binary(headers: Mapping[str, str]) -> bool:
    """Whether a request is of the binary mode: it says its version in a header."""
    return f"{HEADER}specversion" in headers


def _read(given: Mapping[str, Any], data: msgspec.Raw, now: datetime, faults: list[Fault]) -> CloudEvent:
    if given.get("specversion") != "1.0":
        faults.append(Fault("specversion", 'must be "1.0"'))
    texts: dict[str, str] = {}
    for wire, name in _TEXTS.items():
        value = given.get(wire)
        if value is None:
            if wire in _REQUIRED:
                faults.append(Fault(wire, "is missing"))
        elif not isinstance(value, str) or not value or len(value) > _MOST_TEXT or not value.isprintable():
            faults.append(Fault(wire, f"must be a text of 1 to {_MOST_TEXT} printable letters"))
        else:
            texts[name] = value
    content_type = given.get("datacontenttype")
    if content_type is not None and not _is_json(content_type):
        faults.append(Fault("datacontenttype", "must be application/json"))
    version = given.get("dataversion", 1)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        faults.append(Fault("dataversion", "must be a number from 1"))
    time = _time(given.get("time"), now, faults)
    if faults:
        raise InvalidInput(fields=faults)
    return CloudEvent(**cast("dict[str, Any]", texts), time=time, data=data, data_version=cast("int", version))


def _time(value: object, now: datetime, faults: list[Fault]) -> datetime:
    if value is None:
        return now
    try:
        time = msgspec.convert(value, datetime)
        if time.tzinfo is not None:
            return time
    except msgspec.ValidationError:
        pass
    faults.append(Fault("time", "must be a time with its offset (RFC 3339)"))
    return now


def _is_json(content_type: object) -> bool:
    if not isinstance(content_type, str):
        return False
    bare = content_type.partition(";")[0].strip().lower()
    return bare in _JSON or bare.endswith("+json")


def _unescaped(value: str) -> str:
    """A header's value (HTTP binding §3.1.3.2): percent-encoded UTF-8, perhaps in quotes."""
    if len(value) >= 2 and value[0] == value[-1] == '"':
        value = value[1:-1].replace("\\\\", "\\").replace('\\"', '"')
    return unquote_to_bytes(value).decode("utf-8", "replace")
