"""The bounds of sockets."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

from msgspec import Meta

from antiphon.core.settings import Settings, doc

Count = Annotated[int, Meta(ge=1)]


class WebsocketSettings(Settings, frozen=True):
    """What one socket may do, and all of them together."""

    section: ClassVar[str] = "websocket"

    frame_bytes: Annotated[
        Annotated[int, Meta(ge=1024)], doc("The longest message of a client, before and after inflating.")
    ] = 64 * 1024
    json_depth: Annotated[Count, doc("How deep the params of a call may be nested.")] = 64
    frames: Annotated[Count, doc("The frames of one socket in a second.")] = 20
    burst: Annotated[Count, doc("The frames that may come at once.")] = 40
    refusals: Annotated[Count, doc("The frames too many in a minute after which a socket is closed.")] = 100
    malformed: Annotated[Count, doc("The frames that cannot be read after which a socket is closed.")] = 10
    calls: Annotated[Count, doc("The calls of one socket at once.")] = 16
    queue_bytes: Annotated[Annotated[int, Meta(ge=1024)], doc("The bytes that may wait for a client to take them.")] = (
        1024 * 1024
    )
    queue_frames: Annotated[Count, doc("The frames that may wait for a client to take them.")] = 1024
    queue_time: Annotated[timedelta, doc("How long a frame may wait.")] = timedelta(seconds=30)
    ping_time: Annotated[timedelta, doc("How long a socket may be silent before it is asked for a sign of life.")] = (
        timedelta(seconds=25)
    )
    pong_time: Annotated[timedelta, doc("How long a sign of life may take once it was asked for.")] = timedelta(
        seconds=10
    )
    sign_in_time: Annotated[timedelta, doc("How long an anonymous socket has to sign in.")] = timedelta(seconds=10)
    anonymous: Annotated[bool, doc("Whether sockets may stay anonymous.")] = False
    per_user: Annotated[Count, doc("The sockets of one user at once, on all nodes together.")] = 20
    per_address: Annotated[
        Count, doc("The anonymous sockets of one address at once; loopback and trusted proxies apart.")
    ] = 100
    deflate: Annotated[bool, doc("Whether messages may be compressed, without context takeover.")] = False
    drain_time: Annotated[timedelta, doc("Over how long sockets are closed when the server goes away.")] = timedelta(
        seconds=5
    )
