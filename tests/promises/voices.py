"""The transports behind one method: the same call, whatever carries it, and its outcome in the same words."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec
from websockets.asyncio.client import connect

from antiphon.core.action import AnyAction
from antiphon.core.caller import ANONYMOUS, Caller
from antiphon.core.connection import Connection
from antiphon.core.errors import CALL_ERRORS, CallError
from antiphon.core.inputs.kinds import Upload
from antiphon.core.inputs.types import encode_kind
from antiphon.core.results import Download
from antiphon.testing.app import HOST, TestApp
from antiphon.transports.cli.exits import EXITS
from antiphon.transports.http.errors import STATUS
from antiphon.transports.http.routes import Route
from antiphon.wire.sniff import sniff
from tests.olympus_stage import Olympus, Person
from tests.promises.background import Background
from tests.promises.outcome import Outcome, refused

EXIT_OF = {kind.type: EXITS[kind] for kind in CALL_ERRORS}
STATUS_OF = {kind.type: STATUS[kind] for kind in CALL_ERRORS}


class Voice(Protocol):
    """One transport, as its callers use it. Files are actions' inputs and results where it carries them."""

    name: str
    carries_files: bool

    async def call(self, who: Person | None, action: str, /, **inputs: Any) -> Outcome:
        """Make a call as somebody. Inputs have their Python names; a file is a path."""
        ...

    async def stream(self, who: Person | None, action: str, /, **inputs: Any) -> Outcome:
        """Take a whole stream; the result is the list of its items."""
        ...


class Http:
    """HTTP on a real socket."""

    name = "http"
    carries_files = True

    def __init__(self, olympus: Olympus) -> None:
        self._olympus = olympus
        self._actions = olympus.running.runtime.actions

    async def call(self, who: Person | None, action: str, /, **inputs: Any) -> Outcome:
        answer = await self._send(who, self._actions[action], inputs, {})
        if answer.status >= 400:
            assert answer.status == STATUS_OF[answer.error["type"]]
            return refused(answer.error)
        if answer.header("content-disposition") is not None:
            return Outcome(answer.body)
        return Outcome(answer.json if answer.body else None)

    async def stream(self, who: Person | None, action: str, /, **inputs: Any) -> Outcome:
        answer = await self._send(who, self._actions[action], inputs, {"Accept": "application/jsonl"})
        if answer.status >= 400:
            return refused(answer.error)
        return Outcome([json.loads(line) for line in answer.body.splitlines()])

    async def _send(
        self, who: Person | None, action: AnyAction, inputs: dict[str, Any], headers: dict[str, str]
    ) -> Any:
        route = action.trait(Route)
        assert route is not None, f"{action.name} is not reached over HTTP"
        client = who.client if who is not None else self._olympus.client()
        path = route.text
        for name in route.names:
            path = path.replace(f"{{{name}}}", str(inputs.pop(name)))
        wired = {field.wire: inputs[field.name] for field in action.schema.fields if field.name in inputs}
        if isinstance(file := wired.pop("file", None), Path):
            return await client.upload(path, file.name, file.read_bytes(), **wired)
        if route.safe:
            path += "?" + "&".join(f"{name}={value}" for name, value in wired.items())
            return await client.request("GET", path, headers=headers)
        return await client.request(route.method, path, wired or None, headers=headers)


class Websocket:
    """A socket of an independent client, opened for each call."""

    name = "websocket"
    carries_files = False

    def __init__(self, olympus: Olympus) -> None:
        self._olympus = olympus
        self._actions = olympus.running.runtime.actions

    async def call(self, who: Person | None, action: str, /, **inputs: Any) -> Outcome:
        (answer,) = await self._frames(who, action, inputs)
        return refused(answer["error"]) if "error" in answer else Outcome(answer["result"])

    async def stream(self, who: Person | None, action: str, /, **inputs: Any) -> Outcome:
        *items, last = await self._frames(who, action, inputs)
        return refused(last["error"]) if "error" in last else Outcome([frame["item"] for frame in items])

    async def _frames(self, who: Person | None, name: str, inputs: dict[str, Any]) -> list[Any]:
        """Every frame of the answer, the last of which is its end."""
        cookies = who.client.cookies if who is not None else {}
        headers = {"Cookie": "; ".join(f"{key}={value}" for key, value in cookies.items())} if cookies else {}
        params = {field.wire: inputs[field.name] for field in self._actions[name].schema.fields if field.name in inputs}
        address = f"ws://{HOST}:{self._olympus.running.port}/ws"
        async with connect(address, additional_headers=headers, proxy=None) as client:
            await client.recv()
            await client.send(json.dumps({"id": "call", "action": name, "params": params}))
            frames = [json.loads(await client.recv())]
            while "item" in frames[-1]:
                frames.append(json.loads(await client.recv()))
        assert {frame["id"] for frame in frames} == {"call"}
        return frames


