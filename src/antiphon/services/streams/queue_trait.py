"""What an action may say of its jobs, and a listener may not: events wait in queues of their own."""

from __future__ import annotations

from collections.abc import Iterable

from antiphon.core.action import AnyAction
from antiphon.core.traits import Trait


class QueueTrait(Trait):
    """A trait about the jobs of an action. `word` is what stands in front of its bracket."""

    __slots__ = ()

    @property
    def word(self) -> str:
        """How it is written."""
        return type(self).__name__.lower()


def without_effect(listener: AnyAction) -> Iterable[str]:
    """What is wrong with a listener that has such traits."""
    for trait in listener.traits:
        if isinstance(trait, QueueTrait):
            yield (
                f"{listener.where}: {trait.word}(...) has no effect on the listener {listener.name}. Its events wait "
                f"in a queue of its own, those of one key in their order. Take it away, or write an action with it "
                f"that the listener calls with `ctx.later`."
            )
