"""Who is measured: one row a server, with how it is spoken to and what it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bench.http.peers import Peer
from bench.live.dialects import Antiphon, Dialect, Echoed, SocketIo

type Work = Literal["trips", "fan", "stall", "idle"]

ECHO = "bare picows echo"
OURS = "Antiphon"
KEPT = "Antiphon, replay"
MEASURE = "Starlette"
AIOHTTP = "aiohttp"
GO = "Go gorilla/websocket"

WORKS: dict[Work, str] = {
    "trips": "round trips of a small call over 64 sockets",
    "fan": "one publisher to 1,000 watchers, events of about 120 bytes",
    "stall": "one publisher to 1,000 watchers, events of 4 KiB, of whom 1 % then read nothing",
    "idle": "idle sockets that watch and say nothing",
}
ALL: tuple[Work, ...] = tuple(WORKS)
SHOWN: tuple[Work, ...] = ("fan", "stall")


@dataclass(frozen=True)
class LivePeer(Peer):
    """One server; `module` is a file of `bench/live/servers`."""

    dialect: Dialect = field(default_factory=Dialect)
    works: tuple[Work, ...] = ALL


PEERS: tuple[LivePeer, ...] = (
    LivePeer("echo", ECHO, "picows_echo", ("picows",), "uvloop", dialect=Echoed(), works=("trips",)),
    LivePeer("antiphon", OURS, "antiphon_server", ("antiphon",), "its own server", own_port=True, dialect=Antiphon()),
    LivePeer(
        "antiphon-replay",
        KEPT,
        "antiphon_server",
        ("antiphon",),
        "its own server",
        own_port=True,
        dialect=Antiphon(topic="kept"),
        works=("fan", "stall", "idle"),
    ),
    LivePeer("starlette", MEASURE, "starlette_server", ("starlette",), "uvicorn, websockets-sansio"),
    LivePeer("aiohttp", AIOHTTP, "aiohttp_server", ("aiohttp",), "its own server, on uvloop"),
    LivePeer("websockets", "websockets", "websockets_server", ("websockets",), "its own server, on uvloop"),
    LivePeer("picows", "picows", "picows_server", ("picows",), "its own server (Cython), on uvloop"),
    LivePeer("socketio", "python-socketio", "socketio_server", ("python-socketio",), "uvicorn", dialect=SocketIo()),
    LivePeer("go", GO, "go_server", (), "Go, GOMAXPROCS=1", own_port=True, made="go"),
    LivePeer("bun", "Bun", "bun_server", (), "JavaScriptCore, Bun.serve", own_port=True, made="bun"),
)


def chosen(names: str) -> list[LivePeer]:
    """The peers with these keys, comma-separated; all of them for an empty text."""
    wanted = [name.strip().lower() for name in names.split(",") if name.strip()]
    known = {peer.key: peer for peer in PEERS}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError(f"--only names {', '.join(unknown)}, which is no server here. There are: {', '.join(known)}.")
    return [peer for peer in PEERS if not wanted or peer.key in wanted]
