"""Content codings: which one a client takes, when it is worth it, and the compressing itself (RFC 9110 §8.4)."""

from __future__ import annotations

import asyncio
import importlib
import zlib
from collections.abc import Callable
from typing import Any, cast

from antiphon.wire.grammar import read_parameters, read_weight, split_outside_quotes

CODINGS = ("zstd", "br", "gzip")
"""Every coding we know, best first: zstd costs least at equal size, gzip is understood by all."""

SMALLEST_BYTES = 1024
LARGEST_ON_LOOP_BYTES = 256 * 1024
"""From here on compressing takes milliseconds and leaves the loop."""

# Levels for answers made once and sent once: beyond these, time doubles for a few percent of size.
_ZSTD_LEVEL = 3
_BROTLI_QUALITY = 4
_GZIP_LEVEL = 5
_GZIP_WRAPPER = 31
_MOST_REMEMBERED = 128

type Compress = Callable[[bytes], bytes]


class Encoder:
    """Compresses bodies with what is installed: gzip always, zstd and br where their libraries are.

    One per application: it looks for the libraries once, when it is made. Safe to use from any thread.
    """

    __slots__ = ("_chosen", "_compress", "codings")

    def __init__(self) -> None:
        found = {"zstd": _zstd(), "br": _brotli(), "gzip": _gzip}
        self._compress = {coding: found[coding] for coding in CODINGS}
        self.codings = tuple(coding for coding in CODINGS if found[coding] is not None)
        self._chosen: dict[str, str | None] = {}

    def negotiate(self, accept_encoding: str | None) -> str | None:
        """The coding to use for a client, or None for none (RFC 9110 §12.5.3).

        The highest weight wins, then our order of codings. Without the header nothing is compressed. A client that
        refuses plain bytes as well (`identity;q=0`) and leaves nothing else is sent plain bytes all the same,
        as §12.5 allows: it can do more with them than with a 406.
        """
        if not accept_encoding:
            return None
        # Clients send a handful of different headers, and reading one costs more than finding it again.
        try:
            return self._chosen[accept_encoding]
        except KeyError:
            chosen = self._choose(accept_encoding)
        if len(self._chosen) < _MOST_REMEMBERED:
            self._chosen[accept_encoding] = chosen
        return chosen

    def _choose(self, accept_encoding: str) -> str | None:
        weights = _read_weights(accept_encoding)
        rest = weights.get("*")
        best, best_weight = None, 0.0
        for coding in self.codings:
            weight = weights.get(coding, rest if rest is not None else 0.0)
            if weight > best_weight:
                best, best_weight = coding, weight
        # Identity counts only when it is named: everybody takes it, few want it more.
        return None if weights.get("identity", 0.0) > best_weight else best

    def compress(self, body: bytes, coding: str) -> bytes:
        """`body` in this coding. The same bytes give the same bytes, so that a kept answer can be compared."""
        compress = self._compress.get(coding)
        if compress is None:
            raise ValueError(f"{coding!r} is not one of the codings here: {', '.join(self.codings)}.")
        return compress(body)

    async def compress_off_loop(self, body: bytes, coding: str) -> bytes:
        """`compress`, in a thread when the body is large enough to hold the loop up."""
        if len(body) <= LARGEST_ON_LOOP_BYTES:
            return self.compress(body, coding)
        return await asyncio.to_thread(self.compress, body, coding)


def is_compressible(content_type: str, size_bytes: int) -> bool:
    """Whether a whole body of this type and size is worth compressing: text and JSON, from 1,024 bytes.

    The caller leaves out streams, ranges and what is already encoded; event streams are left out here.
    """
    if size_bytes < SMALLEST_BYTES:
        return False
    essence = content_type.partition(";")[0].strip().lower()
    if essence.startswith("text/"):
        return essence != "text/event-stream"
    return essence == "application/json" or (essence.startswith("application/") and essence.endswith("+json"))


def encoded_tag(tag: str, coding: str) -> str:
    """The entity tag of a body's form in this coding: `"3"` is `"3-gzip"` (RFC 9110 §8.8.3.3).

    Two forms have different bytes, so one strong tag for both would let a client join halves of each.
    """
    return f'{tag[:-1]}-{coding}"'


def plain_tag_value(value: str) -> str:
    """What stands between the quotes of a tag, without the coding that `encoded_tag` added: `3-gzip` is `3`."""
    head, dash, coding = value.rpartition("-")
    return head if dash and coding in CODINGS else value


def _read_weights(accept_encoding: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for member in split_outside_quotes(accept_encoding, ","):
        name, *rest = split_outside_quotes(member, ";")
        parameters = read_parameters(rest)
        weight = None if parameters is None else read_weight(parameters.get("q", "1"))
        if name and weight is not None:
            name = name.lower()
            weights["gzip" if name == "x-gzip" else name] = weight
    return weights


def _gzip(body: bytes) -> bytes:
    # Not gzip.compress: zlib writes the wrapper itself, without a time and in one call.
    return zlib.compress(body, level=_GZIP_LEVEL, wbits=_GZIP_WRAPPER)


def _optional(name: str) -> Any | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _zstd() -> Compress | None:
    zstandard = _optional("zstandard")
    if zstandard is None:
        return None

    def compress(body: bytes) -> bytes:
        # A compressor may not be shared between threads, and making one is cheap beside using it.
        return cast("bytes", zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(body))

    return compress


def _brotli() -> Compress | None:
    brotli = _optional("brotli")
    if brotli is None:
        return None

    def compress(body: bytes) -> bytes:
        return cast("bytes", brotli.compress(body, quality=_BROTLI_QUALITY))

    return compress