class Cli:
    """The command line, as a second application on the same engines."""

    name = "cli"
    carries_files = True

    def __init__(self, olympus: Olympus) -> None:
        self._running = olympus.running

    async def call(self, who: Person | None, action: str, /, **inputs: Any) -> Outcome:
        command = await self._run(who, action, inputs)
        if command.code:
            return self._refused(command)
        if self._running.runtime.actions[action].result is Download:
            return Outcome(command.out_bytes)
        return Outcome(command.result if command.out else None)

    async def stream(self, who: Person | None, action: str, /, **inputs: Any) -> Outcome:
        command = await self._run(who, action, inputs)
        return self._refused(command) if command.code else Outcome(command.items)

    def _refused(self, command: Any) -> Outcome:
        assert command.code == EXIT_OF[command.error["type"]]
        assert not command.out
        return refused(command.error)

    async def _run(self, who: Person | None, action: str, inputs: dict[str, Any]) -> Any:
        words, lines = [action, "--output", "json"], list[str]()
        for field in self._running.runtime.actions[action].schema.fields:
            value = inputs.get(field.name)
            flag = field.name.replace("_", "-")
            if value is None:
                continue
            if field.secret:
                words += [f"--{flag}", "-"]
                lines.append(str(value))
            elif isinstance(value, bool):
                words.append(f"--{flag}" if value else f"--no-{flag}")
            else:
                words += [f"--{flag}", str(value)]
        words += ["--as", who.id] if who is not None else []
        return await self._running.command(*words, stdin="".join(f"{line}\n" for line in lines))


class Direct:
    """No transport: the runner, as code in the same process reaches it."""

    name = "direct"
    carries_files = True

    def __init__(self, olympus: Olympus) -> None:
        self._running: TestApp = olympus.running
        self._folder = olympus.folder / "uploads"

    async def call(self, who: Person | None, action: str, /, **inputs: Any) -> Outcome:
        runner, ctx = self._prepare(who, action)
        try:
            result = await runner.run(ctx, runner.schema.from_python, self._given(inputs))
        except CallError as error:
            return self._refused(error)
        return Outcome(result.path.read_bytes() if isinstance(result, Download) else as_json(result))

    async def stream(self, who: Person | None, action: str, /, **inputs: Any) -> Outcome:
        runner, ctx = self._prepare(who, action)
        try:
            items: AsyncIterator[Any] = await runner.open_stream(ctx, runner.schema.from_python, inputs)
        except CallError as error:
            return self._refused(error)
        return Outcome([as_json(item) async for item in items])

    def _prepare(self, who: Person | None, name: str) -> Any:
        runtime = self._running.runtime
        caller: Caller = who.caller if who is not None else ANONYMOUS
        return runtime.runner(name), runtime.context(runtime.actions[name], Connection("direct"), caller=caller)

    def _given(self, inputs: dict[str, Any]) -> dict[str, Any]:
        return {name: self._upload(value) if isinstance(value, Path) else value for name, value in inputs.items()}

    def _upload(self, path: Path) -> Upload:
        """What is kept is moved from where it is, so it is a copy."""
        data = path.read_bytes()
        copy = self._folder / path.name
        copy.write_bytes(data)
        return Upload(path.name, "", sniff(data), len(data), "", copy)

    def _refused(self, error: CallError) -> Outcome:
        return Outcome(None, error.type, tuple(fault.name for fault in error.fields), error.message)


def as_json(value: Any) -> Any:
    """A result as every wire has it."""
    return msgspec.json.decode(msgspec.json.encode(value, enc_hook=encode_kind))


VOICES: Mapping[str, type[Http | Websocket | Cli | Direct]] = {
    "http": Http,
    "websocket": Websocket,
    "cli": Cli,
    "direct": Direct,
}

ALL_VOICES: Mapping[str, type[Http | Websocket | Cli | Background | Direct]] = {
    **VOICES,
    "worker": Background,
}
"""With the background task, which tells nobody its result as it comes, and takes no secrets and no files."""

FILE_VOICES = {name: voice for name, voice in VOICES.items() if voice.carries_files}
"""Those over which files go."""
