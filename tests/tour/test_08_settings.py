"""Settings are a typed section with a doc for each; the environment stands over files, files over the code."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, ClassVar

from antiphon import App, Context, Settings, action, allow, anyone, doc, service
from tests.tour.start import Run


class KitchenSettings(Settings, frozen=True):
    """How the kitchen works."""

    section: ClassVar[str] = "kitchen"

    dish: Annotated[str, doc("What is cooked.")] = "soup"
    cooking_time: Annotated[timedelta, doc("How long it takes.")] = timedelta(minutes=20)


class Kitchen:
    """What a service makes of its settings."""

    def __init__(self, settings: KitchenSettings) -> None:
        self.settings = settings


@service
async def kitchen(settings: KitchenSettings) -> AsyncIterator[Kitchen]:
    """A service asks for its settings like for anything else."""
    yield Kitchen(settings)


@action("dish:order", allow(anyone))
async def order(ctx: Context) -> str:
    """Order what there is."""
    settings = ctx.get(Kitchen).settings
    return f"{settings.dish} in {settings.cooking_time.total_seconds():g} s"


app = App("tour", modules=[__name__], settings={"kitchen": {"cooking_time": "90s"}})


async def test_the_environment_has_the_last_word(run: Run) -> None:
    """`kitchen.dish` is `KITCHEN_DISH` in the environment; what nobody set has its default."""
    running = await run(app, KITCHEN_DISH="stew")

    assert await running.call(order) == "stew in 90 s"
