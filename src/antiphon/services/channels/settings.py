"""The bounds of channels: how much is kept, how many may watch, and how long everything may take."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, ClassVar

from msgspec import Meta

from antiphon.core.errors import Fault
from antiphon.core.info import Environment
from antiphon.core.settings import Settings, doc


class ChannelSettings(Settings, frozen=True):
    """What channels may hold and how often they look after themselves."""

    section: ClassVar[str] = "channels"

    event_bytes: Annotated[int, Meta(ge=256), doc("The largest event, encoded.")] = 32_768
    watchers: Annotated[int, Meta(ge=1), doc("The most watchers of one topic on one node.")] = 20_000
    topics: Annotated[int, Meta(ge=1, le=10_000), doc("The most topics that one connection watches.")] = 100
    missed: Annotated[int, Meta(ge=1, le=1_000), doc("The most events that one subscribe is given back.")] = 300
    missed_bytes: Annotated[int, Meta(ge=1_024), doc("The most bytes of events that one subscribe is given back.")] = (
        1_048_576
    )
    members: Annotated[
        int, Meta(ge=1, le=10_000), doc("The most members that a list shows; above it only their number is told.")
    ] = 500
    held_bytes: Annotated[
        int, Meta(ge=1_024), doc("What of a topic may wait until its subscribe has been answered.")
    ] = 1_048_576
    publish_time: Annotated[timedelta, doc("How long an event is tried while the store is away.")] = timedelta(
        seconds=2
    )
    lost: Annotated[
        int, Meta(ge=1), doc("How many topics are remembered whose watchers have to be told of a lost event.")
    ] = 10_000
    keep_time: Annotated[timedelta, doc("How long a call waits until a lost event is noted in the database.")] = (
        timedelta(seconds=2)
    )
    losses_time: Annotated[
        timedelta, doc("How often a process looks for losses that another one has left in the database.")
    ] = timedelta(seconds=5)
    linger_time: Annotated[timedelta, doc("How long a node listens on after a topic's last watcher has gone.")] = (
        timedelta(seconds=10)
    )
    compare_time: Annotated[timedelta, doc("How often a node compares its place in each log with the store's.")] = (
        timedelta(seconds=30)
    )
    door_time: Annotated[timedelta, doc("How often the door is asked again.")] = timedelta(minutes=5)
    gather_time: Annotated[timedelta, doc("How long comings and goings are gathered into one message.")] = timedelta(
        milliseconds=200
    )
    grace_time: Annotated[timedelta, doc("How long a user who lost the connection is still there.")] = timedelta(
        seconds=5
    )
    lease_time: Annotated[timedelta, doc("How long a node that says nothing still counts.")] = timedelta(seconds=30)
    renew_time: Annotated[timedelta, doc("How often a node says that it is there.")] = timedelta(seconds=10)
    look_time: Annotated[timedelta, doc("How often a node looks which others are there.")] = timedelta(seconds=2)

    def problems(self, environment: Environment) -> Iterable[Fault]:
        """Times that contradict each other are refused."""
        if self.lease_time < 2 * self.renew_time:
            yield Fault("lease_time", "must be at least twice channels.renew_time, or living nodes lose their lease")
        if self.held_bytes < 2 * self.event_bytes:
            yield Fault("held_bytes", "must hold at least two events of channels.event_bytes")
        often = ("losses_time", "linger_time", "compare_time", "door_time", "gather_time", "renew_time", "look_time")
        for name in often:
            if getattr(self, name) <= timedelta(0):
                yield Fault(name, "must be longer than 0s")
