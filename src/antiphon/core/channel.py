"""The channel: a named stream of typed events with a door; and the topic, which is a channel with its parameters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, cast, runtime_checkable

import msgspec

from antiphon.core.durations import parse_duration
from antiphon.core.errors import NotFound, SetupError
from antiphon.core.inputs.schema import Given, Schema
from antiphon.core.results import unsayable
from antiphon.core.signature import read_signature, where
from antiphon.core.topics import Lookup, read_parts, topic_name

if TYPE_CHECKING:
    from antiphon.core.context import Context

P = ParamSpec("P")
E = TypeVar("E", bound=msgspec.Struct)
E_contra = TypeVar("E_contra", bound=msgspec.Struct, contravariant=True)

MOST_REPLAY = 1_000
"""The most events that a topic keeps."""

LONGEST_REPLAY = timedelta(hours=24)
"""The longest that a topic keeps them."""


class Position(msgspec.Struct, frozen=True, rename="camel"):
    """A place in the log of a topic: everything up to `offset` has been seen. In another log it means nothing."""

    epoch: str
    offset: int


class AnyChannel:
    """What every channel is, whatever its events and parameters."""

    def __init__(
        self,
        name: str,
        events: tuple[type[msgspec.Struct], ...],
        door: Callable[..., Awaitable[None]],
        *,
        ephemeral: tuple[type[msgspec.Struct], ...],
        presence: bool,
        replay: int,
        replay_for: timedelta,
        graphql: bool,
    ) -> None:
        self.name = name
        self.events = events
        self.ephemeral = frozenset(ephemeral)
        self.door = door
        self.presence = presence
        self.replay = replay
        self.replay_for = replay_for
        self.graphql = graphql
        self.module = door.__module__
        self.__name__ = getattr(door, "__name__", name)
        self.__doc__ = door.__doc__
        try:
            self.parts = read_parts(name)
        except SetupError as error:
            raise SetupError(f"{self.where}: {error}") from None

    @property
    def where(self) -> str:
        """File and line of the door."""
        return where(self.door)

    @cached_property
    def schema(self) -> Schema:
        """How the parameters are read from a topic's name."""
        parameters = read_signature(self.door).parameters
        if not parameters or parameters[0].name != "ctx":
            raise SetupError(f"{self.where}: the first parameter of the door of {self.name} must be `ctx: Context`.")
        try:
            return Schema(self.name.replace("{", "").replace("}", "").replace("_", "-"), parameters[1:])
        except SetupError as error:
            raise SetupError(*(f"{self.where}: {problem}" for problem in error.problems)) from error

    def problems(self) -> Iterable[str]:
        """What is wrong with the channel; anything at all stops the start-up."""
        try:
            parameters = {field.name for field in self.schema.fields}
        except SetupError as error:
            yield from error.problems
            return
        slots = [part.text for part in self.parts if part.parameter]
        if set(slots) != parameters or len(slots) != len(parameters):
            yield (
                f"{self.where}: the name {self.name!r} and the door's parameters ({', '.join(sorted(parameters))}) "
                f"do not fit. Put each parameter into the name once, in braces, and no other."
            )
        every = (*self.events, *self.ephemeral)
        # The type checker believes what the decorator says, and lets `channel("name", str)` pass all the same.
        structs = all(issubclass(cast("type[object]", event), msgspec.Struct) for event in every)
        if not every or not structs or len({event.__name__ for event in every}) != len(every):
            yield f"{self.where}: the channel {self.name} needs events, each a Struct with a name of its own."
        for event in every:
            for problem in unsayable(event):
                yield f"{self.where}: the event {event.__name__} of {self.name} {problem}"
        if not 0 <= self.replay <= MOST_REPLAY:
            yield f"{self.where}: {self.name} says replay={self.replay}. Keep 0 to {MOST_REPLAY} events."
        if not timedelta(0) < self.replay_for <= LONGEST_REPLAY:
            yield f"{self.where}: {self.name} says replay_for={self.replay_for}. Keep events for at most 24h."

    def named(self, topic: str, texts: dict[str, str]) -> dict[str, Any]:
        """The door's arguments from the texts in a topic's name. Raises InvalidInput or NotFound."""
        inputs = self.schema.gather(Given({field.wire: [texts[field.name]] for field in self.schema.fields}, True))
        values = {name: getattr(inputs, name) for name in inputs.__struct_fields__}
        # What is written in two ways, such as a UUID in capitals, would be a topic that nobody publishes on.
        if topic_name(self.parts, values) != topic:
            raise NotFound("There is no such topic.")
        return values

    def __repr__(self) -> str:
        return f"<channel {self.name}>"


