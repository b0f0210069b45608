"""A process of its own that calls as often as it can for a while: `url prefix count per seconds`.

It prints when the store let each of its calls pass, in microseconds of the store's time.
"""

from __future__ import annotations

import asyncio
import sys
from time import monotonic

from antiphon.core.clock import SystemClock
from antiphon.core.limits import LimiterAway, limit
from antiphon.core.log import Silent
from antiphon.services.limits.asking import Asker
from antiphon.services.limits.counting import Charge
from antiphon.services.limits.limits import Limits
from antiphon.services.limits.policies import Policy
from antiphon.services.limits.settings import LimitSettings
from antiphon.stores.base import Store


async def run(url: str, prefix: str, count: int, per: str, seconds: float) -> None:
    """Call, eight calls at a time, until the time is over."""
    store, settings = Store(url, prefix=prefix, log=Silent()), LimitSettings()
    asker = Asker(store, settings.store_time, Silent())
    clock = SystemClock()
    limits = Limits(store, asker, settings, clock)
    # What the store does not decide in time is refused, so whatever passes was let pass by the store.
    policy = Policy.of(limit(count, per=per, without_store="refuse"), "crowd")
    passed: list[int] = []
    await store.client.ping()
    print("ready", flush=True)  # noqa: T201  # it is read by the test
    await asyncio.to_thread(sys.stdin.readline)
    ends = monotonic() + seconds

    async def call() -> None:
        while monotonic() < ends:
            try:
                decided = await limits.decide([Charge(policy, "{crowd}", 1)])
            except LimiterAway:
                await clock.sleep(0.01)
                continue
            if decided.passes:
                passed.append(decided.at)

    await asyncio.gather(*(call() for _ in range(8)))
    print(*passed, flush=True)  # noqa: T201  # as above
    await asker.close()
    await store.close()


if __name__ == "__main__":
    url, prefix, count, per, seconds = sys.argv[1:]
    asyncio.run(run(url, prefix, int(count), per, float(seconds)))
