"""Reads a function's signature as a contract: names, types and defaults, or a clear word on why it cannot."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple, get_type_hints

from antiphon.core.errors import SetupError


class Parameter(NamedTuple):
    """One parameter: Python name, resolved type (with `Annotated`), default, and whether it is keyword-only."""

    name: str
    type: Any
    default: Any
    keyword_only: bool


class Signature(NamedTuple):
    """What a function takes and gives back."""

    parameters: tuple[Parameter, ...]
    returns: Any


REQUIRED: Any = inspect.Parameter.empty
"""The default of a parameter that has none."""


def where(function: Callable[..., object]) -> str:
    """The file and line of a function, for messages."""
    code = inspect.unwrap(function).__code__
    return f"{code.co_filename}:{code.co_firstlineno}"


def read_signature(function: Callable[..., object]) -> Signature:
    """Resolve every annotation. Raises SetupError naming file, line and name when one cannot be resolved."""
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError as error:
        raise SetupError(
            f"{where(function)}: {function.__name__} uses the type {error.name!r}, which does not exist when the "
            f"program runs. Import it outside `if TYPE_CHECKING:`, and define it at the top of a module."
        ) from error
    except (AttributeError, SyntaxError, TypeError) as error:
        raise SetupError(
            f"{where(function)}: {function.__name__} has an annotation that cannot be read: {error}."
        ) from error
    parameters: list[Parameter] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise SetupError(
                f"{where(function)}: {function.__name__} takes `{_spelling(parameter)}`. "
                f"Give every parameter a name and a type of its own, without *args, **kwargs or `/`."
            )
        if name not in hints:
            raise SetupError(
                f"{where(function)}: the parameter {name!r} of {function.__name__} has no type. Write one."
            )
        parameters.append(Parameter(name, hints[name], parameter.default, parameter.kind is parameter.KEYWORD_ONLY))
    return Signature(tuple(parameters), hints.get("return", REQUIRED))


def _spelling(parameter: inspect.Parameter) -> str:
    bare = str(parameter.replace(annotation=REQUIRED, default=REQUIRED))
    return f"{bare}, /" if parameter.kind is parameter.POSITIONAL_ONLY else bare
