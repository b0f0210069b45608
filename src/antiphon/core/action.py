"""The action: a typed function written once, its traits, and the call, which is one use of it as a value."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from functools import cached_property
from types import NoneType
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    ParamSpec,
    Protocol,
    TypeVar,
    get_args,
    get_origin,
    overload,
)

import msgspec

from antiphon.core.errors import SetupError
from antiphon.core.inputs.schema import Inputs, Schema
from antiphon.core.results import Check, check_for, unsayable
from antiphon.core.signature import REQUIRED, Signature, read_signature, where
from antiphon.core.traits import Trait, find

if TYPE_CHECKING:
    from antiphon.core.context import Context

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

NAME = re.compile(r"[a-z][a-z0-9-]*(:[a-z][a-z0-9-]*)?")
"""An action's name: `feature:verb`, or one word."""

STREAMS = (AsyncIterator, AsyncGenerator)
"""What the signature of an async generator may promise."""


class Call(Generic[R_co]):
    """An action and its inputs: what HTTP decodes, the log names, a queue stores and a test compares."""

    __slots__ = ("action", "inputs")

    def __init__(self, action: AnyAction, inputs: Inputs) -> None:
        self.action = action
        self.inputs = inputs

    def replace(self, **changes: object) -> Call[R_co]:
        """The same call with other inputs, by their Python names, checked as if a caller had sent them."""
        given = {name: getattr(self.inputs, name) for name in self.inputs.__struct_fields__} | changes
        return Call(self.action, self.action.schema.from_python(given))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Call) and self.action is other.action and self.inputs == other.inputs

    def __hash__(self) -> int:
        return hash((self.action.name, msgspec.structs.astuple(self.inputs)))

    def __repr__(self) -> str:
        inputs = ", ".join(f"{name}={getattr(self.inputs, name)!r}" for name in self.inputs.__struct_fields__)
        return f"Call({self.action.name}, {inputs})" if inputs else f"Call({self.action.name})"


