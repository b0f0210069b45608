"""A channel only shows what happened: actions publish on it, and whoever its door lets in watches.

An event that cannot reach the store for two seconds is given up, and its call succeeds all the same; every watcher is
sent `reset` as soon as the store answers, and loads its state again. An application with a database notes the loss
there, so that it is told even if the process ends before: put the tables of `antiphon.channels_metadata` beside yours.
"""

from __future__ import annotations

from antiphon import App, Context, Http, Struct, Websocket, action, allow, anyone, channel, put
from antiphon.client import Event
from tests.tour.start import Run


class Goal(Struct):
    """Somebody has scored."""

    team: str


@channel("match:{match_id}", Goal, replay=10)
async def match(ctx: Context, match_id: str) -> None:
    """A match. This door is open to everybody; it could look at the caller and raise Forbidden."""


@action("goal:score", put("/match/{match_id}/goal"), allow(anyone))
async def score(ctx: Context, match_id: str, team: str) -> Goal:
    """Score, and show it to everybody who watches the match."""
    goal = Goal(team)
    await match(match_id).publish(ctx, goal)
    return goal


app = App("tour", modules=[__name__], transports=[Http(), Websocket()])


async def test_who_watches_sees_what_happens(run: Run) -> None:
    """An event is shown once and in order, on whatever transport its action was called."""
    running = await run(app)
    browser = running.client()

    async with browser.live() as socket, socket.watch("match:7") as events:
        await browser.put("/api/match/7/goal", {"team": "Corinth"})
        await socket.call("goal:score", {"matchId": "7", "team": "Argos"})

        shown = [await anext(events), await anext(events)]

    assert [event.data for event in shown if isinstance(event, Event)] == [{"team": "Corinth"}, {"team": "Argos"}]


async def test_who_comes_back_misses_nothing(run: Run) -> None:
    """A watcher that says where it was is given what has happened since."""
    running = await run(app)

    async with running.client().live() as socket:
        async with socket.watch("match:7") as events:
            position = events.position
        await socket.call("goal:score", {"matchId": "7", "team": "Corinth"})
        async with socket.watch("match:7", since=position) as events:
            missed = await anext(events)

    assert isinstance(missed, Event)
    assert missed.data == {"team": "Corinth"}
