"""The ceiling: an asyncio.Protocol on uvloop and httptools, written by hand for exactly these works.

It parses, checks its inputs and answers, with keep-alive and pipelining and the Date of every answer, and does nothing
else: no limits, no time-outs, no back-pressure, no security headers. What a server adds to that is what it costs.

A piece of a stream goes through the parser, which calls back for every request that ends in it; the answers to all of
them leave in one write.
"""

from __future__ import annotations

import asyncio
import socket
from email.utils import formatdate
from http import HTTPStatus
from time import perf_counter
from typing import cast

import httptools
import uvloop

from bench.http.servers.by_hand import BAD_INPUT, FORBIDDEN, NOT_FOUND, encode, put_item
from bench.http.servers.items import Status
from bench.http.servers.tally import Tally, blocked, new_request_id

STATUS = b"/api/status"
ITEMS = b"/api/items/"
TALLY = b"/api/tally"


class Works:
    """What all connections share: the count, what the middlewares have seen, and the heads of this second."""

    def __init__(self) -> None:
        self.count = 0
        self.tally = Tally()
        self.head = b""
        self.date = b""

    def tick(self) -> None:
        """Build the head with the Date of this second."""
        self.date = formatdate(usegmt=True).encode()
        self.head = b"HTTP/1.1 200 OK\r\ndate: " + self.date + b"\r\ncontent-type: application/json\r\ncontent-length: "
        asyncio.get_running_loop().call_later(1.0, self.tick)

    def status(self) -> bytes:
        """The body of works (a) and (c)."""
        self.count += 1
        return encode(Status("bench", self.count))

    def other(self, status: int, body: bytes, extra: bytes = b"") -> bytes:
        """An answer that is not the good one."""
        phrase = HTTPStatus(status).phrase.encode()
        head = b"HTTP/1.1 %d %b\r\ndate: %b\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n"
        return head % (status, phrase, self.date, extra, len(body)) + body


class Plain(asyncio.Protocol):
    """Works (a) and (b), on one connection."""

    def __init__(self, works: Works) -> None:
        self.works = works
        self.answers: list[bytes] = []
        self.url = self.body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self.transport = cast("asyncio.Transport", transport)
        self.parser = httptools.HttpRequestParser(self)
        self.feed = self.parser.feed_data

    def data_received(self, data: bytes) -> None:
        """Parse a piece, and write the answers to all requests that end in it at once."""
        answers = self.answers
        try:
            self.feed(data)
        except httptools.HttpParserError:
            answers.append(self.works.other(400, BAD_INPUT))
            self.transport.write(b"".join(answers))
            self.transport.close()
            return
        if answers:
            self.transport.write(answers[0] if len(answers) == 1 else b"".join(answers))
            answers.clear()

    def on_url(self, url: bytes) -> None:
        """The target, which may come in pieces."""
        self.url += url

    def on_body(self, body: bytes) -> None:
        """The body, which may come in pieces."""
        self.body += body

    def on_message_complete(self) -> None:
        """Answer one request."""
        url, body = self.url, self.body
        self.url = self.body = b""
        self.answers.append(self.answer(url, body))
        if not self.parser.should_keep_alive():
            self.transport.write(b"".join(self.answers))
            self.answers.clear()
            self.transport.close()

    def answer(self, url: bytes, body: bytes) -> bytes:
        """The bytes that answer one request."""
        works = self.works
        method = self.parser.get_method()
        if url == STATUS and method == b"GET":
            said = works.status()
            return b"%b%d\r\n\r\n%b" % (works.head, len(said), said)
        if url.startswith(ITEMS) and method == b"PUT":
            item_id, _, query = url[11:].partition(b"?")
            status, said = put_item(item_id, query, body)
            if status == 200:
                return b"%b%d\r\n\r\n%b" % (works.head, len(said), said)
            return works.other(status, said)
        return works.other(404, NOT_FOUND)


class Layered(Plain):
    """Work (c): what three middlewares would do, by hand and in one place."""

    def __init__(self, works: Works) -> None:
        super().__init__(works)
        self.agent = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the one header that is asked for."""
        if len(name) == 10 and name.lower() == b"user-agent":
            self.agent = value

    def answer(self, url: bytes, body: bytes) -> bytes:
        """The bytes that answer one request."""
        started = perf_counter()
        works, agent = self.works, self.agent
        self.agent = b""
        works.tally.count()
        request_id = b"x-request-id: " + new_request_id().encode() + b"\r\n"
        if blocked(agent.decode("latin-1")):
            answer = works.other(403, FORBIDDEN, request_id)
        elif url == STATUS and self.parser.get_method() == b"GET":
            said = works.status()
            answer = b"%b%d\r\n%b\r\n%b" % (works.head, len(said), request_id, said)
        elif url == TALLY:
            answer = works.other(200, encode(works.tally.shown()), request_id)
        else:
            answer = works.other(404, NOT_FOUND, request_id)
        works.tally.time(perf_counter() - started)
        return answer


async def _serve(listener: socket.socket, kind: type[Plain]) -> None:
    loop = asyncio.get_running_loop()
    works = Works()
    works.tick()
    listener.setblocking(False)
    server = await loop.create_server(lambda: kind(works), sock=listener, backlog=1024)
    await server.serve_forever()


def serve(listener: socket.socket, *, layered: bool) -> None:
    """Serve the works, with the three middlewares or without."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(listener, Layered if layered else Plain))
