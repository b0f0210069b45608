"""Where an HTTP server listens: addresses of a host name, Unix sockets, descriptors that it was given, systemd's."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from antiphon.core.errors import SetupError
from antiphon.transports.http.doors import Doors
from antiphon.transports.http.settings import HttpSettings
from antiphon.wire.server.activation import take_activated
from antiphon.wire.server.sockets import Sockets, adopt, close_all, listen_tcp
from antiphon.wire.server.unix_socket import LONGEST_PATH_BYTES, UnixSocket

HOST = "127.0.0.1"


@pytest.fixture
def opened() -> Iterator[list[socket.socket]]:
    """Sockets to be closed after the test."""
    sockets: list[socket.socket] = []
    yield sockets
    close_all(sockets)


def addresses(sockets: Sockets) -> set[str]:
    """The addresses that these sockets listen on."""
    return {each.getsockname()[0] for each in sockets}


def connected(address: object, family: socket.AddressFamily = socket.AF_INET) -> bool:
    """Whether anybody listens there."""
    with socket.socket(family) as client:
        return client.connect_ex(address) == 0  # pyright: ignore[reportArgumentType]  # a pair or a path, by its family


def has_ipv6() -> bool:
    """Whether this machine has IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as trying:
            trying.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


# TCP


def test_port_0_is_a_free_port(opened: list[socket.socket]) -> None:
    """The system chooses it, and somebody who connects is accepted."""
    (sockets,) = listen_tcp(HOST, 0)
    opened += sockets

    assert connected(sockets[0].getsockname())


def test_a_host_name_is_listened_on_at_each_of_its_addresses(opened: list[socket.socket]) -> None:
    """With one port on all of them."""
    (sockets,) = listen_tcp("localhost", 0)
    opened += sockets
    known = {str(info[4][0]) for info in socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)}

    assert addresses(sockets) == {address for address in known if address != "::1" or has_ipv6()}
    assert len({each.getsockname()[1] for each in sockets}) == 1


@needs_ipv6
def test_an_empty_host_is_every_address(opened: list[socket.socket]) -> None:
    """Of both kinds, on one port."""
    (sockets,) = listen_tcp("", 0)
    opened += sockets
    port = sockets[0].getsockname()[1]

    assert connected((HOST, port))
    assert connected(("::1", port), socket.AF_INET6)


@needs_ipv6
def test_the_ipv6_wildcard_takes_ipv4_as_well(opened: list[socket.socket]) -> None:
    """As `::` alone is meant."""
    (sockets,) = listen_tcp("::", 0)
    opened += sockets

    assert connected((HOST, sockets[0].getsockname()[1]))


@pytest.mark.parametrize("copies", [1, 3])
def test_a_port_that_is_taken_is_told(opened: list[socket.socket], copies: int) -> None:
    """The error names the port and what to do; nothing of ours goes on listening."""
    taken = socket.create_server((HOST, 0))
    opened.append(taken)
    port = taken.getsockname()[1]

    with pytest.raises(SetupError, match=rf"127\.0\.0\.1 port {port}: .*another port with PORT"):
        listen_tcp(HOST, port, copies=copies)


def test_a_port_of_a_crew_is_taken_for_another_crew(opened: list[socket.socket]) -> None:
    """Though its sockets would share their port with those of the same user."""
    crew = listen_tcp(HOST, 0, copies=2)
    opened += [each for sockets in crew for each in sockets]

    with pytest.raises(SetupError, match="Address already in use"):
        listen_tcp(HOST, crew[0][0].getsockname()[1], copies=2)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux spreads connections over sockets")
def test_each_process_of_a_crew_has_a_queue_of_its_own(opened: list[socket.socket]) -> None:
    """On the same port; over many connections, each gets some."""
    crew = listen_tcp(HOST, 0, copies=3)
    opened += [each for sockets in crew for each in sockets]
    port = crew[0][0].getsockname()[1]
    opened += [socket.create_connection((HOST, port)) for _ in range(100)]

    assert {each.getsockname()[1] for sockets in crew for each in sockets} == {port}
    assert all(accepted(sockets[0]) for sockets in crew)


def accepted(listening: socket.socket) -> int:
    """How many connections waited in this queue."""
    count = 0
    while True:
        try:
            listening.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def test_an_address_that_is_not_ours_is_told() -> None:
    """With the setting to change; 192.0.2.0/24 is nobody's (RFC 5737)."""
    with pytest.raises(SetupError, match=r"Cannot listen on 192\.0\.2\.1 .*HTTP_HOST"):
        listen_tcp("192.0.2.1", 0)


# Unix sockets


def test_a_unix_socket_has_its_rights(tmp_path: Path) -> None:
    """From its first moment on, whatever the umask says."""
    unix = UnixSocket(tmp_path / "s", 0o660)
    try:
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o660
        assert connected(str(tmp_path / "s"), socket.AF_UNIX)
    finally:
        unix.close()
    assert not (tmp_path / "s").exists()


def test_the_socket_of_a_dead_server_is_replaced(tmp_path: Path) -> None:
    """A server that was killed could not remove it."""
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()

    unix = UnixSocket(path, 0o600)

    assert connected(str(path), socket.AF_UNIX)
    unix.close()


