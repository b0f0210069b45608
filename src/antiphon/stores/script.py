"""A Lua script that the store runs as one step: a file beside the Python that gives it a typed signature."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha1
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Script:
    """The text of a script and the name the server knows it by.

    Keys come through `KEYS[]` only, all with one hash-tag, so that a Cluster knows where to run it. Say so beside it:

        _TAKE = Script.beside(__file__, "take.lua")

        async def take(store: Store, name: str, count: int) -> bool:
            return bool(await store.run(_TAKE, [store.key(f"{{limit.{name}}}")], [count]))
    """

    name: str
    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        # The server's own name for a script, not a secret's hash.
        object.__setattr__(self, "sha", sha1(self.text.encode(), usedforsecurity=False).hexdigest())

    @classmethod
    def beside(cls, file: str, name: str) -> Self:
        """The script in the file `name` beside `file` (`__file__`); read once, when the module is imported."""
        return cls(name, Path(file).with_name(name).read_text("utf-8"))
