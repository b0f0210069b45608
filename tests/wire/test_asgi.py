"""Plain requests and answers through real ASGI servers, on raw sockets."""

from __future__ import annotations

import json

import pytest

from antiphon.testing.raw import RawAnswer
from antiphon.wire.request import Request
from antiphon.wire.response import Answer, Response
from tests.wire.stage import Stage, text

GET = b"GET /%s HTTP/1.1\r\nHost: test\r\n\r\n"


def echo_path(request: Request) -> Answer:
    return text(request.path)


async def test_a_plain_answer_has_status_headers_length_and_body(stage: Stage) -> None:
    """A Response goes out as it is, with its Content-Length added."""
    stage.respond = lambda _: Response(201, [(b"location", b"/user/5"), (b"x-a", b"1"), (b"x-a", b"2")], b"made")

    async with stage.connect() as client:
        answer = await client.get("/")

    assert (answer.status, answer.body) == (201, b"made")
    assert answer.header("content-length") == "4"
    assert answer.header("location") == "/user/5"
    assert answer.header_values("x-a") == ["1", "2"]


async def test_one_response_can_be_sent_many_times(stage: Stage) -> None:
    """Sending changes nothing in a Response, so that one may be prepared and shared."""
    headers = [(b"x-a", b"1")]
    shared = Response(200, headers, b"same")
    stage.respond = lambda _: shared

    async with stage.connect() as client:
        answers = [await client.get("/") for _ in range(3)]

    assert [answer.body for answer in answers] == [b"same"] * 3
    assert headers == [(b"x-a", b"1")]


async def test_an_answer_may_come_at_once_or_later(stage: Stage) -> None:
    """`respond` gives an answer or something to await."""

    async def later(request: Request) -> Answer:
        return text("later")

    stage.respond = lambda request: text("at once") if request.path == b"/now" else later(request)

    async with stage.connect() as client:
        answers = [await client.get("/now"), await client.get("/later")]

    assert [answer.body for answer in answers] == [b"at once", b"later"]


def tell(request: Request) -> Answer:
    """Everything that a request can be asked."""
    facts = {
        "method": request.method,
        "path": request.path.decode(),
        "query": request.query.decode(),
        "version": request.version,
        "scheme": request.scheme,
        "peer": request.peer,
        "host": request.header(b"host"),
        "missing": request.header(b"x-missing"),
        "list": request.header(b"x-list"),
        "values": request.header_values(b"x-list"),
        "cookie": request.header(b"cookie"),
        "latin": request.header(b"x-latin"),
        "items": [name.decode() for name, _ in request.header_items()],
        "body": request.has_body,
    }
    return text(json.dumps(facts))


async def test_a_request_says_what_was_sent(stage: Stage) -> None:
    """Method, raw path, raw query, version, scheme, peer and headers reach `respond` as they were sent."""
    stage.respond = tell

    async with stage.connect() as client:
        await client.send(
            b"PATCH /a%2Fb/%C3%BC?x=%31&y=a+b HTTP/1.1\r\nHost: test:80\r\nX-List: 1\r\nCookie: a=1\r\nX-List: 2, 3\r\n"
            b"Cookie: b=2\r\nX-Latin: \xfc\r\n\r\n"
        )
        answer = await client.answer()

    assert json.loads(answer.body) == {
        "method": "PATCH",
        "path": "/a%2Fb/%C3%BC",
        "query": "x=%31&y=a+b",
        "version": "1.1",
        "scheme": "http",
        "peer": "127.0.0.1",
        "host": "test:80",
        "missing": None,
        "list": "1, 2, 3",
        "values": ["1", "2, 3"],
        "cookie": "a=1; b=2",
        "latin": "ü",
        "items": ["host", "x-list", "cookie", "x-list", "cookie", "x-latin"],
        "body": False,
    }