def test_the_socket_of_a_live_server_is_left_alone(tmp_path: Path) -> None:
    """The second one is told that somebody is there."""
    path = tmp_path / "s"
    first = UnixSocket(path, 0o600)
    try:
        with pytest.raises(SetupError, match="another server listens"):
            UnixSocket(path, 0o600)
        assert connected(str(path), socket.AF_UNIX)
    finally:
        first.close()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    """It may be somebody's data."""
    (tmp_path / "s").write_text("data")

    with pytest.raises(SetupError, match="is no socket"):
        UnixSocket(tmp_path / "s", 0o600)

    assert (tmp_path / "s").read_text() == "data"


def test_only_its_owner_removes_a_socket(tmp_path: Path) -> None:
    """One that another server has put in its place stays."""
    path = tmp_path / "s"
    first = UnixSocket(path, 0o600)
    path.unlink()
    second = UnixSocket(path, 0o600)

    first.close()

    assert connected(str(path), socket.AF_UNIX)
    second.close()


def test_a_path_that_is_too_long_is_told(tmp_path: Path) -> None:
    """With the length that it has and the one that it may have."""
    path = tmp_path / ("x" * 108)

    with pytest.raises(SetupError, match=f"has {len(str(path))} bytes.* {LONGEST_PATH_BYTES}"):
        UnixSocket(path, 0o600)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """As a setting to change, with the path."""
    with pytest.raises(SetupError, match=r"http\.unix: cannot listen on .*/nowhere/s: No such file"):
        UnixSocket(tmp_path / "nowhere" / "s", 0o600)


# Descriptors


def test_a_listening_descriptor_is_adopted() -> None:
    """It is closed on exec, so that no program that we start has it."""
    with socket.create_server((HOST, 0)) as given:
        descriptor = os.dup(given.fileno())
        os.set_inheritable(descriptor, True)
        with adopt(descriptor, "http.fd") as adopted:
            assert adopted.getsockname() == given.getsockname()
            assert not adopted.get_inheritable()


def test_a_descriptor_that_is_no_socket_is_told(tmp_path: Path) -> None:
    """With the setting and the descriptor; it stays open."""
    with (tmp_path / "file").open("w") as file:
        with pytest.raises(SetupError, match=rf"http\.fd: descriptor {file.fileno()} is no open socket"):
            adopt(file.fileno(), "http.fd")
        assert file.write("still open")


def test_a_datagram_socket_is_told() -> None:
    """HTTP/1.1 needs a stream."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as given:
        with pytest.raises(SetupError, match="is no stream socket"):
            adopt(given.fileno(), "http.fd")


# systemd


def test_sockets_for_another_process_are_not_taken() -> None:
    """The variables go all the same: no child of ours is meant by them."""
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "http", "KEPT": "1"}

    assert take_activated(environ, pid=2) == []
    assert environ == {"KEPT": "1"}


def test_a_count_that_is_no_number_is_told() -> None:
    """What nobody can read is no reason to listen elsewhere."""
    with pytest.raises(SetupError, match="LISTEN_FDS"):
        take_activated({"LISTEN_PID": "2", "LISTEN_FDS": "many"}, pid=2)


ACTIVATE = """
import os, sys
given = [int(number) for number in sys.argv[1].split(",")]
# Out of the way first: a descriptor may stand where another one belongs.
given = [os.dup2(descriptor, 50 + at) for at, descriptor in enumerate(given)]
for at, descriptor in enumerate(given):
    os.dup2(descriptor, 3 + at)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(given)), LISTEN_FDNAMES=sys.argv[2])
os.execv(sys.executable, [sys.executable, "-c", sys.argv[3]])
"""
TAKE = """
import os
from antiphon.wire.server.activation import take_activated
print([each.getsockname()[1] for each in take_activated(os.environ)], "LISTEN_FDS" in os.environ)
"""


@pytest.mark.parametrize(
    ("names", "ours"),
    [("", (0, 1)), ("unknown:unknown", (0, 1)), ("metrics:http", (1,)), ("http:http", (0, 1))],
)
async def test_systemds_sockets_are_taken_by_name(opened: list[socket.socket], names: str, ours: tuple[int]) -> None:
    """Those called `http`, or all when none is; the variables are gone afterwards."""
    sockets = [socket.create_server((HOST, 0)) for _ in range(2)]
    opened += sockets
    given = [each.fileno() for each in sockets]

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ACTIVATE, ",".join(map(str, given)), names, TAKE),
        pass_fds=given,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()

    assert out.decode() == f"{[sockets[at].getsockname()[1] for at in ours]} False\n"


# Which of them


def settings(**given: Any) -> HttpSettings:
    """Settings on a free port."""
    return HttpSettings(port=0, **given)


def test_a_unix_socket_stands_instead_of_the_port(tmp_path: Path) -> None:
    """And its file goes when the doors close; those who only inherit it leave it."""
    doors = Doors.open(settings(unix=tmp_path / "s"), environ={})
    inherited = Doors.handed_on(os.dup(descriptor) for descriptor in doors.descriptors[0])

    assert (doors.places, doors.port) == ([str(tmp_path / "s")], 0)
    inherited.close()
    assert (tmp_path / "s").exists()
    doors.close()
    assert not (tmp_path / "s").exists()


def test_a_descriptor_stands_above_everything(tmp_path: Path) -> None:
    """Whoever names it means it."""
    with socket.create_server((HOST, 0)) as given:
        doors = Doors.open(settings(fd=os.dup(given.fileno()), unix=tmp_path / "s"), environ={})
        assert doors.port == given.getsockname()[1]
        doors.close()
    assert not (tmp_path / "s").exists()
