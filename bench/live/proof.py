"""Before anything is timed: every server answers the same call, refuses the same bad ones, and shows every event."""

from __future__ import annotations

from contextlib import closing

from bench.http.running import BenchFault
from bench.live.dialects import CALL_TEXT, MARK, Dialect, Echoed, SocketIo, event_text
from bench.live.running import LiveRunning
from bench.live.sockets import Line

WATCHERS = 3
BAD_CALLS: dict[str, bytes] = {
    "an empty text": b'{"id":1,"action":"echo:say","params":{"text":""}}',
    "a text that is a number": b'{"id":1,"action":"echo:say","params":{"text":5}}',
    "no text": b'{"id":1,"action":"echo:say","params":{}}',
    "no inputs": b'{"id":1,"action":"echo:say"}',
    "an action nobody has": b'{"id":1,"action":"echo:shout","params":{"text":"x"}}',
    "a topic nobody has": b'{"id":1,"subscribe":"cellar"}',
    "half a frame": b'{"id":1,"action":',
}
BAD_SOCKET_IO: dict[str, bytes] = {
    "an empty text": b'421["echo:say",{"text":""}]',
    "a text that is a number": b'421["echo:say",{"text":5}]',
    "no text": b'421["echo:say",{}]',
    "a list for inputs": b'421["echo:say",[]]',
}


def prove(server: LiveRunning) -> None:
    """Raise BenchFault, with what was asked and what came back, unless the server does the works as agreed."""
    dialect = server.peer.dialect
    with closing(opened(server.port, dialect)) as line:
        if "trips" in server.peer.works:
            _prove_calls(server, line, dialect)
        if not isinstance(dialect, Echoed):
            _prove_refusals(server, line, dialect)
    if "fan" in server.peer.works:
        _prove_events(server, dialect)


def opened(port: int, dialect: Dialect, *, small: bool = False) -> Line:
    """A socket that has been greeted."""
    line = Line(port, dialect.path, small=small)
    dialect.greet(line)
    return line


def _prove_calls(server: LiveRunning, line: Line, dialect: Dialect) -> None:
    for text in (CALL_TEXT, "x", "\u00fcber \u2713 " * 20):
        line.say(dialect.call(text))
        answer = line.hear()
        # Whether letters beyond ASCII are escaped is a matter of taste; the text that is measured has none.
        same = answer == dialect.answer(text) if text.isascii() else text.encode() in answer or b"\\u2713" in answer
        if not same:
            raise BenchFault(f"{server.peer.name} answers {dialect.call(text)!r} with {answer!r}")


def _prove_refusals(server: LiveRunning, line: Line, dialect: Dialect) -> None:
    for words, frame in (BAD_SOCKET_IO if isinstance(dialect, SocketIo) else BAD_CALLS).items():
        line.say(frame)
        answer = line.hear()
        if b'"error":' not in answer:
            raise BenchFault(f"{server.peer.name} accepts {words}: {frame!r} was answered {answer!r}")


def _prove_events(server: LiveRunning, dialect: Dialect) -> None:
    watchers = [opened(server.port, dialect) for _ in range(WATCHERS)]
    publisher = opened(server.port, dialect)
    try:
        for line in watchers:
            line.say(dialect.subscribe())
            line.hear()
        for number, large in enumerate((False, True, False)):
            text = event_text(large)
            publisher.say(dialect.publish(number, text))
            for line in watchers:
                event = line.hear()
                if not dialect.is_event(event, number, text) or event.count(MARK) != 1:
                    raise BenchFault(f"{server.peer.name} shows event {number} as {event!r}")
    finally:
        for line in (*watchers, publisher):
            line.close()
