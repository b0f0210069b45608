"""The three works every server does: what is asked, what must be answered, and what must be refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

type WorkName = Literal["get", "put", "layers"]

STATUS_PATH = "/api/status"
TALLY_PATH = "/api/tally"
ITEM_PATH = "/api/items/42?notify=true"
AGENT = "bench"
BLOCKED_AGENT = "blocked"

ITEM = b'{"title":"A small brass lamp","quantity":12,"price":149.5,"active":true,"tags":["brass","lamp","small"]}'
SAVED = (
    b'{"id":42,"notify":true,"title":"A small brass lamp","quantity":12,"price":149.5,"active":true,'
    b'"tags":["brass","lamp","small"]}'
)
OTHER_ITEM = b'{"title":"x","quantity":1000,"price":0.25,"active":false,"tags":[]}'
OTHER_SAVED = b'{"id":7,"notify":false,"title":"x","quantity":1000,"price":0.25,"active":false,"tags":[]}'


BROWSER: tuple[tuple[str, str], ...] = (
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"),
    ("Accept", "application/json, text/plain, */*"),
    ("Accept-Language", "en-GB,en;q=0.9,de;q=0.6"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Referer", "http://127.0.0.1/items/42"),
    ("Connection", "keep-alive"),
    ("Cookie", "theme=dark; seen=1763712000; consent=necessary"),
    ("Sec-Fetch-Dest", "empty"),
    ("Sec-Fetch-Mode", "cors"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Priority", "u=4"),
)
"""What a browser sends beside Host: with it, twelve headers."""

FEW, MANY = 1, 1 + len(BROWSER)
"""How many headers there can be before those that the work itself needs."""


def status_answer(count: int) -> bytes:
    """The answer to the `count`-th GET of a server's life: built per request, so that nobody can send a constant."""
    return b'{"name":"bench","count":%d}' % count


@dataclass(frozen=True)
class Work:
    """One thing to ask for, again and again."""

    name: WorkName
    words: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def layered(self) -> bool:
        """Whether the server carries the three middlewares; layered and plain servers are separate processes."""
        return self.name == "layers"

    def request(self, port: int, headers: int = FEW) -> bytes:
        """The bytes to send, as a script (FEW headers) or a browser (MANY) sends them; both keep the connection."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
        lines += [f"{name}: {value}" for name, value in (self.headers if headers == FEW else BROWSER)]
        if self.body:
            lines += ["Content-Type: application/json", f"Content-Length: {len(self.body)}"]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


WORKS: dict[WorkName, Work] = {
    "get": Work("get", "(a) a small GET, its JSON built per request", "GET", STATUS_PATH),
    "put": Work(
        "put",
        "(b) a PUT with a path parameter, a query flag and a JSON body of five validated fields",
        "PUT",
        ITEM_PATH,
        body=ITEM,
    ),
    "layers": Work(
        "layers",
        "(c) the GET through three middlewares, with a request id on the answer",
        "GET",
        STATUS_PATH,
        headers=(("User-Agent", AGENT),),
    ),
}


@dataclass(frozen=True)
class Ask:
    """One way to ask for a work: how many connections, how many headers, and how many requests at once on each."""

    work: WorkName
    connections: int = 64
    headers: int = FEW
    pipeline: int = 1

    @property
    def words(self) -> str:
        """What stands above its table."""
        words = f"{WORKS[self.work].words}, {self.connections} connection{'s' if self.connections > 1 else ''}"
        words += f", {self.headers} request headers" if self.headers > 1 else ""
        return words + (f", {self.pipeline} requests pipelined on each" if self.pipeline > 1 else "")


def _item(**changes: str) -> bytes:
    fields = {"title": '"x"', "quantity": "1", "price": "0.5", "active": "true", "tags": "[]", **changes}
    return ("{" + ",".join(f'"{name}":{value}' for name, value in fields.items() if value) + "}").encode()


BAD_PUTS: dict[str, tuple[str, bytes]] = {
    "an id that is no number": ("/api/items/abc?notify=true", ITEM),
    "a flag that is no flag": ("/api/items/42?notify=perhaps", ITEM),
    "an empty title": (ITEM_PATH, _item(title='""')),
    "a title of 101 characters": (ITEM_PATH, _item(title='"' + "x" * 101 + '"')),
    "a title that is a number": (ITEM_PATH, _item(title="5")),
    "a quantity of 0": (ITEM_PATH, _item(quantity="0")),
    "a quantity of 1001": (ITEM_PATH, _item(quantity="1001")),
    "half a quantity": (ITEM_PATH, _item(quantity="1.5")),
    "a negative price": (ITEM_PATH, _item(price="-0.5")),
    "a price in words": (ITEM_PATH, _item(price='"much"')),
    "a flag in the body that is no flag": (ITEM_PATH, _item(active='"maybe"')),
    "nine tags": (ITEM_PATH, _item(tags="[" + ",".join(['"t"'] * 9) + "]")),
    "a tag that is a number": (ITEM_PATH, _item(tags="[5]")),
    "tags that are no list": (ITEM_PATH, _item(tags='"t"')),
    "no title": (ITEM_PATH, _item(title="")),
    "no tags": (ITEM_PATH, _item(tags="")),
    "a list for a body": (ITEM_PATH, b"[]"),
    "half a body": (ITEM_PATH, ITEM[:40]),
}
"""Each must be answered with a 4xx: nobody wins by not checking."""
