"""Tokens of foreign issuers: whose keys verify them, how often those are fetched, and whom they stand for here."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from antiphon.core.caller import Caller
from antiphon.core.clock import RandomIds
from antiphon.core.errors import SetupError, Unavailable
from antiphon.core.log import Silent
from antiphon.services.identity import (
    ForeignIssuer,
    ForeignIssuers,
    IdentitySettings,
    TokenEnds,
    Tokens,
    foreign_user_id,
)
from antiphon.services.identity.foreign_keys import read_key_set
from antiphon.stores.base import Store
from antiphon.testing.clock import StandingClock
from antiphon.testing.waiting import wait_until
from tests.services.issuer_stage import FOREIGN, Key, Partner, partner, plain
from tests.services.token_stage import part

ADA = foreign_user_id(FOREIGN, "auth|7")
AWAY = plain(b"", "503 Service Unavailable")


@pytest.fixture
async def node(store: Store) -> AsyncIterator[Partner]:
    """A node with one foreign issuer, which gives it nothing but users."""
    async with partner(store) as running:
        yield running


async def caller(node: Partner, **changes: Any) -> Caller | None:
    """Whom a token stands for."""
    found = await node.tokens.recognise(node.token(**changes))
    return found.verified.caller if found is not None else None


# Whom they stand for


async def test_a_foreign_token_is_a_user_without_tenant_and_roles(node: Partner) -> None:
    """By default an issuer only says who it is: the roles and the organisation that it names mean nothing here."""
    found = await caller(node)

    assert found is not None
    assert (found.kind, found.id, found.via) == ("user", ADA, "token")
    assert (found.tenant_id, found.roles, found.permissions, found.proved_at) == ("", frozenset(), None, None)


async def test_a_configured_mapping_gives_tenant_and_roles(store: Store) -> None:
    """Names that are mapped become ours, others are nothing; a token of a tenant that is not mapped is refused."""
    mapped: dict[str, Any] = {
        "tenant_claim": "org",
        "tenants": {"acme": "tenant-7"},
        "roles": {"boss": "owner", "clerk": "editor"},
    }
    async with partner(store, **mapped) as node:
        found = await caller(node)
        elsewhere = [await caller(node, org=org, jti=f"x{n}") for n, org in enumerate(("evil", "tenant-7", ..., [1]))]

    assert found is not None
    assert (found.tenant_id, found.roles) == ("tenant-7", frozenset({"owner"}))
    assert elsewhere == [None] * 4


async def test_a_whole_issuer_may_be_of_one_tenant(store: Store) -> None:
    """Whatever its tokens say of tenants."""
    async with partner(store, tenant_id="tenant-9") as node:
        found = await caller(node, tenant_id="tenant-1")

    assert found is not None
    assert found.tenant_id == "tenant-9"


def test_no_two_issuers_share_a_user() -> None:
    """The id is a UUID of version 8, the same each time, made of issuer and subject so that neither runs over."""
    ids = [foreign_user_id(*names) for names in (("a", "bc"), ("ab", "c"), ("a", "b"), ("b", "a"), ('a","b', "c"))]

    assert len({*ids}) == 5
    assert ids[0] == foreign_user_id("a", "bc")
    assert {UUID(each).version for each in ids} == {8}
    assert {UUID(each).variant for each in ids} == {UUID(int=0x8 << 76 | 0x2 << 62).variant}


async def test_a_foreign_token_that_signed_out_is_refused(node: Partner) -> None:
    """Each is a sign-in of its own, which ends as others do; another of the same user goes on."""
    token, other = node.token(), node.token(jti="two")
    found = await node.tokens.recognise(token)
    assert found is not None

    await node.ends.mark(ADA, [found.verified.caller.sid])

    assert [await node.who(token), await node.who(other)] == ["", ADA]


# What they must be


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://id.partner.example"}, {"iss": "https://choir.example"}, {"iss": ...}, {"iss": [FOREIGN]},
        {"aud": "https://other.example"}, {"aud": ...}, {"aud": []}, {"sub": ""}, {"sub": ...}, {"sub": 7},
        {"exp": ...}, {"exp": 1.5}, {"exp": "9"}, {"exp": 2**60}, {"exp": 9}, {"iat": ...}, {"jti": ...}, {"jti": ""},
        {"nbf": 2**40}, {"typ": "JWT"}, {"kid": "../one"}, {"kid": "https://evil.example/keys"},
    ],
    ids=str,
)  # fmt: skip
async def test_a_foreign_token_passes_every_check_of_ours(node: Partner, changes: dict[str, Any]) -> None:
    """Form, header, issuer, audience, times and ids."""
    assert await node.who(node.token(**changes)) == ""


async def test_a_foreign_token_lives_ten_minutes_at_most(node: Partner) -> None:
    """One that its issuer made for longer is refused, as what ended is only remembered that long."""
    now = int(node.clock.now().timestamp())

    found = [await node.who(node.token(exp=now + life, jti=f"{life}")) for life in (600, 601)]

    assert found == [ADA, ""]


async def test_only_the_issuer_s_own_keys_verify(node: Partner) -> None:
    """A stranger's signature under a known name, and a changed token, are refused."""
    stranger = OKPKey.generate_key("Ed25519")
    good = node.token()
    head, _, signature = good.rsplit(".", 2)
    changed = f"{head}.{part(json.dumps(node.claims(sub='auth|8')).encode())}.{signature}"

    assert [await node.who(node.token(key=stranger)), await node.who(changed), await node.who(good)] == ["", "", ADA]


