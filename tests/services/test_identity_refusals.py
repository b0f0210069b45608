"""What is no access token: every way to forge one, each against a node that would take the good one."""

from __future__ import annotations

import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from joserfc import jwe
from joserfc.jwk import OKPKey

from antiphon.services.identity.form import LARGEST_BYTES
from antiphon.stores.base import Store
from tests.services.token_stage import AUDIENCE, ISSUER, TokenStage, part, token_stage


@pytest.fixture(params=["Ed25519", "ES256"])
async def node(store: Store, request: pytest.FixtureRequest) -> AsyncIterator[TokenStage]:
    """A node, once for each algorithm."""
    async with token_stage(store, algorithm=request.param) as stage:
        yield stage


async def test_a_token_made_by_hand_is_good(node: TokenStage) -> None:
    """What the rows below change is a token that stands for its user."""
    assert await node.who(node.forge()) == "ada"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", "HS256", "RS256", "EdDSA", "Ed448", "ES384"])
async def test_another_algorithm_is_refused(node: TokenStage, alg: str) -> None:
    """The key names its one algorithm; the token never chooses, with or without a signature."""
    first, second = part(json.dumps(node.header(alg=alg)).encode()), part(json.dumps(node.claims()).encode())
    signed = node.forge(header=json.dumps(node.header(alg=alg)))

    found = [await node.who(text) for text in (signed, f"{first}.{second}.", f"{first}.{second}.AAAA")]

    assert found == ["", "", ""]


async def test_an_hmac_under_the_public_key_is_refused(node: TokenStage) -> None:
    """The public key is known to everybody, so as a shared secret it proves nothing, in whatever form."""
    public = node.kept.current
    secrets = [json.dumps(public.public).encode(), public.public["x"].encode(), msgspec.json.encode(public.shown())]
    head = f"{part(json.dumps(node.header(alg='HS256')).encode())}.{part(json.dumps(node.claims()).encode())}"

    found = [await node.who(f"{head}.{part(hmac.digest(each, head.encode(), 'sha256'))}") for each in secrets]

    assert found == [""] * len(secrets)


async def test_a_signature_that_is_not_whole_is_refused(node: TokenStage) -> None:
    """Empty, cut, padded, lengthened, and the same bytes written another way: none of them is the signature."""
    head, _, signature = node.forge().rpartition(".")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    stray = signature[:-1] + letters[letters.index(signature[-1]) ^ 1]
    broken = ["", signature[:-1], signature[:-4], signature + "==", signature + "A", signature + "AAAA", stray]

    found = [await node.who(f"{head}.{each}") for each in broken]

    assert found == [""] * len(broken)


async def test_another_s_signature_is_refused(node: TokenStage) -> None:
    """A key that is not in the set signs nothing, though it says the name of one that is."""
    stranger = OKPKey.generate_key("Ed25519")
    head = f"{part(json.dumps(node.header(alg='Ed25519')).encode())}.{part(json.dumps(node.claims()).encode())}"
    raw = stranger.private_key
    assert raw is not None
    signature = raw.sign(head.encode())  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]  # an Ed25519 key signs

    assert await node.who(f"{head}.{part(signature)}") == ""  # pyright: ignore[reportUnknownArgumentType]  # bytes


