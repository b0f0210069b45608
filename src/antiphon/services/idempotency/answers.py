"""An answer as it is kept: a result or an error, sealed; or only why it is not. Its format is written here alone."""

# What is kept under a key, as the field `answer`:
#
#     <JWE, dir and A256GCM (RFC 7516)>    {"result": …, "again": {"seconds": …}} or
#                                          {"error": {"base": …, "type": …, "message": …, …}}
#     !<word>                              the call was made; a repeat is told so, and why it is told no more:
#         !large      over `answer_bytes`, or the caller has no room left
#         !secret     its inputs held a secret: neither they nor what they opened may lie in the store
#         !session    it signed somebody in, and a repeat would have no session of its own
#         !shape      a file, or a result that cannot be read back as what the signature promises
#
# It is sealed under the client's own key: results may hold what is shown once, such as a new API key.
#
# Of what the call told beside its result, only AskAgain belongs to the answer: whoever repeats a call that was taken to
# be done later has to ask again just as the first. Status and place follow from the result; limits, the session and
# what the audit reads are of the one call that told them.

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from msgspec import UNSET, Raw, UnsetType

from antiphon.core.errors import (
    CALL_ERRORS,
    CallError,
    Conflict,
    Fault,
    Forbidden,
    InvalidInput,
    NotFound,
    NotSignedIn,
    TooLarge,
)
from antiphon.core.idempotency import KeyTaken
from antiphon.core.inputs.types import convert_kind, encode_kind
from antiphon.core.job import AskAgain
from antiphon.core.results import Download

FINAL = (InvalidInput, NotSignedIn, Forbidden, NotFound, Conflict, TooLarge)
"""What a repeat would be told as well. After every other error it may do better."""

LARGE, SECRET, SESSION, SHAPE = "!large", "!secret", "!session", "!shape"

_WHY = {
    LARGE: "it was too large",
    SECRET: "it came with a secret",
    SESSION: "it began a session",
    SHAPE: "it has a form that is not kept",
}
_HEADER = {"alg": "dir", "enc": "A256GCM"}


class _Sizes(jwe.JWERegistry):
    """What the library expects of sizes is for tokens; answers have a bound of their own."""

    max_ciphertext_length = 4 * 1024 * 1024


_REGISTRY = _Sizes(algorithms=["dir", "A256GCM"])

_encode = msgspec.json.Encoder(enc_hook=encode_kind).encode


class _Error(msgspec.Struct, frozen=True):
    base: str
    type: str
    message: str
    fields: tuple[Fault, ...] = ()


class _Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    result: Raw | UnsetType = UNSET
    error: _Error | UnsetType = UNSET
    again: AskAgain | None = None


class Kept(NamedTuple):
    """A result as it was given, and whether there is more to know later."""

    result: Any
    again: AskAgain | None


_decode = msgspec.json.Decoder(_Answer).decode


def write_result(result: Any, kind: Any, secret: bytes, most_bytes: int, again: AskAgain | None = None) -> str:
    """A result of this type as it is kept, with what was told of asking again."""
    if result.__class__ in (Download, bytes):
        # Bytes are what the action wrote as JSON itself.
        return SHAPE
    try:
        body = _encode(result)
        if len(body) > most_bytes:
            return LARGE
        _read(body, kind)
    except (TypeError, ValueError, msgspec.MsgspecError, RecursionError):
        # Now and not at the repeat: whoever repeats must be told what is true.
        return SHAPE
    return _seal(_Answer(result=Raw(body), again=again), secret)


def write_error(error: CallError, secret: bytes, most_bytes: int) -> str:
    """An error as it is kept."""
    base = next(kind for kind in CALL_ERRORS if isinstance(error, kind))
    answer = _Answer(error=_Error(base.type, error.type, error.message, error.fields))
    return _seal(answer, secret) if len(error.message) + 100 * len(error.fields) <= most_bytes else LARGE


def read_answer(kept: str, kind: Any, secret: bytes) -> Kept:
    """The result that was kept. Raises the error that was kept, or KeyTaken when it was neither."""
    if kept in _WHY:
        raise KeyTaken(
            f"This was done already under this key, and the answer was not kept: {_WHY[kept]}. "
            f"Look at what is there now, or use a new key."
        )
    try:
        answer = _decode(jwe.decrypt_compact(kept, OctKey.import_key(secret), registry=_REGISTRY).plaintext or b"")
        if answer.error is not UNSET:
            raise _restored(answer.error)
        return Kept(_read(bytes(answer.result or b""), kind), answer.again)
    except (JoseError, ValueError, msgspec.MsgspecError):
        # A newer release promises another type. That it was done is still true.
        raise KeyTaken(
            "This was done already under this key, and the answer cannot be read any more. Use a new key."
        ) from None


def _seal(answer: _Answer, secret: bytes) -> str:
    return jwe.encrypt_compact(_HEADER, _encode(answer), OctKey.import_key(secret), registry=_REGISTRY)


def _read(body: bytes, kind: Any) -> Any:
    return msgspec.json.decode(body, type=kind, dec_hook=convert_kind)


def _restored(kept: _Error) -> CallError:
    base = next((kind for kind in CALL_ERRORS if kind.type == kept.base), Conflict)
    error = base.__new__(base)
    # Past the constructors of the classes, each of which takes other words.
    CallError.__init__(error, kept.message, fields=kept.fields)
    if kept.type != base.type:
        # A class of the application's own: the caller is told its type, and the transport its nearest kin.
        vars(error)["type"] = kept.type
    return error
