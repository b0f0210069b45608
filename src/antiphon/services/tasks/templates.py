"""Keys with names in braces, filled from the inputs of a call and from who calls: `"order:{order_id}"`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from string import Formatter
from typing import Any

import msgspec

from antiphon.core.action import AnyAction
from antiphon.core.caller import Caller
from antiphon.core.inputs.schema import InputField, Inputs
from antiphon.core.inputs.types import encode_kind

OF_CALLER = ("caller.id", "caller.tenant_id", "caller.kind")
"""What a key may say of the caller."""

_LETTERS = str.maketrans({"%": "%25", ":": "%3A"})


@dataclass(frozen=True, slots=True)
class Template:
    """The text of a key, as it was written. Filled values keep `:` for the template: `a:b` becomes `a%3Ab`."""

    text: str

    @property
    def names(self) -> list[str]:
        """What stands in its braces. Raises ValueError when they cannot be read."""
        return [name for _, name in self._pieces() if name is not None]

    def problems(self, action: AnyAction, where: str) -> Iterable[str]:
        """Why it does not fit the action; `where` is the trait it stands in."""
        beginning = f"{action.where}: {where} on {action.name}"
        try:
            names = self.names
        except ValueError as error:
            yield f"{beginning}: the key {self.text!r} cannot be read: {error}. Write names in braces: 'order:{{id}}'."
            return
        if not self.text:
            yield f"{beginning}: the key is empty. Write a text such as 'order:{{order_id}}'."
        fields = {field.name: field for field in action.schema.fields}
        for name in names:
            if name in OF_CALLER:
                continue
            field = fields.get(name)
            if field is None:
                known = ", ".join((*(each.name for each in fields.values() if _fits(each)), *OF_CALLER))
                yield f"{beginning}: the key {self.text!r} names {{{name}}}, which is not there. There is: {known}."
            elif not _fits(field):
                yield f"{beginning}: the key {self.text!r} would show {{{name}}}. Name another input."

    def fill(self, inputs: Inputs, caller: Caller) -> str:
        """The key of one call."""
        return "".join(
            literal if name is None else literal + _text(_value(name, inputs, caller)).translate(_LETTERS)
            for literal, name in self._pieces()
        )

    def _pieces(self) -> Iterable[tuple[str, str | None]]:
        for literal, name, form, conversion in Formatter().parse(self.text):
            if form or conversion:
                raise ValueError("a name stands alone in its braces, without ':' or '!'")
            yield literal, name


def _fits(field: InputField) -> bool:
    return not field.secret and not field.file


def _value(name: str, inputs: Inputs, caller: Caller) -> Any:
    if name.startswith("caller."):
        return getattr(caller, name.removeprefix("caller."))
    return getattr(inputs, name)


def _text(value: Any) -> str:
    plain = msgspec.to_builtins(value, enc_hook=encode_kind)
    # Text as it is; of everything else the JSON, which is one and the same for equal values.
    return plain if isinstance(plain, str) else msgspec.json.encode(plain, order="deterministic").decode()
