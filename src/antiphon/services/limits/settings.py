"""The limits that every action has, those that actions take by name, and how long the store may take to decide."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, ClassVar

from msgspec import Meta

from antiphon.core.errors import Fault
from antiphon.core.info import Environment
from antiphon.core.limits import MOST_COUNT, Limit
from antiphon.core.settings import Settings, doc

type Count = Annotated[int, Meta(ge=1, le=10_000_000)]

_MINUTE, _HOUR = 60.0, 3600.0


class LimitSettings(Settings, frozen=True):
    """How often callers may call. What an action says by itself stands in its `limit(...)`."""

    section: ClassVar[str] = "limits"

    enabled: Annotated[bool, doc("Whether calls are limited; off is for measurements, and production refuses it.")] = (
        True
    )
    scale: Annotated[float, Meta(ge=0.001, le=1_000_000), doc("Multiplies every number of this section.")] = 1.0
    anonymous: Annotated[Count, doc("The calls a minute of one address that is not signed in.")] = 120
    user: Annotated[Count, doc("The calls a minute of one user.")] = 600
    tenant: Annotated[Count, doc("The calls a minute of one tenant.")] = 6_000
    sign_in: Annotated[Count, doc("The sign-ins a minute from one address (`sign-in`).")] = 20
    sign_up: Annotated[Count, doc("The sign-ups an hour from one address (`sign-up`).")] = 60
    reset: Annotated[Count, doc("The password resets an hour from one address (`reset`).")] = 10
    refresh: Annotated[Count, doc("The refreshed tokens a minute of one user, else of one address (`refresh`).")] = 30
    graphql_user: Annotated[Count, doc("The cost a minute of one user's GraphQL (`graphql-user`).")] = 20_000
    graphql_tenant: Annotated[Count, doc("The cost a minute of one tenant's GraphQL (`graphql-tenant`).")] = 200_000
    enqueue: Annotated[Count, doc("The jobs that one tenant queues in a minute (`enqueue`).")] = 1_000
    upload: Annotated[Count, doc("The files that one user uploads in an hour (`upload`).")] = 60
    refusals: Annotated[
        Count, doc("The calls a minute of one address that their rule refuses, counted by each process.")
    ] = 300
    store_time: Annotated[
        timedelta, doc("How long a call waits for the store to decide before its own process counts it.")
    ] = timedelta(milliseconds=20)
    kept: Annotated[
        int, Meta(ge=1_000, le=10_000_000), doc("The counters that a process keeps while it counts by itself.")
    ] = 100_000

    def problems(self, environment: Environment) -> Iterable[Fault]:
        """Production is never without limits."""
        if environment == "production" and not self.enabled:
            yield Fault("enabled", "must be on in production: without limits one caller can take everything")
        if self.store_time <= timedelta(0):
            yield Fault("store_time", "must be longer than 0s, or the store is never asked")

    def warnings(self, environment: Environment) -> Iterable[Fault]:
        """Limits that are there and limit nobody."""
        if self.scale > 10:
            yield Fault("scale", "makes every limit more than ten times as wide as it was meant to be")

    def scaled(self, count: int) -> int:
        """The number with `scale`, and one at least."""
        return min(MOST_COUNT, max(1, int(count * self.scale)))

    def named(self) -> dict[str, Limit]:
        """The limits that actions take by name (`limit("sign-in")`)."""
        return {
            "sign-in": Limit(self.scaled(self.sign_in), _MINUTE, "address", without_store="refuse"),
            "sign-up": Limit(self.scaled(self.sign_up), _HOUR, "address", without_store="refuse"),
            "reset": Limit(self.scaled(self.reset), _HOUR, "address", without_store="refuse"),
            "refresh": Limit(self.scaled(self.refresh), _MINUTE, "caller", without_store="refuse"),
            "graphql-user": Limit(self.scaled(self.graphql_user), _MINUTE, "user"),
            "graphql-tenant": Limit(self.scaled(self.graphql_tenant), _MINUTE, "tenant"),
            "enqueue": Limit(self.scaled(self.enqueue), _MINUTE, "tenant"),
            "upload": Limit(self.scaled(self.upload), _HOUR, "user"),
        }
