"""What an application would mail: the events of accounts, and the tokens that they carry, sealed."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from antiphon.core.secrets import Secret
from antiphon.modules.accounts import (
    EmailConfirmationAsked,
    PasswordResetAsked,
    TakenEmailGiven,
    confirmation_token,
    reset_token,
)
from antiphon.services.identity import RootSecret
from antiphon.testing.app import HttpAnswer
from antiphon.testing.clock import StandingClock
from antiphon.testing.waiting import wait_until
from tests.olympus_stage import Olympus, Person
from tests.services.events_stage import logged

ASK = "/api/password/reset"
ANOTHER_PASSWORD = "a quiet harbour, before the storm"

type Mail = EmailConfirmationAsked | PasswordResetAsked | TakenEmailGiven

_KINDS: dict[str, type[Mail]] = {
    "olympus.accounts.email-confirmation-asked": EmailConfirmationAsked,
    "olympus.accounts.password-reset-asked": PasswordResetAsked,
    "olympus.accounts.taken-email-given": TakenEmailGiven,
}


async def mails(olympus: Olympus) -> list[Mail]:
    """The mails so far."""
    events = [each.event for each in await logged(olympus.running.runtime, "accounts") if each.event is not None]
    return [msgspec.json.decode(event.data, type=_KINDS[event.type]) for event in events if event.type in _KINDS]


async def sent(olympus: Olympus, number: int = 1, *, clock: StandingClock | None = None) -> list[Mail]:
    """The mails so far, once there are this many; a clock that stands is moved while they are waited for."""

    async def there() -> bool:
        if clock is not None:
            clock.move(timedelta(milliseconds=1))
        return len(await mails(olympus)) >= number

    await wait_until(there, f"there was never a mail number {number}")
    return await mails(olympus)


def token_in(olympus: Olympus, mail: Mail) -> Secret[str]:
    """The token of a mail, as the application takes it out of the event."""
    root = olympus.running.runtime.require(RootSecret, "the test")
    match mail:
        case EmailConfirmationAsked():
            return confirmation_token(root, mail)
        case PasswordResetAsked():
            return reset_token(root, mail)
        case TakenEmailGiven():
            raise AssertionError("there is no token in this mail")


async def mailed(olympus: Olympus, person: Person, number: int = 1) -> Secret[str]:
    """Ask for a new password; gives the token of the mail, whose number this is."""
    await olympus.client().post(ASK, {"email": person.email})
    return token_in(olympus, (await sent(olympus, number))[-1])


async def confirmed(olympus: Olympus, token: Secret[str], password: str = ANOTHER_PASSWORD) -> HttpAnswer:
    """Set a new password with a token."""
    return await olympus.client().post(f"{ASK}/confirm", {"token": token.reveal(), "password": password})