@pytest.mark.parametrize(
    "changes",
    [
        {"typ": "JWT"}, {"typ": "AT+JWT"}, {"typ": "application/at+jwt"}, {"typ": ...}, {"typ": ["at+jwt"]},
        {"alg": ...}, {"alg": None}, {"alg": ["Ed25519"]},
        {"kid": ...}, {"kid": ""}, {"kid": None}, {"kid": 7}, {"kid": "a" * 65}, {"kid": "unknown"},
        {"kid": "../../etc/passwd"}, {"kid": "' OR '1'='1"}, {"kid": "https://evil.example/key"}, {"kid": "a\n"},
        {"jku": "https://evil.example/jwks.json"}, {"jwk": {"kty": "OKP"}}, {"x5u": "https://evil.example"},
        {"x5c": ["AAAA"]}, {"crit": ["exp"]}, {"b64": False}, {"zip": "DEF"}, {"cty": "JWT"}, {"x5t": "A"},
        {"extra": 1},
    ],
)  # fmt: skip
async def test_another_header_is_refused(node: TokenStage, changes: dict[str, Any]) -> None:
    """The header is exactly alg, kid and typ; a kid is a name and nothing more."""
    assert await node.who(node.forge(header=json.dumps(node.header(**changes)))) == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": ...}, {"iss": ISSUER + "/"}, {"iss": ISSUER.upper()}, {"iss": [ISSUER]}, {"iss": None},
        {"aud": ...}, {"aud": "https://elsewhere.example"}, {"aud": []}, {"aud": [7]}, {"aud": {"a": AUDIENCE}},
        {"aud": AUDIENCE + "."},
        {"sub": ...}, {"sub": ""}, {"sub": 7}, {"sub": "a" * 257},
        {"exp": ...}, {"exp": None}, {"exp": 1.5e9}, {"exp": "4102444800"}, {"exp": 2**53}, {"exp": 10**400},
        {"exp": -1}, {"exp": True}, {"exp": 0}, {"exp": 4102444800},
        {"iat": ...}, {"iat": 1.5}, {"iat": "1"}, {"iat": 2**62},
        {"nbf": 4102444800}, {"nbf": "1"}, {"nbf": 1.0}, {"nbf": None},
        {"jti": ...}, {"jti": ""}, {"jti": 1}, {"sid": ...}, {"sid": ""}, {"sid": 1},
        {"tenant_id": ...}, {"tenant_id": None}, {"tenant_id": 1},
        {"roles_version": ...}, {"roles_version": -1}, {"roles_version": "3"}, {"roles_version": 3.0},
        {"roles_version": True}, {"roles": "admin "*200}, {"roles": [1]}, {"roles": None}, {"auth_time": "1"},
    ],
)  # fmt: skip
async def test_another_claim_is_refused(node: TokenStage, changes: dict[str, Any]) -> None:
    """Each claim is there, of its kind and in its range; a text that holds a number is none."""
    if changes.get("roles") == "admin " * 200:
        changes = {"roles": ["admin"] * 1001}
    assert await node.who(node.forge(claims=json.dumps(node.claims(**changes)))) == ""


async def test_times_have_thirty_seconds_of_leeway(node: TokenStage) -> None:
    """A clock may be 30 s off, either way, and no more."""
    now = int(node.clock.now().timestamp())
    near = [{"iat": now - 600, "exp": now - 29}, {"iat": now + 30, "exp": now + 600}, {"nbf": now + 30}]
    far = [{"iat": now - 600, "exp": now - 30}, {"iat": now + 31, "exp": now + 600}, {"nbf": now + 31}]

    good = [await node.who(node.forge(claims=json.dumps(node.claims(**each)))) for each in near]
    bad = [await node.who(node.forge(claims=json.dumps(node.claims(**each)))) for each in far]

    assert (good, bad) == (["ada"] * 3, [""] * 3)


async def test_a_name_that_stands_there_twice_is_refused(node: TokenStage) -> None:
    """In the header or the claims, at any depth: two readers could take either."""
    header, claims = json.dumps(node.header()), json.dumps(node.claims())
    twice = [
        node.forge(header=header[:-1] + ', "alg": "none"}'),
        node.forge(claims=claims[:-1] + ', "sub": "admin"}'),
        node.forge(claims=claims[:-1] + ', "extra": {"a": 1, "a": 2}}'),
        node.forge(claims=claims[:-1] + ', "s\\u0075b": "admin"}'),
    ]

    assert [await node.who(each) for each in twice] == [""] * 4


async def test_what_is_no_json_object_is_refused(node: TokenStage) -> None:
    """Lists, numbers, NaN, other encodings, and objects too deep to read."""
    claims = json.dumps(node.claims())
    texts = ["[]", "7", '"a"', "null", claims[:-1] + ', "x": NaN}', claims[:-1] + ', "x": -Infinity}', "[" * 3000, "{"]

    found = [await node.who(node.forge(claims=text)) for text in texts]
    found += [await node.who(node.forge(header=text)) for text in texts]
    found.append(await node.who(f"{part(json.dumps(node.header()).encode('utf-16'))}.{part(b'{}')}.AAAA"))

    assert not any(found)


async def test_an_encrypted_token_is_refused(node: TokenStage) -> None:
    """A JWE has five parts, whatever it holds."""
    key = OKPKey.generate_key("X25519")
    sealed = jwe.encrypt_compact({"alg": "ECDH-ES", "enc": "A256GCM", "typ": "at+jwt"}, node.forge(), key)

    assert await node.who(sealed) == ""


async def test_other_texts_are_refused(node: TokenStage) -> None:
    """Opaque tokens, two and four parts, padding, white space, other letters, and what is too long to look at."""
    good = node.forge()
    long = node.forge(claims=json.dumps(node.claims(extra="a" * LARGEST_BYTES)))
    texts = ["", "a", "A" * 43, "a.b", "a.b.c", "..", good + ".", good + ".AAAA", good + "\n", " " + good, f"{good}="]
    texts += [good.replace(".", "=."), long, good.replace("e", "é", 1), "\ud800", "atk_", "atk_" + "0" * 16]

    assert not any([await node.who(text) for text in texts])
