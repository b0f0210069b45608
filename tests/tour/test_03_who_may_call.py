"""`allow(...)` says who may call. An action without it does not start, so nothing is open by accident."""

from __future__ import annotations

from antiphon import App, Caller, Context, Verdict, action, admin, allow, get, signed_in
from tests.tour.start import Run


async def early_bird(ctx: Context) -> Verdict:
    """A rule is an async function from the context to a verdict. Whoever came first may stay."""
    return Verdict(granted=ctx.caller.id == "ada", reason="somebody else was first")


@action("diary:read", get("/diary"), allow(signed_in))
async def read_diary(ctx: Context) -> str:
    """Read one's own diary."""
    return f"The diary of {ctx.caller.id}"


@action("diary:burn", allow(admin, early_bird))
async def burn_diary(ctx: Context) -> None:
    """Burn it. One rule that says yes is enough."""


app = App("tour", modules=[__name__])
ADA, EVE = Caller(kind="user", id="ada"), Caller(kind="user", id="eve")


async def test_whoever_is_signed_in_may_read(run: Run) -> None:
    """`signed_in` lets in everybody whom we know."""
    running = await run(app)

    assert await running.call_as(ADA, read_diary) == "The diary of ada"


async def test_a_stranger_is_asked_to_sign_in(run: Run) -> None:
    """Over HTTP a stranger gets 401, before anything else is looked at."""
    running = await run(app)

    answer = await running.client().get("/api/diary")

    assert (answer.status, answer.error["type"]) == (401, "NOT_SIGNED_IN")


async def test_the_same_rule_holds_on_the_command_line(run: Run) -> None:
    """A command is anonymous unless `--as` says otherwise; exit code 3 is NOT_SIGNED_IN."""
    running = await run(app)

    refused = await running.command("diary:burn")
    burnt = await running.command("diary:burn", "--as", "system")

    assert (refused.code, burnt.code) == (3, 0)


async def test_an_application_has_rules_of_its_own(run: Run) -> None:
    """`early_bird` grants it to Ada, who is no admin."""
    running = await run(app)

    await running.call_as(ADA, burn_diary)
