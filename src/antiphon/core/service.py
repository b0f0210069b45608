"""Declares what an action can lean on: services that live with the application, scoped things that live with a call."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from functools import cached_property
from types import NoneType
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    NamedTuple,
    Protocol,
    TypeVar,
    cast,
    get_args,
    get_origin,
    runtime_checkable,
)

from antiphon.core.errors import SetupError
from antiphon.core.inputs.types import UNIONS
from antiphon.core.signature import REQUIRED, read_signature, where

if TYPE_CHECKING:
    from antiphon.core.runtime import Runtime

T = TypeVar("T")


class Need(NamedTuple):
    """Something that must be there first, found by its type. An optional one (`X | None`) may be missing."""

    name: str
    type: Any
    optional: bool


class Provider(Generic[T]):
    """What services and scoped things share: a function whose parameters are its needs."""

    __slots__ = ("__dict__", "function", "module", "name")

    def __init__(self, function: Callable[..., object]) -> None:
        self.function = function
        self.name = function.__name__
        self.module = function.__module__

    @property
    def where(self) -> str:
        """File and line of the function."""
        return where(self.function)

    @cached_property
    def needs(self) -> tuple[Need, ...]:
        """The parameters. Read at the start of the application, not at import."""
        return tuple(_need(p.name, p.type) for p in read_signature(self.function).parameters)

    @cached_property
    def gives(self) -> type[T]:
        """The type it is found by."""
        return self._given(read_signature(self.function).returns)

    def _given(self, returns: Any) -> type[T]:
        raise NotImplementedError


class Service(Provider[T]):
    """An async generator that opens something, yields it once, and closes it after the yield."""

    def _given(self, returns: Any) -> type[T]:
        if get_origin(returns) is not AsyncIterator or not get_args(returns):
            raise SetupError(
                f"{self.where}: the service {self.name} must be `async def … -> AsyncIterator[What]` with one yield."
            )
        return cast("type[T]", get_args(returns)[0])

    def open(self, *needs: object) -> AsyncGenerator[T]:
        """Begin: the first item is the open service, the end of the iteration is its closing."""
        return cast("AsyncGenerator[T]", self.function(*needs))


class Background(ABC):
    """A service with work of its own for as long as the application serves. A command opens it and leaves it idle.

    It says so by name (`class Feeds(Background)`): databases begin other things.
    """

    @abstractmethod
    async def begin(self, runtime: Runtime) -> None:
        """Begin that work, just before calls may arrive; the service's own closing ends it."""


@runtime_checkable
class Measured(Protocol):
    """A service that counts for itself. Whoever shows metrics asks it for what it counts."""

    def collectors(self) -> Sequence[Any]:
        """Collectors of prometheus-client, the same ones each time."""
        ...


class Scoped(Provider[T]):
    """A function that makes something once per call, when the call first asks for it."""

    def _given(self, returns: Any) -> type[T]:
        if returns is REQUIRED or returns is NoneType:
            raise SetupError(f"{self.where}: {self.name} must say what it gives: `-> What`.")
        return cast("type[T]", returns)


def service(function: Callable[..., AsyncIterator[T]]) -> Service[T]:
    """Declare a service: opened after what it needs (its parameters), closed before it.

    What stands before the `yield` is the opening, what stands after it the closing. Raise SetupError for what the
    operator must mend; anything else that goes wrong while opening stops the start as well, and closes what was open.
    """
    return Service(function)


def scoped(function: Callable[..., T]) -> Scoped[T]:
    """Declare something that `ctx.get` makes once per call, such as a repository over the call's transaction.

    Needs are the parameters, by type: `Context`, any service, or another scoped thing. It must not wait; what has to
    happen at the end of the call is registered with `ctx.at_end`.
    """
    return Scoped(function)


def _need(name: str, annotation: Any) -> Need:
    if get_origin(annotation) in UNIONS:
        inner = [arg for arg in get_args(annotation) if arg is not NoneType]
        if len(inner) == 1 and len(get_args(annotation)) == 2:
            return Need(name, inner[0], optional=True)
    return Need(name, annotation, optional=False)
