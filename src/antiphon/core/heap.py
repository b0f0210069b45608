"""The heap of a process that serves: what stands at its start stands until its end, and is not walked through again.

The collector of cycles walks through everything there is whenever enough is new, and an application is a hundred
thousand objects before its first call: 50 ms in which nobody is answered. Calls that wait, for a database or for each
other, look to it like things that stay, so the more of them there are, the more often it does so.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

YOUNG_OBJECTS = 10_000
"""How many objects more than before there are when the collector looks at the newest: those of some hundred calls."""


def settle() -> Callable[[], None]:
    """Leave everything that is there out of what the collector walks through; calling what it gives takes that back.

    Whoever has told the collector to look less often, or never, is left alone.
    """
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    if 0 < thresholds[0] < YOUNG_OBJECTS:
        gc.set_threshold(YOUNG_OBJECTS)

    def unsettle() -> None:
        gc.set_threshold(*thresholds)
        gc.unfreeze()

    return unsettle
