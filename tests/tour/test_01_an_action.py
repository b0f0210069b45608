"""An action is a typed function. Its signature is its schema, its docstring its description."""

from __future__ import annotations

from antiphon import App, Context, Struct, action, allow, anyone, get
from tests.tour.start import Run


class Greeting(Struct):
    """What is said to somebody."""

    text: str


@action("hello:say", get("/hello/{name}"), allow(anyone))
async def say_hello(ctx: Context, name: str) -> Greeting:
    """Greet somebody by name."""
    return Greeting(f"Hello, {name}!")


app = App("tour", modules=[__name__])


async def test_it_is_called_like_any_function(run: Run) -> None:
    """Code calls an action directly, and its arguments are type-checked like those of any function."""
    running = await run(app)

    greeting = await running.call(say_hello, "Ada")

    assert greeting == Greeting("Hello, Ada!")


async def test_it_answers_over_http(run: Run) -> None:
    """The route trait gives it a place under `/api`; the result is the body."""
    running = await run(app)

    answer = await running.client().get("/api/hello/Ada")

    assert (answer.status, answer.json) == (200, {"text": "Hello, Ada!"})


async def test_it_is_a_command(run: Run) -> None:
    """Its name is the command, its inputs are the flags."""
    running = await run(app)

    command = await running.command("hello:say", "--name", "Ada")

    assert (command.code, command.result) == (0, {"text": "Hello, Ada!"})
