"""What an application would mail: the tokens that events carry, sealed, to whoever sends the letters."""

from __future__ import annotations

import msgspec

from antiphon.modules.accounts import PasswordResetAsked, reset_token
from antiphon.services.identity import RootSecret
from antiphon.testing.waiting import wait_until
from tests.olympus_stage import Olympus
from tests.services.events_stage import logged


async def mailed(olympus: Olympus, email: str) -> str:
    """Ask for a new password, and take the token from the newest event."""
    runtime = olympus.running.runtime
    await olympus.client().post("/api/password/reset", {"email": email})

    async def there() -> bool:
        return bool(await logged(runtime, "accounts"))

    await wait_until(there, "the event was never announced")
    event = (await logged(runtime, "accounts"))[-1].event
    assert event is not None
    asked = msgspec.json.decode(event.data, type=PasswordResetAsked)
    return reset_token(runtime.require(RootSecret, "the test"), asked).reveal()
