"""Channels as they are declared: names, parameters, events; what does not fit stops the start-up and says why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import pytest

from antiphon.core.app import App
from antiphon.core.channel import AnyChannel, ChannelTable, channel
from antiphon.core.context import Context
from antiphon.core.errors import InvalidInput, NotFound, SetupError
from antiphon.core.inputs.kinds import Struct
from antiphon.core.module import Gathered, Module
from tests.services.channel_stage import Posted, bell, board, room


class Opaque:
    """Nothing that JSON knows."""


class Holding(Struct):
    """An event that nobody could be shown."""

    thing: Opaque


async def door(ctx: Context) -> None:
    """Everybody."""


async def door_to(ctx: Context, room_id: str) -> None:
    """Everybody, to one room."""


class Declares(Module):
    """A module of these channels."""

    def __init__(self, *channels: AnyChannel) -> None:
        super().__init__("declares")
        self.channels = channels

    def gather(self, into: Gathered) -> None:
        """Take the channels."""
        into.channels += self.channels


def problem(*channels: AnyChannel) -> str:
    """What the start-up says of them."""
    with pytest.raises(SetupError) as caught:
        App("declared", modules=[Declares(*channels)]).gathered()
    return "\n".join(caught.value.problems)


def test_a_topic_is_a_channel_with_its_parameters_in_its_name() -> None:
    """What a client subscribes to is what an action publishes on."""
    assert (board().name, room(7).name, room(room_id=7).name) == ("board", "room:7", "room:7")


def test_a_topic_leads_back_to_its_channel_and_the_arguments_of_its_door() -> None:
    """The parameters are read as the types that the door declares."""
    table = ChannelTable([board, room, bell])

    assert table.find("room:7") == (room, {"room_id": 7})


@pytest.mark.parametrize("topic", ["", "with space", "x" * 201, "room:ä", "room/7", "room:0", "room:seven", "room:-1"])
def test_a_name_that_no_topic_can_have_is_invalid_input(topic: str) -> None:
    """Letters, lengths and the types of parameters are checked before anything is looked up."""
    with pytest.raises(InvalidInput):
        ChannelTable([board, room]).find(topic)


@pytest.mark.parametrize("topic", ["attic", "room", "room:", "room:7:8", "board:7", "x" * 200])
def test_a_topic_that_nobody_declared_is_not_found(topic: str) -> None:
    """There is no such topic, and no other answer."""
    with pytest.raises(NotFound):
        ChannelTable([board, room]).find(topic)


def test_a_topic_written_otherwise_than_it_is_published_on_is_not_found() -> None:
    """Nobody could ever publish on it, so nobody may wait there."""

    @channel("door:{open}", Posted)
    async def written(ctx: Context, open: bool) -> None: ...

    table = ChannelTable([written])

    assert table.find(written(True).name)[1] == {"open": True}
    with pytest.raises(NotFound):
        table.find("door:1")


def test_a_value_that_no_name_can_hold_is_invalid_input() -> None:
    """A value with a space, a slash or a letter from elsewhere has no topic."""
    to = channel("to:{room_id}", Posted)(door_to)

    for value in ("a b", "a/b", "ä", "", "a%3Ab"):
        with pytest.raises(InvalidInput):
            to(value)


def test_the_id_of_a_job_names_a_topic() -> None:
    """Colons and the like are written as in a URL, so that no value leads to another topic; the door has them plain."""
    to = channel("to:{room_id}", Posted)(door_to)
    table = ChannelTable([to])

    topic = to("on.mail:send.a@b=c")

    assert topic.name == "to:on.mail%3Asend.a%40b%3Dc"
    assert table.find(topic.name) == (to, {"room_id": "on.mail:send.a@b=c"})
    for other in ("to:a%2Fb", "to:a%3ab", "to:a%", "to:a@b"):
        with pytest.raises(InvalidInput):
            table.find(other)


@pytest.mark.parametrize("name", ["", "{room_id}", "room:{room id}", "room {room_id}", "room:", "room:{Room}"])
def test_a_name_that_is_none_is_refused_where_it_stands(name: str) -> None:
    """The message names the file and shows how names look."""
    with pytest.raises(SetupError, match=r"test_channels_declared\.py.*inbox:\{user_id\}"):
        channel(name, Posted)(door_to)


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "a parameter that is missing in the name": (lambda: channel("room", Posted)(door_to), "room_id"),
    "a parameter that the door has not": (lambda: channel("room:{other}", Posted)(door_to), "do not fit"),
    "no events": (lambda: channel("room")(door), "needs events"),
    "an event that is no Struct": (lambda: channel("room", cast("Any", str))(door), "each a Struct"),
    "two events of one name": (
        lambda: channel("room", Posted, type("Posted", (Struct,), {}))(door),
        "a name of its own",
    ),
    "an event without a form in JSON": (lambda: channel("room", Holding)(door), "no form in JSON"),
    "too many kept": (lambda: channel("room", Posted, replay=1001)(door), "0 to 1000"),
    "kept for too long": (lambda: channel("room", Posted, replay=1, replay_for="25h")(door), "24h"),
    "kept for no time": (lambda: channel("room", Posted, replay=1, replay_for=timedelta(0))(door), "24h"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_channel_that_does_not_fit_stops_the_start(what: str) -> None:
    """The message says what to write instead."""
    make, says = BAD[what]

    assert says in problem(make())


def test_two_channels_that_could_mean_one_topic_stop_the_start() -> None:
    """Nobody would know whose door is asked."""
    first = channel("room:{room_id}", Posted)(door_to)
    second = channel("room:lobby", Posted)(door)

    assert "mean the same topics" in problem(first, second)
