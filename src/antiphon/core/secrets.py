"""A value that must not be seen: it prints as `***`, no encoder takes it, and only `reveal()` shows it."""

from __future__ import annotations

from hmac import compare_digest
from typing import NoReturn, Self, cast, final

MASK = "***"
"""What stands where a secret would be seen."""


@final
class Secret[T]:
    """Holds a value that shows itself only through `reveal()`.

    `repr`, `str` and every format give `***`, so a log line, a traceback or an f-string tells nothing, not even the
    length. msgspec, `json` and `pickle` refuse it with a TypeError. Two secrets are equal when their values are; text
    and bytes are compared in constant time, so that an answer's delay does not tell how much of a guess was right.
    The value lies in memory as it is: this guards against carelessness and not against a debugger.
    """

    # Without __slots__ the value would be in vars(), where error reporters and debuggers' dumps look for it.
    __slots__ = ("__value",)

    def __init__(self, value: T) -> None:
        self.__value = value

    def reveal(self) -> T:
        """The value itself. Call it where the value is used, and keep the result in no field and no message."""
        return self.__value

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        # Padding and cutting are ignored: a spec such as ".1" must not be able to raise in a log line either.
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        mine, theirs = self.__value, cast("Secret[object]", other).__value
        if isinstance(mine, str) and isinstance(theirs, str):
            # compare_digest takes text only in ASCII; surrogates stand for bytes of a file that were not UTF-8.
            return compare_digest(mine.encode("utf-8", "surrogatepass"), theirs.encode("utf-8", "surrogatepass"))
        if isinstance(mine, bytes) and isinstance(theirs, bytes):
            return compare_digest(mine, theirs)
        return mine == theirs

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        # copy would go through pickling's door, which is shut; what is copied is a settings section or a call's inputs.
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("A Secret cannot be pickled: it would leave the process readable. Use reveal() if you mean it.")
