"""How long sessions live and how their id travels."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, ClassVar

from msgspec import Meta

from antiphon.core.errors import Fault
from antiphon.core.info import Environment
from antiphon.core.settings import Settings, doc


class SessionSettings(Settings, frozen=True):
    """The life of a session and its cookie."""

    section: ClassVar[str] = "session"

    cookie_secure: Annotated[
        bool,
        doc("Whether the cookie is `__Host-session` and goes over https only; switch it off for plain http at home."),
    ] = True
    idle_time: Annotated[timedelta, doc("How long a session lives without a call.")] = timedelta(hours=24)
    life_time: Annotated[timedelta, doc("How long a session lives in any case.")] = timedelta(days=30)
    touch_time: Annotated[timedelta, doc("How often, at most, a call moves the idle life on.")] = timedelta(minutes=1)
    ticket_time: Annotated[timedelta, doc("How long a ticket for a socket waits to be shown.")] = timedelta(seconds=30)
    per_user: Annotated[
        int, Meta(ge=1, le=1_000), doc("The sessions of one user at once; one more ends the oldest.")
    ] = 20

    def problems(self, environment: Environment) -> Iterable[Fault]:
        """An open cookie is refused in production, and so are lives that contradict each other."""
        if environment == "production" and not self.cookie_secure:
            yield Fault("cookie_secure", "must be on in production: without it anybody on the way can take a session")
        if self.touch_time < timedelta(0):
            yield Fault("touch_time", "is below zero. Write 0s to move the idle life on with every call.")
        if self.idle_time <= self.touch_time:
            yield Fault("idle_time", "must be longer than session.touch_time, or sessions end while they are used")
        if self.ticket_time < timedelta(milliseconds=1):
            yield Fault("ticket_time", "must be longer than 0s, or no ticket is of any use")
        if self.life_time < self.idle_time:
            yield Fault("life_time", "must be at least session.idle_time")
