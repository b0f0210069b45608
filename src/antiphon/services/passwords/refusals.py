"""Which passwords are refused, and why: common, breached, and those that name the user or the product."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable
from pathlib import Path

from antiphon.services.passwords.bloom import BloomFilter

DATA = Path(__file__).with_name("data")
FREQUENT_FILE = "frequent.txt.gz"
BREACHED_FILE = "breached.bloom"

_SHORTEST_WORD = 3
# Whatever is no letter at either end: what people add to a name to make a password of it.
_TRIMMINGS = re.compile(r"^[\W\d_]+|[\W\d_]+$")


class Refusals:
    """The bundled lists; read once, when the service opens. Upper and lower case are the same here."""

    __slots__ = ("_breached", "_common")

    def __init__(self, common: Iterable[str], breached: BloomFilter) -> None:
        self._common = frozenset(common)
        self._breached = breached

    @classmethod
    def bundled(cls, folder: Path = DATA) -> Refusals:
        """The lists that come with the package. Some milliseconds of work."""
        common = gzip.decompress((folder / FREQUENT_FILE).read_bytes()).decode().splitlines()
        return cls(common, BloomFilter.read((folder / BREACHED_FILE).read_bytes()))

    def reason(self, password: str, *, own: Iterable[str], product: str) -> str | None:
        """Why this password is refused, in words that follow the input's name; None when it is not."""
        folded = fold(password)
        if _names(folded, own):
            return "is your own name or email, or little more; choose another one"
        if _names(folded, (product,)):
            return "is the name of this service, or little more; choose another one"
        if folded in self._common:
            return "is one of the most common passwords; choose another one"
        if folded in self._breached:
            return "is known from a breach of another service; choose another one"
        return None


def fold(text: str) -> str:
    """The form in which passwords are compared with lists and names. What is hashed is always what was sent."""
    return text.casefold()


def _names(password: str, texts: Iterable[str]) -> bool:
    """Whether a password is one of these names or addresses, or a part of one with digits and signs around it."""
    bare = _TRIMMINGS.sub("", password)
    for text in texts:
        text = fold(text.strip())
        if password == text:
            return True
        for part in (text.partition("@")[0], "".join(text.split()), *text.split()):
            word = _TRIMMINGS.sub("", part)
            # A shorter one, such as "a", would refuse "a1938-4759".
            if len(word) >= _SHORTEST_WORD and word in (password, bare):
                return True
    return False
