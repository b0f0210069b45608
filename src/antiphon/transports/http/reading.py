"""Reads the inputs of a call from a request: path, then body, then query, the first that has an input giving it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from antiphon.core.errors import Fault, InvalidInput
from antiphon.core.inputs.kinds import Upload
from antiphon.core.inputs.schema import Given, Inputs, MalformedJson, Schema, json_object
from antiphon.core.inputs.types import ABSENT
from antiphon.transports.http.connection import Exchange, HttpConnection, LeftWhileReading
from antiphon.transports.http.peers import JSON
from antiphon.transports.http.settings import HttpSettings
from antiphon.wire.faults import malformed, request_timeout, unsupported_media_type
from antiphon.wire.fields import TooManyFields, TooManyValues, parse_fields
from antiphon.wire.media import is_json, parse_media_type
from antiphon.wire.multipart import MultipartForm, MultipartLimits, read_multipart, shown_name
from antiphon.wire.nesting import check_nesting
from antiphon.wire.request import ClientLeft, Request
from antiphon.wire.uploads import UploadedFile

READ_TYPES = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")


class InputReader:
    """How one route reads the inputs of its action."""

    __slots__ = (
        "_file_names",
        "_folder",
        "_form_limits",
        "_limit_bytes",
        "_places",
        "_plain",
        "_settings",
        "_taken",
        "schema",
    )

    def __init__(self, schema: Schema, places: tuple[str, ...], settings: HttpSettings, folder: Path) -> None:
        self.schema = schema
        fields = {field.name: field for field in schema.fields}
        self._places = [(name, fields[name]) for name in places]
        self._taken = frozenset(fields[name].wire for name in places)
        self._file_names = {field.wire for field in schema.fields if field.file}
        self._settings = settings
        self._folder = folder
        self._plain = not schema.fields
        self._form_limits = MultipartLimits(
            parts=settings.multipart_parts,
            field_bytes=settings.field_bytes,
            header_bytes=settings.part_header_bytes,
            file_bytes=settings.file_bytes,
        )

    def read_safe(self, exchange: Exchange) -> Inputs | Awaitable[Inputs]:
        """The inputs of a GET: path and query. A body is read and thrown away, so that the connection can go on."""
        connection = exchange[1]
        if connection.request.has_body:
            return self._read_past(exchange)
        return self.read_url(connection)

    async def _read_past(self, exchange: Exchange) -> Inputs:
        await self._arrive(exchange, self._throw_away(exchange[1].request))
        return self.read_url(exchange[1])

    async def _throw_away(self, request: Request) -> None:
        async for _ in request.chunks(self._settings.body_bytes):
            pass

    def read_url(self, connection: HttpConnection) -> Inputs:
        """The inputs of a request without a body: path and query."""
        schema = self.schema
        inputs = schema.struct()
        if self._plain:
            return inputs
        try:
            if connection.path_inputs:
                self._place(inputs, connection.path_inputs)
            if connection.request.query:
                schema.fill(inputs, parse_fields(connection.request.query, "query", self._settings.values))
            return schema.completed(inputs)
        except (InvalidInput, TooManyValues, TooManyFields):
            return schema.gather(*self._sources(connection, None))

    def read(self, exchange: Exchange) -> Inputs | Awaitable[Inputs]:
        """The inputs of any other method: path, body and query. Nothing is awaited where the body has arrived."""
        connection = exchange[1]
        request = connection.request
        if not request.has_body:
            return self.read_url(connection)
        head = request.head
        if not head.notes & JSON:
            if head.get(b"content-encoding") not in (None, "identity"):
                raise unsupported_media_type("Send the body without a Content-Encoding.", accept_encoding=["identity"])
            kind = head.get(b"content-type") or ""
            if not is_json(kind):
                return self._read_form_later(exchange, kind)
            head.notes |= JSON
        body = request.body_now(self._settings.body_bytes)
        return self._read_json_later(exchange) if body is None else self._read_json(connection, body)

    async def _read_json_later(self, exchange: Exchange) -> Inputs:
        body = await self._arrive(exchange, exchange[1].request.body(self._settings.body_bytes))
        return self._read_json(exchange[1], body)

    async def _read_form_later(self, exchange: Exchange, kind: str) -> Inputs:
        form = await self._arrive(exchange, self._form(exchange[1], kind))
        return self._read_form(exchange[1], form)

    async def _arrive[T](self, exchange: Exchange, reading: Coroutine[Any, Any, T]) -> T:
        """What comes of reading a body, which has a time of its own; then the call's own time begins."""
        ctx = exchange[0]
        # The sweep over all calls watches it, as it does every deadline.
        ctx.limit_reading(self._settings.body_time.total_seconds())
        try:
            read = await reading
        except ClientLeft:
            raise LeftWhileReading from None
        except asyncio.CancelledError:
            if not ctx.forgive_timeout():
                raise
            raise request_timeout("The body did not arrive in time.") from None
        ctx.restart_clock()
        return read

    def _read_json(self, connection: HttpConnection, body: bytes) -> Inputs:
        schema = self.schema
        if not body:
            return self.read_url(connection)
        try:
            check_nesting(body, self._settings.json_depth)
            try:
                inputs = schema.begin(body)
                if connection.path_inputs:
                    self._place(inputs, connection.path_inputs)
                if connection.request.query:
                    schema.fill(inputs, parse_fields(connection.request.query, "query", self._settings.values))
                return schema.completed(inputs)
            except (InvalidInput, TooManyValues, TooManyFields):
                return schema.gather(*self._sources(connection, Given(json_object(body))))
        except MalformedJson:
            raise malformed("The body is not JSON.") from None

    def _read_form(self, connection: HttpConnection, form: Given | None) -> Inputs:
        try:
            return self.schema.gather(*self._sources(connection, form))
        except InvalidInput as error:
            repeated = {name for name, value in form.values.items() if type(value) is tuple} if form else ()
            raise InvalidInput(
                fields=[
                    Fault(fault.name, "is given more than once") if fault.name in repeated else fault
                    for fault in error.fields
                ]
            ) from None

    async def _form(self, connection: HttpConnection, kind: str) -> Given | None:
        """The fields of a form, as strings and uploads. None for an empty body of any type."""
        request = connection.request
        media = parse_media_type(kind)
        if media is not None and media.essence == "multipart/form-data":
            form = await read_multipart(
                kind, request.chunks(self._settings.upload_bytes), self._folder, self._form_limits
            )
            connection.form = form
            return Given(self._form_values(form), strings=True)
        body = await request.body(self._settings.body_bytes)
        if not body:
            return None
        if media is None or media.essence != "application/x-www-form-urlencoded":
            raise unsupported_media_type(accept=READ_TYPES)
        return Given(self._fields(body, "form"), strings=True)

    def _form_values(self, form: MultipartForm) -> Mapping[str, Any]:
        values: dict[str, Any] = dict(form.fields)
        for name, files in form.files.items():
            field = self.schema.by_wire.get(name)
            if field is not None and field.file:
                uploads = [_upload(file) for file in files]
                values[name] = list(uploads) if field.many else uploads[0] if len(uploads) == 1 else tuple(uploads)
        for name in self._file_names & form.fields.keys():
            # Text where a file belongs: the field's own check says so.
            values[name] = form.fields[name][0]
        return values

    def _place(self, inputs: Inputs, texts: Mapping[str, str]) -> None:
        faults: list[Fault] = []
        for name, field in self._places:
            text = texts.get(name)
            value = ABSENT if text is None else field.strings.read((text,), field.wire, faults)
            setattr(inputs, name, value)
        if faults:
            raise InvalidInput(fields=faults)

    def _sources(self, connection: HttpConnection, body: Given | None) -> list[Given]:
        """Every source, in the order in which they count."""
        places = {
            field.wire: (connection.path_inputs[name],)
            for name, field in self._places
            if name in connection.path_inputs
        }
        sources = [Given(places, strings=True, secrets=False)]
        if body is not None:
            sources.append(body)
        if connection.request.query:
            sources.append(Given(self._fields(connection.request.query, "query"), strings=True, secrets=False))
        return sources

    def _fields(self, raw: bytes, where: str) -> Mapping[str, list[str]]:
        try:
            return parse_fields(raw, where, self._settings.values)
        except TooManyValues as error:
            raise InvalidInput.of(error.name, f"has more than {self._settings.values:,} values") from None
        except TooManyFields as error:
            raise InvalidInput(f"The {where} has more than {error.limit:,} fields.") from None


def _upload(file: UploadedFile) -> Upload:
    return Upload(shown_name(file.name), file.content_type, file.sniffed, file.size_bytes, file.sha256, file.path)
