"""The heap of a process that serves: what stands at its start stands until its end, and is not walked through again.

The collector of cycles walks through everything there is whenever enough is new, and an application is a hundred
thousand objects before its first call: 50 ms in which nobody is answered. Calls that wait, for a database or for each
other, look to it like things that stay, so the more of them there are, the more often it does so.
"""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 10_000
"""How many objects more than before there are when the collector looks at the newest: those of some hundred calls."""


def settle() -> None:
    """Leave everything that is there out of what the collector walks through; the process is to be ours alone."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