class Topic(Generic[E_contra]):
    """A channel with its parameters. The same name in two tenants is two topics."""

    __slots__ = ("channel", "name")

    def __init__(self, channel: AnyChannel, name: str) -> None:
        self.channel = channel
        self.name = name

    async def publish(self, ctx: Context, event: E_contra) -> None:
        """Show an event to everybody who watches, at the end of the call, if the data that it is about is committed.

        What is rolled back, as by a call that fails, shows nothing; without a database a call that fails shows nothing.
        Raises TooLarge for an event over `channels.event_bytes`. A store that is away does not fail the call: the
        watchers are told that they missed something as soon as it is back.
        """
        await ctx.get(Publisher).publish(ctx, self, event)

    async def ask_again(self, ctx: Context, user_id: str) -> None:
        """Ask the door again for this user, on every node, at the end of the call, as an event is shown."""
        await ctx.get(Publisher).ask_again(ctx, self, user_id)

    async def position(self, ctx: Context) -> Position:
        """Where the topic's log is now. Read it before the rows of a list, so that no event can fall in between.

        Raises Unavailable without the store, and TypeError for a channel without `replay`.
        """
        return await ctx.get(Publisher).position(ctx, self)

    def __repr__(self) -> str:
        return f"<topic {self.name}>"


class Channel(AnyChannel, Generic[P, E]):
    """A channel whose parameters and events the type checker knows."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Topic[E]:
        """The topic with these parameters. Raises InvalidInput for a value that no name can hold."""
        if not args and not kwargs:
            return Topic(self, topic_name(self.parts, {}))
        names = [field.name for field in self.schema.fields]
        return Topic(self, topic_name(self.parts, dict(zip(names, args, strict=False)) | kwargs))


@runtime_checkable
class Publisher(Protocol):
    """Shows events: what the channels service fulfils."""

    async def publish(self, ctx: Context, topic: Topic[Any], event: msgspec.Struct) -> None:
        """Show the event at the end of the call."""
        ...

    async def ask_again(self, ctx: Context, topic: Topic[Any], user_id: str) -> None:
        """Ask the door again for this user, at the end of the call."""
        ...

    async def position(self, ctx: Context, topic: Topic[Any]) -> Position:
        """Where the log of the topic is."""
        ...


@runtime_checkable
class MemberNames(Protocol):
    """Says how a user is called in lists of who is there: what the accounts of an application may fulfil."""

    async def name_of(self, user_id: str) -> str:
        """The name to show, or an empty text."""
        ...


class Declare(Protocol[E]):
    """The decorator that `channel(...)` gives."""

    def __call__(self, door: Callable[Concatenate[Context, P], Awaitable[None]], /) -> Channel[P, E]: ...


def channel(
    name: str,
    /,
    *events: type[E],
    ephemeral: tuple[type[E], ...] = (),
    presence: bool = False,
    replay: int = 0,
    replay_for: str | timedelta = "10m",
    graphql: bool = True,
) -> Declare[E]:
    """Declare a channel by its door: returning lets the caller watch, raising refuses.

    `name` holds the door's parameters in braces (`"inbox:{user_id}"`). `replay` is how many events a topic keeps for
    those who come back, and `replay_for` how long after the last one; without it an event is shown once or never.
    Events in `ephemeral` are never kept. `presence` shows who watches. Doors are asked again while somebody watches.
    """

    def declare(door: Callable[..., Awaitable[None]]) -> Any:
        return Channel[Any, Any](
            name,
            tuple(event for event in events if event not in ephemeral),
            door,
            ephemeral=tuple(ephemeral),
            presence=presence,
            replay=replay,
            replay_for=parse_duration(replay_for) if isinstance(replay_for, str) else replay_for,
            graphql=graphql,
        )

    return declare


class ChannelTable:
    """The channels of an application, found by the names of their topics."""

    def __init__(self, channels: Iterable[AnyChannel] = ()) -> None:
        self.all = tuple(channels)
        self._lookup = Lookup[AnyChannel]()
        clashes = [(channel, self._lookup.add(channel.parts, channel)) for channel in self.all]
        problems = [
            f"{channel.where}: {channel.name} and {other.name} ({other.where}) mean the same topics. Rename one."
            for channel, other in clashes
            if other is not None
        ]
        if problems:
            raise SetupError(*problems)

    def find(self, topic: str) -> tuple[AnyChannel, dict[str, Any]]:
        """The channel of a topic and the arguments of its door. Raises InvalidInput or NotFound."""
        channel, texts = self._lookup.find(topic)
        return channel, channel.named(topic, texts)
