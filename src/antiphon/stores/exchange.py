"""One exchange with the store: commands out in one write, answers in, and nothing else on the way."""

# redis-py's own way packs commands in Python and leads each of them through retries, telemetry and field sets, none of
# which is used here; a command costs a quarter less without, and a pipeline of eight half. What is kept of it is
# the connection: whoever is cut off in the middle of an exchange leaves a connection that is closed.

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import isawaitable
from typing import Any, cast

import hiredis
from redis.asyncio import ConnectionPool
from redis.exceptions import DataError, ResponseError

type Command = tuple[Any, ...]

_pack = cast("Callable[[Command], bytes]", hiredis.pack_command)  # pyright: ignore[reportUnknownMemberType]  # its stub says a tuple of one, and nothing of what comes back


def pack(command: Command) -> bytes:
    """A command as it is sent (RESP). Raises DataError for what is neither text, bytes nor a number, and shows none."""
    name = command[0]
    if " " in name:
        command = (*name.split(), *command[1:])
    try:
        return _pack(command)
    except TypeError:
        raise DataError(f"{name} was given something else than text, bytes and numbers.") from None


async def exchange(pool: ConnectionPool, commands: Sequence[Command]) -> list[Any]:
    """Send these on one connection and give the answers in order; an error of one stands where its answer would."""
    if not commands:
        # Nothing to write would stay in the transport's buffer for ever.
        return []
    packed = b"".join(map(pack, commands))
    connection = await pool.get_connection()
    try:
        await connection.send_packed_command(packed, check_health=False)
        answers: list[Any] = []
        for _ in commands:
            try:
                answers.append(cast("Any", await connection.read_response()))
            except ResponseError as error:
                answers.append(error)
        return answers
    finally:
        await pool.release(connection)


async def shaped(callbacks: Any, command: Command, options: Mapping[str, Any], answer: Any) -> Any:
    """The answer as redis-py's method for this command promises it."""
    shape = callbacks.get(command[0])
    if shape is None or isinstance(answer, ResponseError):
        return answer
    given = {name: value for name, value in options.items() if name != "keys"} if options else options
    found = shape(answer, **given)
    return await found if isawaitable(found) else found
