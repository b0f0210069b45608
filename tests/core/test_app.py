"""The life of an application: initialise finds what is wrong, start opens, stop closes everything in reverse."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Annotated, ClassVar

import pytest

from antiphon.core.access import allow, anyone
from antiphon.core.action import AnyAction, action
from antiphon.core.app import App, AppSettings
from antiphon.core.context import Context
from antiphon.core.errors import SetupError
from antiphon.core.runtime import Runtime
from antiphon.core.service import service
from antiphon.core.settings import Settings, doc
from antiphon.core.traits import Trait
from antiphon.testing.clock import CountingIds, StandingClock
from tests.core.stage import Lines, app_of, context, run, started


class Well:
    """A service that writes down its life."""


class WellSettings(Settings, frozen=True):
    section: ClassVar[str] = "well"
    depth: Annotated[int, doc("How deep it is.")] = 3
    name: Annotated[str, doc("What it is called.")] = "well"


class Diary:
    def __init__(self) -> None:
        self.lines: list[str] = []


@service
async def well(diary: Diary, settings: WellSettings) -> AsyncIterator[Well]:
    diary.lines.append("well opened")
    yield Well()
    diary.lines.append("well closed")


class Line:
    """A transport that writes down its life, and fails where it is told to."""

    def __init__(self, name: str, diary: Diary, fails_at: str = "", needs: Iterable[type] = ()) -> None:
        self.name = name
        self.needs = tuple(needs)
        self.runtime: Runtime | None = None
        self._diary = diary
        self._fails_at = fails_at

    def _write(self, step: str) -> None:
        self._diary.lines.append(f"{self.name} {step}")
        if step == self._fails_at:
            raise SetupError(f"{self.name} cannot {step}")

    def prepare(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._write("prepare")

    async def listen(self) -> None:
        self._write("listen")

    async def drain(self) -> None:
        self._write("drain")

    async def stop(self) -> None:
        self._write("stop")


class Picky(Trait):
    """A trait that fits no action."""

    def problems(self, action: AnyAction) -> Iterable[str]:
        return [f"{action.name} is not picked.", f"{action.name} will not be."]


@action("plain:take", allow(anyone))
async def take(ctx: Context) -> str:
    return ctx.request_id


@action("picky:take", Picky())
async def picky(ctx: Context) -> None: ...


@action("picky:again", Picky(), allow(anyone))
async def picky_again(ctx: Context) -> None: ...


LIFE = [
    "well opened",
    "one prepare",
    "two prepare",
    "one listen",
    "two listen",
    "two drain",
    "one drain",
    "two stop",
    "one stop",
    "well closed",
]


async def test_an_application_lives_from_initialise_to_stop() -> None:
    """Services open, transports are prepared and then listen; all of them drain before one stops, and services last."""
    diary = Diary()
    app = app_of(well, take, transports=[Line("one", diary), Line("two", diary)], values=[diary])

    async with app.running(environ={}, listen=True):
        pass

    assert diary.lines == LIFE


async def test_nothing_listens_unless_it_is_told_to() -> None:
    """A command or a test starts an application that nobody can reach from outside."""
    diary = Diary()

    async with started(app_of(take, transports=[Line("one", diary)])):
        assert diary.lines == ["one prepare"]


@pytest.mark.parametrize(
    ("fails_at", "lines"),
    [
        ("prepare", ["well opened", "one prepare", "one drain", "one stop", "well closed"]),
        (
            "listen",
            [
                "well opened",
                "one prepare",
                "two prepare",
                "one listen",
                "two drain",
                "one drain",
                "two stop",
                "one stop",
                "well closed",
            ],
        ),
    ],
)
async def test_a_start_that_fails_closes_what_it_opened(fails_at: str, lines: list[str]) -> None:
    """Whatever a transport finds wrong, nothing stays open, and its own words are raised."""
    diary = Diary()
    app = app_of(well, take, transports=[Line("one", diary, fails_at), Line("two", diary)], values=[diary])

    with pytest.raises(SetupError, match=f"one cannot {fails_at}"):
        await app.start(environ={}, listen=True)

    assert diary.lines == lines
    assert app.runtime is None


@pytest.mark.parametrize("fails_at", ["drain", "stop"])
async def test_a_step_of_the_stop_that_fails_keeps_no_other_from_it(fails_at: str) -> None:
    """Everything is drained, stopped and closed, and the failures are told together."""
    diary = Diary()
    app = app_of(well, take, transports=[Line("one", diary), Line("two", diary, fails_at)], values=[diary])

    with pytest.raises(ExceptionGroup, match="pieces did not stop cleanly") as caught:
        async with app.running(environ={}, listen=True):
            pass

    assert diary.lines == LIFE
    assert caught.group_contains(SetupError, match=f"two cannot {fails_at}")


async def test_an_application_can_be_started_again() -> None:
    """Stopping leaves it as it was before the start."""
    app = app_of(take)

    for _ in range(2):
        async with started(app) as runtime:
            await run(runtime, take)


async def test_a_running_application_is_not_started_twice() -> None:
    """One application has one runtime."""
    app = app_of(take)

    async with started(app):
        with pytest.raises(SetupError, match="pieces is running already"):
            await app.start(environ={})


async def test_every_problem_is_told_at_once() -> None:
    """Nobody mends one line to hear of the next: all problems of all actions are one error."""
    with pytest.raises(SetupError) as caught:
        async with started(app_of(picky, picky_again, take)):
            pass

    assert len(caught.value.problems) == 5
    assert "picky:again is not picked." in caught.value.problems
    assert "does not say who may call it" in str(caught.value)


async def test_nothing_opens_when_an_action_is_wrong() -> None:
    """What is wrong with the program is found before anything is opened."""
    diary = Diary()

    with pytest.raises(SetupError):
        async with started(app_of(well, picky, values=[diary], transports=[Line("one", diary)])):
            pass

    assert diary.lines == []


async def test_settings_come_from_every_place() -> None:
    """The environment counts before the application's own values, and these before a section's defaults."""
    app = app_of(well, values=[Diary()], settings={"well": {"depth": 5, "name": "old"}})

    async with started(app, {"WELL_NAME": "new"}) as runtime:
        assert runtime.settings(WellSettings) == WellSettings(depth=5, name="new")


async def test_defaults_of_a_command_lie_beneath_the_applications() -> None:
    """Whoever starts the application may suggest settings; what the application says counts more."""
    app = app_of(well, values=[Diary()], settings={"well": {"depth": 5}})

    async with app.running(environ={}, defaults={"well": {"depth": 1, "name": "suggested"}}) as runtime:
        assert runtime.settings(WellSettings) == WellSettings(depth=5, name="suggested")


async def test_a_bad_setting_stops_the_start_before_anything_opens() -> None:
    """A setting that does not fit is told by name."""
    diary = Diary()

    with pytest.raises(SetupError, match="WELL_DEPTH"):
        async with started(app_of(well, values=[diary]), {"WELL_DEPTH": "deep"}):
            pass

    assert diary.lines == []


async def test_what_a_transport_needs_is_there_when_it_is_prepared() -> None:
    """A transport asks for settings and services like anybody else."""
    diary = Diary()
    line = Line("one", diary, needs=[Well, WellSettings])

    async with started(app_of(well, transports=[line], values=[diary])):
        assert line.runtime is not None
        assert isinstance(line.runtime.require(Well, "the line"), Well)
        assert line.runtime.settings(WellSettings).depth == 3


async def test_a_need_that_is_not_there_names_who_asks() -> None:
    """`require` says what to add."""
    async with started(app_of(take)) as runtime:
        with pytest.raises(SetupError, match=r"the line needs a Well.*Module\(__name__, needs=\[Well\]\)"):
            runtime.require(Well, "the line")


async def test_transports_are_found_by_kind() -> None:
    """Another part of the application can find a transport, or hears how to add it."""
    line = Line("one", Diary())
    app = app_of(take, transports=[line])

    assert app.transport(Line) is line
    with pytest.raises(SetupError, match=r"pieces has no Well transport. Add it: App\(transports=\[Well\(\)\]\)"):
        app.transport(Well)


async def test_time_and_ids_belong_to_the_application() -> None:
    """A test owns both: nothing in core looks at another clock."""
    clock = StandingClock()
    app = App("test", modules=app_of(take).modules, clock=clock, ids=CountingIds())

    async with started(app) as runtime:
        assert await run(runtime, take) == "00000000-0000-7000-8000-000000000001"
        assert runtime.started_at == clock.now()


async def test_the_application_says_who_it_is(tmp_path: Path) -> None:
    """Name, version, environment and folder are a value that any service can ask for."""
    app = App("shop", version="1.2.3", folder=tmp_path)

    async with started(app, {"APP_FOLDER": "data"}) as runtime:
        info = runtime.info

    assert (info.name, info.version, info.environment, info.production) == ("shop", "1.2.3", "test", False)
    assert info.folder == tmp_path / "data"
    assert AppSettings().folder == Path("var")


async def test_an_unknown_action_has_no_runner() -> None:
    """A name that is no action is the transport's to answer."""
    async with started(app_of(take)) as runtime:
        with pytest.raises(KeyError):
            runtime.runner("nothing:here")


async def test_each_call_is_logged_in_one_line() -> None:
    """What was called, through what, by whom, how it ended and how long it took."""
    log = Lines()

    async with started(app_of(log.service, take)) as runtime:
        ctx = context(runtime, take)
        await run(runtime, take)

    (line,) = log.of("call.done")
    assert line.keys() == {*line.keys(), "action", "request_id", "transport", "outcome", "seconds", "caller"}
    assert (line["action"], line["transport"], line["outcome"]) == ("plain:take", "direct", "OK")
    assert line["request_id"] != ctx.request_id
