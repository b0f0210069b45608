"""A Bloom filter: a set that may take a stranger for a member, never the reverse, in two bytes and a half a member."""

# The file, in this order:
#
#     8 bytes     "BLOOM 1\n"
#     4 bytes     the number of bits that one member sets, little endian
#     the rest    the bits; bit n is bit n % 8 of byte n // 8
#
# The bits of a text are (a + i·b) mod bits for i = 0, 1, …, where a and b are the halves of its 16 bytes of BLAKE2b,
# little endian, b made odd (Kirsch and Mitzenmacher, "Less Hashing, Same Performance", 2006).

from __future__ import annotations

from collections.abc import Collection, Iterator
from hashlib import blake2b
from math import ceil, log, log2
from typing import Self

_MAGIC = b"BLOOM 1\n"
_HEAD_BYTES = len(_MAGIC) + 4


class BloomFilter:
    """Texts, of which only `in` can be asked."""

    __slots__ = ("_bits", "_data", "_hashes")

    def __init__(self, data: bytes | bytearray, hashes: int) -> None:
        self._data = data
        self._hashes = hashes
        self._bits = len(data) * 8

    @classmethod
    def of(cls, texts: Collection[str], *, error: float) -> Self:
        """A filter with these members that takes this share of all other texts for members."""
        size_bytes = ceil(-len(texts) * log(error) / log(2) ** 2 / 8) or 1
        made = cls(bytearray(size_bytes), max(1, round(-log2(error))))
        for text in texts:
            for place in made._places(text):
                made._data[place >> 3] |= 1 << (place & 7)  # pyright: ignore[reportIndexIssue]  # it is the bytearray from above
        return made

    @classmethod
    def read(cls, file: bytes) -> Self:
        """The filter that a file holds. Raises ValueError when it holds none."""
        if len(file) <= _HEAD_BYTES or not file.startswith(_MAGIC):
            raise ValueError("This file is no Bloom filter of ours. Install the package again, or build the file anew.")
        return cls(file[_HEAD_BYTES:], int.from_bytes(file[len(_MAGIC) : _HEAD_BYTES], "little"))

    def write(self) -> bytes:
        """The filter as a file."""
        return _MAGIC + self._hashes.to_bytes(4, "little") + self._data

    def __contains__(self, text: str) -> bool:
        return all(self._data[place >> 3] >> (place & 7) & 1 for place in self._places(text))

    def _places(self, text: str) -> Iterator[int]:
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        place, step = int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little") | 1
        for _ in range(self._hashes):
            yield place % self._bits
            place += step
