"""Who is measured: one row a server, in the order of the tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PROTOCOL = "bare protocol"
PROMISES = "bare protocol, same promises"
OURS = "Antiphon"
UVICORN = "bare uvicorn"
SAME = "bare uvicorn, same headers"
ADAPTER = "Antiphon ASGI"
BOLT = "django-bolt"
MEASURE = "FastAPI"
GO = "Go net/http"

ITS_OWN = "its own server"


@dataclass(frozen=True)
class Peer:
    """One server: `module` is a file of `bench/http/servers`; the versions of `packages` tell what was measured.

    One with `own_port` binds its port itself, the others inherit a socket that listens already. One that is `made` is
    built or installed first, because the environment of the bench cannot hold it.
    """

    key: str
    name: str
    module: str
    packages: tuple[str, ...]
    runs_on: str = "uvicorn"
    own_port: bool = False
    made: Literal["", "robyn", "go", "bun"] = ""


PEERS: tuple[Peer, ...] = (
    Peer("protocol", PROTOCOL, "protocol", ("httptools", "uvloop"), "uvloop and httptools by hand"),
    Peer("protocol-same", PROMISES, "protocol_same", ("antiphon",), "uvloop, and Antiphon's reader of heads, by hand"),
    Peer("antiphon", OURS, "antiphon_server", ("antiphon",), ITS_OWN, own_port=True),
    Peer("bare", UVICORN, "bare", ("uvicorn",)),
    Peer("bare-same", SAME, "bare_same", ("uvicorn",)),
    Peer("asgi", ADAPTER, "antiphon_asgi", ("antiphon",)),
    Peer("bolt", BOLT, "bolt_server", ("django-bolt", "django"), "its own server (Rust)", own_port=True),
    Peer("rsgi", "granian RSGI", "granian_rsgi", ("granian",), "granian (Rust)", own_port=True),
    Peer("granian", "granian ASGI", "granian_asgi", ("granian",), "granian (Rust)", own_port=True),
    Peer("robyn", "Robyn", "robyn_server", (), "its own server (Rust)", own_port=True, made="robyn"),
    Peer("aiohttp", "aiohttp", "aiohttp_server", ("aiohttp",), "its own server, on uvloop"),
    Peer("sanic", "Sanic", "sanic_server", ("sanic",), ITS_OWN),
    Peer("blacksheep", "BlackSheep", "blacksheep_server", ("blacksheep",)),
    Peer("starlette", "Starlette", "starlette_server", ("starlette",)),
    Peer("litestar", "Litestar", "litestar_server", ("litestar",)),
    Peer("fastapi", MEASURE, "fastapi_server", ("fastapi",)),
    Peer("go", GO, "go_server", (), "Go, GOMAXPROCS=1", own_port=True, made="go"),
    Peer("bun", "Bun", "bun_server", (), "JavaScriptCore, Bun.serve", own_port=True, made="bun"),
)


def chosen(names: str) -> list[Peer]:
    """The peers with these keys, or whose names begin with these, comma-separated; all of them for an empty text."""
    wanted = [name.strip().lower() for name in names.split(",") if name.strip()]
    found = {word: _meant(word) for word in wanted}
    unknown = [word for word, peers in found.items() if not peers]
    if unknown:
        known = ", ".join(peer.key for peer in PEERS)
        raise ValueError(f"--only names {', '.join(unknown)}, which is no server here. There are: {known}.")
    return [peer for peer in PEERS if not wanted or any(peer in peers for peers in found.values())]


def _meant(word: str) -> list[Peer]:
    exactly = [peer for peer in PEERS if peer.key == word]
    return exactly or [peer for peer in PEERS if peer.name.lower().startswith(word)]