class AnyAction:
    """What every action is, whatever it takes and gives."""

    streams: bool = False

    def __init__(self, name: str, traits: tuple[Trait, ...], function: Callable[..., Any]) -> None:
        if not NAME.fullmatch(name):
            raise SetupError(
                f"{where(function)}: {name!r} is no name for an action. "
                f"Write `feature:verb` in lower case, as in 'message:create'."
            )
        self.name = name
        self.traits = traits
        self.function = function
        self.module = function.__module__
        self.__name__ = function.__name__
        self.__doc__ = function.__doc__

    @property
    def where(self) -> str:
        """File and line of the function."""
        return where(self.function)

    @cached_property
    def description(self) -> str:
        """The docstring, without its indentation."""
        return inspect.cleandoc(self.function.__doc__ or "")

    @cached_property
    def signature(self) -> Signature:
        """Parameters, the context included, and what comes back. Read at the start of the application."""
        signature = read_signature(self.function)
        if not signature.parameters or signature.parameters[0].name != "ctx":
            raise SetupError(f"{self.where}: the first parameter of the action {self.name} must be `ctx: Context`.")
        if signature.returns is REQUIRED:
            raise SetupError(
                f"{self.where}: the action {self.name} must say what it gives back, as in `-> Message` or `-> None`."
            )
        if (get_origin(signature.returns) in STREAMS) is not self.streams:
            raise SetupError(
                f"{self.where}: the action {self.name} must be an `async def` with `yield` in it to give an "
                f"AsyncIterator, and must give an AsyncIterator to `yield`."
            )
        return signature

    @cached_property
    def schema(self) -> Schema:
        """How its inputs are read and checked."""
        parameters = self.signature.parameters[1:]
        try:
            return Schema(self.name, parameters)
        except SetupError as error:
            raise SetupError(*(f"{self.where}: {problem}" for problem in error.problems)) from error

    @cached_property
    def result(self) -> Any:
        """The type of the result; for a stream, of one item."""
        returns = self.signature.returns
        if self.streams:
            return get_args(returns)[0]
        return NoneType if returns is None else returns

    @cached_property
    def check(self) -> Check:
        """Says whether a value is what the signature promises."""
        return check_for(self.result)

    @cached_property
    def result_problems(self) -> list[str]:
        """Why no caller could be given or told the result, in words for a SetupError. Empty when one can."""
        return unsayable(self.result)

    @cached_property
    def reads_only(self) -> bool:
        """Whether it changes nothing, on whatever transport it is called: each trait that has a word on it says so."""
        words = [word for trait in self.traits if (word := trait.reads_only) is not None]
        return bool(words) and all(words)

    def trait[T](self, kind: type[T]) -> T | None:
        """The trait of this kind, or None."""
        return find(self.traits, kind)

    def traits_of[T](self, kind: type[T]) -> list[T]:
        """Every trait of this kind, in the order they were written."""
        return [trait for trait in self.traits if isinstance(trait, kind)]

    def call(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Call[Any]:
        """The call with these Python arguments, checked."""
        if not args:
            return Call(self, self.schema.from_python(kwargs))
        names = self.schema.struct.__struct_fields__
        if len(args) > len(names):
            raise TypeError(f"{self.name} takes {len(names)} inputs, {len(args)} were given")
        for name in names[: len(args)]:
            if name in kwargs:
                raise TypeError(f"{self.name} is given its input {name!r} twice")
        return Call(self, self.schema.from_python(dict(zip(names, args, strict=False)) | kwargs))

    def __repr__(self) -> str:
        return f"<action {self.name}>"


class Action(AnyAction, Generic[P, R]):
    """An action that answers once."""

    def __call__(self, ctx: Context, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        """Run the function bare: no rule, no layer, no check of inputs."""
        result = self.function(ctx, *args, **kwargs)
        return result if inspect.isawaitable(result) else _Answered(result)

    def bind(self, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """The call with these inputs, checked: a value to store, compare or run later. Raises InvalidInput."""
        return self.call(args, kwargs)

    @cached_property
    def instant(self) -> bool:
        """Whether the function never waits (a plain `def`)."""
        return not inspect.iscoroutinefunction(self.function)


class Stream(AnyAction, Generic[P, R]):
    """An action that answers item by item."""

    streams = True

    def __call__(self, ctx: Context, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[R]:
        """Run the generator bare: no rule, no layer, no check of inputs."""
        return self.function(ctx, *args, **kwargs)

    def bind(self, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """The call with these inputs, checked. Raises InvalidInput."""
        return self.call(args, kwargs)


class _Answered(Generic[R]):
    """The result of a plain `def` action, to be awaited like any other."""

    __slots__ = ("_result",)

    def __init__(self, result: R) -> None:
        self._result = result

    def __await__(self) -> Generator[Any, None, R]:
        return self._result
        yield  # makes this a generator, as __await__ has to be


class Declare(Protocol):
    """The decorator that `action(...)` gives."""

    @overload
    def __call__(self, function: Callable[Concatenate[Context, P], AsyncIterator[R]], /) -> Stream[P, R]: ...  # pyright: ignore[reportOverlappingOverload]  # a plain result is what is left

    @overload
    def __call__(self, function: Callable[Concatenate[Context, P], Awaitable[R]], /) -> Action[P, R]: ...

    @overload
    def __call__(self, function: Callable[Concatenate[Context, P], R], /) -> Action[P, R]: ...


def action(name: str, /, *traits: Trait) -> Declare:
    """Declare an action: an `async def`, a plain `def` that never waits, or an async generator that streams.

    `ctx` comes first; every other parameter is an input, and the signature is its schema. The docstring is the
    description, the return type the result. One of the traits must be `allow(...)`.
    """

    def declare(function: Callable[..., Any]) -> Any:
        if inspect.isasyncgenfunction(function):
            return Stream[Any, Any](name, traits, function)
        return Action[Any, Any](name, traits, function)

    return declare