async def test_http_1_0_is_answered_and_closed(stage: Stage) -> None:
    """A client of HTTP/1.0 is told apart, answered with a length, and let go."""
    stage.respond = lambda request: text(request.version)

    async with stage.connect() as client:
        await client.send(b"GET / HTTP/1.0\r\n\r\n")
        answer = await client.answer()
        after = await client.rest()

    assert (answer.body, answer.header("content-length"), after) == (b"1.0", "3", b"")


async def test_pipelined_requests_are_answered_in_their_order(stage: Stage) -> None:
    """Requests that come in one packet are answered one after the other."""
    stage.respond = echo_path

    async with stage.connect() as client:
        await client.send(b"".join(GET % b"%d" % number for number in range(5)))
        answers = [await client.answer() for _ in range(5)]

    assert [answer.body for answer in answers] == [b"/0", b"/1", b"/2", b"/3", b"/4"]


async def test_a_pipelined_request_waits_for_the_body_before_it(stage: Stage) -> None:
    """A request right behind a body is read after the body and not out of it."""

    async def echo(request: Request) -> Answer:
        return text(request.path + b" " + await request.body(100))

    stage.respond = echo

    async with stage.connect() as client:
        await client.send(b"POST /1 HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nfirst" + GET % b"2")
        answers = [await client.answer() for _ in range(2)]

    assert [answer.body for answer in answers] == [b"/1 first", b"/2 "]


async def test_a_request_may_come_byte_by_byte(stage: Stage) -> None:
    """It makes no difference how a request is cut into packets."""

    async def echo(request: Request) -> Answer:
        return text(request.path + b" " + await request.body(100))

    stage.respond = echo

    async with stage.connect() as client:
        await client.send_split(
            b"POST /slow HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )
        answer = await client.answer()

    assert answer.body == b"/slow abcde"


async def test_head_is_answered_like_get_without_a_body(stage: Stage) -> None:
    """HEAD has the headers of GET, Content-Length included, and nothing after them."""
    stage.respond = lambda _: text("12345")

    async with stage.connect() as client:
        get = await client.get("/")
        head = await client.request("HEAD", "/")
        # What a body would leave behind stands in front of the next answer.
        again = await client.get("/")

    assert _without_date(head) == _without_date(get)
    assert (head.header("content-length"), head.body) == ("5", b"")
    assert again.body == b"12345"


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_without_a_body_has_no_length(stage: Stage, status: int) -> None:
    """204 and 304 carry neither Content-Length nor a body, whatever the Response holds."""
    stage.respond = lambda _: Response(status, [(b"etag", b'"1"')], b"dropped")

    async with stage.connect() as client:
        answers = [await client.get("/") for _ in range(2)]

    assert [answer.status for answer in answers] == [status] * 2
    assert answers[0].header("content-length") is None
    assert answers[0].header("transfer-encoding") is None


async def test_a_defect_is_a_bare_500_and_is_reported(stage: Stage) -> None:
    """An exception out of `respond` is answered without a word of its text, and told to `report`."""

    def fail(request: Request) -> Answer:
        raise RuntimeError("the password is hunter2")

    stage.respond = fail

    async with stage.connect() as client:
        answer = await client.get("/")
        stage.respond = echo_path
        again = await client.get("/still-there")

    assert answer.status == 500
    assert answer.header("content-type") == "application/json"
    assert json.loads(answer.body) == {"error": {"type": "DEFECT", "message": "Something went wrong on our side."}}
    assert [str(defect) for defect in stage.claim()] == ["the password is hunter2"]
    assert again.body == b"/still-there"


async def test_a_defect_that_comes_later_is_the_same_500(stage: Stage) -> None:
    """It makes no difference whether `respond` fails at once or while it is awaited."""

    async def fail(request: Request) -> Answer:
        await request.body(10)
        raise KeyError("secret")

    stage.respond = fail

    async with stage.connect() as client:
        answer = await client.request("POST", "/", body=b"x")

    assert (answer.status, b"secret" in answer.body) == (500, False)
    assert [type(defect) for defect in stage.claim()] == [KeyError]


def _without_date(answer: RawAnswer) -> list[tuple[str, str]]:
    return [(name, value) for name, value in answer.headers if name != "date"]