@pytest.mark.parametrize("alg", ["none", "HS256", "EdDSA", "ES256"])
async def test_an_algorithm_that_is_not_the_key_s_is_refused(node: Partner, alg: str) -> None:
    """Neither no signature, nor one with the public key as a secret, nor one under another name of the curve."""
    head = part(json.dumps({"alg": alg, "kid": "one", "typ": "at+jwt"}).encode())
    signed = f"{head}.{part(json.dumps(node.claims()).encode())}"
    secret = node.key.as_dict(private=False)["x"]
    assert isinstance(secret, str)

    texts = [f"{signed}.", f"{signed}.{part(hmac.digest(secret.encode(), signed.encode(), 'sha256'))}"]

    assert [await node.who(text) for text in texts] == ["", ""]


# Which keys are taken


@pytest.mark.parametrize(
    ("alg", "key"),
    [
        ("Ed25519", OKPKey.generate_key("Ed25519")), ("EdDSA", OKPKey.generate_key("Ed25519")),
        ("ES256", ECKey.generate_key("P-256")), ("ES384", ECKey.generate_key("P-384")),
        ("RS256", RSAKey.generate_key(2048)), ("PS256", RSAKey.generate_key(2048)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
async def test_an_issuer_signs_with_what_its_own_list_says(store: Store, alg: str, key: Key) -> None:
    """With and without the name of it in the key; and no more when the list does not have it."""
    async with partner(store, algorithms=(alg,)) as node:
        node.server.publish(("one", key))
        token = node.token(alg=alg, key=key)
        assert await node.who(token) == ADA
    async with partner(store, algorithms=(alg,)) as node:
        node.server.publish(("one", key), alg=alg, use="sig")
        assert await node.who(token) == ADA
    async with partner(store, algorithms=("ES512",)) as node:
        node.server.publish(("one", key), alg=alg)
        assert await node.who(token) == ""


@pytest.mark.parametrize(
    "members",
    [
        {"use": "enc"}, {"key_ops": ["encrypt"]}, {"alg": "none"}, {"alg": "HS256"}, {"alg": 7}, {"kty": "oct"},
        {"x": 7}, {"x": "AA"}, {"crv": "Ed448"}, {"kid": "a/b"}, {"kid": "two"}, {"kid": None},
    ],
    ids=str,
)  # fmt: skip
async def test_a_key_that_says_otherwise_verifies_nothing(node: Partner, members: dict[str, Any]) -> None:
    """One for another use, another algorithm, of another kind, broken, or under another name."""
    node.server.publish(("one", node.key), **members)

    assert await node.who(node.token()) == ""


async def test_an_unclear_key_verifies_nothing(store: Store) -> None:
    """Two of one name, and RSA that could do two algorithms of the list."""
    one = RSAKey.generate_key(2048)
    cases = [(("RS256",), [("one", one), ("one", one)]), (("RS256", "PS256"), [("one", one)])]
    found: list[str] = []
    for algorithms, keys in cases:
        async with partner(store, algorithms=algorithms) as node:
            node.server.publish(*keys)
            found.append(await node.who(node.token(alg="RS256", key=keys[0][1])))

    assert found == ["", ""]


@pytest.mark.parametrize(("bits", "taken"), [(2040, False), (2048, True), (8192, True), (8200, False)])
def test_rsa_has_2048_to_8192_bits(bits: int, taken: bool) -> None:
    """A shorter key can be broken, and a longer one makes each check a burden."""
    number = part((2**bits - 1).to_bytes(bits // 8))
    document = json.dumps({"keys": [{"kty": "RSA", "kid": "one", "n": number, "e": "AQAB"}]}).encode()

    assert bool(read_key_set(document, _said(algorithms=("RS256",)))) is taken


# How often they are fetched


async def test_keys_are_fetched_once_for_all_who_wait(node: Partner) -> None:
    """From the configured address alone, with one request."""
    node.server.gate.clear()
    asking = [asyncio.create_task(node.who(node.token(jti=f"{n}"))) for n in range(20)]
    await wait_until(lambda: node.server.asked, "nobody asked for the keys")
    node.server.gate.set()

    assert {*await asyncio.gather(*asking)} == {ADA}
    assert len(node.server.asked) == 1
    assert node.server.asked[0].startswith("GET /keys?v=1 HTTP/1.1\r\nHost: 127.0.0.1:")


async def test_a_set_is_kept_ten_minutes_and_renewed_beside(node: Partner) -> None:
    """Whoever comes then does not wait for the next one."""
    await node.who(node.token())
    node.clock.move(timedelta(minutes=9, seconds=59))
    await node.who(node.token(jti="two"))
    before = len(node.server.asked)
    node.clock.move(timedelta(seconds=1))
    node.server.gate.clear()

    found = await node.who(node.token(jti="three"))

    assert (found, before) == (ADA, 1)
    await wait_until(lambda: len(node.server.asked) == 2, "the set was not renewed")


async def test_a_new_key_is_found_at_once_and_a_flood_of_names_is_not(node: Partner) -> None:
    """An unknown kid fetches the set; a hundred of them fetch it once in half a minute."""
    await node.who(node.token())
    new = OKPKey.generate_key("Ed25519")
    node.server.publish(("one", node.key), ("two", new))
    found = await node.who(node.token(kid="two", key=new))

    for number in range(100):
        await node.who(node.token(kid=f"k{number}", jti=f"{number}"))
    flooded = len(node.server.asked)
    node.clock.move(timedelta(seconds=30))
    await node.who(node.token(kid="k1"))

    assert (found, flooded, len(node.server.asked)) == (ADA, 2, 3)


async def test_a_key_that_is_withdrawn_verifies_no_longer(node: Partner) -> None:
    """From the next set on, which is ten minutes later at the latest."""
    await node.who(node.token())
    node.server.publish(("two", OKPKey.generate_key("Ed25519")))
    node.clock.move(timedelta(minutes=10))
    await node.who(node.token(jti="two"))
    await wait_until(lambda: len(node.server.asked) == 2, "the set was not renewed")

    async def is_refused() -> bool:
        return not await node.who(node.token(jti="three"))

    await wait_until(is_refused, "the old key went on")


@pytest.mark.parametrize("answer", [AWAY, plain(b"<html>"), plain(b'{"keys": 7}'), plain(b"", "301 Moved")])
async def test_the_last_good_set_is_kept_for_a_day(node: Partner, answer: bytes) -> None:
    """While the issuer is away or answers nonsense; then a token cannot be looked at, and nobody is let in."""
    await node.who(node.token())
    node.server.answer = answer
    node.clock.move(timedelta(hours=23, minutes=59))
    late = await node.who(node.token(jti="late"))
    await wait_until(lambda: len(node.server.asked) == 2, "the set was not renewed")
    node.clock.move(timedelta(minutes=1))

    assert late == ADA
    with pytest.raises(Unavailable):
        await node.who(node.token(jti="later"))


async def test_an_issuer_that_is_away_is_not_asked_by_every_call(node: Partner) -> None:
    """Once in five seconds while there is no set; calls in between are told at once that it is away."""
    good, node.server.answer = node.server.answer, AWAY
    for number in range(5):
        with pytest.raises(Unavailable):
            await node.who(node.token(jti=f"{number}"))
    before = len(node.server.asked)
    node.server.answer = good
    node.clock.move(timedelta(seconds=5))

    assert (before, await node.who(node.token())) == (1, ADA)


# Settings


def _said(**changes: Any) -> ForeignIssuer:
    good: dict[str, Any] = {
        "issuer": FOREIGN, "audience": ("a",), "algorithms": ("ES256",), "jwks_url": "https://id.partner.example/keys",
    }  # fmt: skip
    return ForeignIssuer(**{**good, **changes})


@pytest.mark.parametrize(
    ("url", "development", "production"),
    [
        ("https://id.partner.example/keys", True, True), ("http://localhost:9000/keys", True, False),
        ("http://127.0.0.1/keys", True, False), ("http://[::1]/keys", True, False),
        ("http://id.partner.example/keys", False, False), ("http://localhost.evil.example/keys", False, False),
        ("file:///etc/passwd", False, False), ("https://user@id.partner.example/", False, False),
        ("https://id.partner.example/#x", False, False), ("https://[::1", False, False), ("keys", False, False),
        ("https://a.example/\r\nX: y", False, False),
    ],
)  # fmt: skip
def test_keys_come_over_https(url: str, development: bool, production: bool) -> None:
    """Or from this machine during development."""
    settings = IdentitySettings(issuers={"partner": _said(jwks_url=url)})

    found = {
        env: not [fault for fault in settings.problems(env) if fault.name == "issuers"]
        for env in ("development", "production")
    }

    assert found == {"development": development, "production": production}


@pytest.mark.parametrize(
    "issuers",
    [
        {"one": _said(), "two": _said()}, {"one": _said(issuer="https://choir.example")},
        {"one": _said(tenant_claim="org")}, {"one": _said(tenants={"a": "b"})},
        {"one": _said(tenant_claim="org", tenants={"a": "b"}, tenant_id="c")},
    ],
)  # fmt: skip
def test_issuers_that_contradict_each_other_stop_the_start(issuers: dict[str, ForeignIssuer]) -> None:
    """Two of one name, one with our own, and tenants in two ways or by half."""
    settings = IdentitySettings(issuer="https://choir.example", issuers=issuers)

    assert [fault.name for fault in settings.problems("development")] == ["issuers"]


async def test_an_issuer_is_not_called_like_the_application(store: Store) -> None:
    """Whose name is the issuer of our own tokens when no other one is set."""
    clock, settings = StandingClock(), IdentitySettings(issuers={"one": _said(issuer="choir")})
    foreign = ForeignIssuers(settings, clock, Silent())

    with pytest.raises(SetupError, match="own issuer"):
        Tokens(
            settings, "choir", keyring=None, keys=None, ends=TokenEnds(store, clock), clock=clock, ids=RandomIds(),
            foreign=foreign,
        )  # fmt: skip
