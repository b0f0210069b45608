"""Access tokens and API keys at work: made, remembered, and asked about at every call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from msgspec.structs import replace

from antiphon.core.caller import SYSTEM, Caller
from antiphon.core.connection import Connection
from antiphon.core.errors import Unavailable
from antiphon.core.log import Silent
from antiphon.core.revocation import Revoked
from antiphon.core.secrets import Secret
from antiphon.services.identity import FoundKey, new_api_key, secret_digest
from antiphon.services.identity.api_keys import key_id_of
from antiphon.stores.base import Store
from antiphon.testing.engines import ValkeyServer
from tests.services.token_stage import ADA, AUDIENCE, ISSUER, TokenStage, token_stage

KEY_HOLDER = replace(ADA, sid="key.one", via="key", permissions=frozenset({"order:edit:own"}))


class Asked(Connection):
    """A connection from an address; the server may be the one that asks."""

    def __init__(self, address: str = "", *, by_itself: bool = False) -> None:
        super().__init__("direct", identifier=address)
        self.by_itself = by_itself


@pytest.fixture
async def node(store: Store) -> AsyncIterator[TokenStage]:
    """A node with its store."""
    async with token_stage(store) as stage:
        yield stage


def hand_out(node: TokenStage, *networks: str, caller: Caller = KEY_HOLDER) -> Secret[str]:
    """A new API key that the node's source keeps."""
    key_id, text = new_api_key()
    found = FoundKey(caller, node.clock.now() + timedelta(days=1), networks)
    node.kept.api_keys[key_id] = (secret_digest(text.reveal()), found)
    return text


# Tokens


async def test_a_token_stands_for_its_caller(node: TokenStage) -> None:
    """User, tenant, roles with their version, sign-in, and when the user showed a password."""
    proved = node.clock.now() - timedelta(minutes=3)

    found = await node.tokens.recognise(await node.token(replace(ADA, proved_at=proved)))

    assert found is not None
    assert found.verified.caller == replace(ADA, proved_at=proved)
    assert found.confirmed


@pytest.mark.parametrize("algorithm", ["Ed25519", "ES256"])
async def test_anybody_can_verify_a_token_with_the_key_set(store: Store, algorithm: str) -> None:
    """An independent reader with the public keys finds the claims; the set holds no private part."""
    async with token_stage(store, algorithm=algorithm) as node:  # pyright: ignore[reportArgumentType]  # one of the two
        token = await node.token()
        shown = await node.keyring.shown()

        read = jwt.decode(token, KeySet.import_key_set({"keys": shown}), algorithms=[algorithm])  # pyright: ignore[reportArgumentType]  # a key set as JSON

    assert read.claims["iss"] == ISSUER
    assert read.claims["aud"] == AUDIENCE
    assert read.claims["exp"] - read.claims["iat"] == 600
    assert all("d" not in key and key["use"] == "sig" and key["alg"] == algorithm for key in shown)


async def test_a_token_lives_ten_minutes_and_half_a_minute_of_leeway(node: TokenStage) -> None:
    """Remembered or not, it ends by its own word."""
    token = await node.token()
    await node.who(token)

    node.clock.move(timedelta(seconds=629))
    before = await node.who(token)
    node.clock.move(timedelta(seconds=1))

    assert (before, await node.who(token)) == ("ada", "")


async def test_the_server_itself_gives_no_leeway(node: TokenStage) -> None:
    """A socket lives until its token ends and not for the leeway of clocks."""
    token = await node.token()
    node.clock.move(timedelta(seconds=600))

    assert await node.who(token) == "ada"
    assert await node.who(token, Asked(by_itself=True)) == ""


async def test_only_a_sign_in_gets_a_token(node: TokenStage) -> None:
    """Neither the system nor a caller without a sign-in is given one."""
    for caller in (SYSTEM, replace(ADA, sid="")):
        with pytest.raises(ValueError, match="sign-in"):
            await node.tokens.issue(caller)


async def test_only_so_many_are_remembered(node: TokenStage) -> None:
    """The oldest is forgotten first."""
    async with token_stage(node.ends._store, remembered=2) as small:  # pyright: ignore[reportPrivateUsage]  # the same store
        tokens = [await small.token() for _ in range(3)]
        for token in tokens:
            await small.who(token)

        assert small.tokens.remembered == 2


async def test_an_ended_sign_in_takes_its_tokens_with_it(node: TokenStage) -> None:
    """On every node, from the next call on, be the token remembered or not; others go on."""
    token, other = await node.token(), await node.token(replace(ADA, sid="elsewhere"))
    await node.who(token)

    await node.ends.mark("ada", ["sid-of-ada"])

    assert (await node.who(token), await node.who(other)) == ("", "ada")
    async with token_stage(node.ends._store, kept=lambda _: node.kept) as another:  # pyright: ignore[reportPrivateUsage]  # the same store
        assert (await another.who(token), await another.who(other)) == ("", "ada")


async def test_older_roles_are_refused(node: TokenStage) -> None:
    """A token of an older version of the user's roles holds no longer; one of the same or a newer does."""
    tokens = {version: await node.token(replace(ADA, roles_version=version)) for version in (3, 4, 5)}
    await node.ends.mark_rights("ada", 4)
    await node.ends.mark_rights("ada", 2)

    assert {version: await node.who(token) for version, token in tokens.items()} == {3: "", 4: "ada", 5: "ada"}


async def test_a_broadcast_is_heard_at_once(node: TokenStage) -> None:
    """What other nodes say is remembered, beside what the store says."""
    token = await node.token()

    node.ends.heard(Revoked("session", "sid-of-ada"))

    assert await node.who(token) == ""


# Without the store


async def test_without_the_store_a_node_trusts_what_it_has_heard(store_prefix: str) -> None:
    """A token goes on, unconfirmed; a sign-in, user or rights that were told to have ended do not."""
    async with ValkeyServer(persistent=False) as server:
        store = Store(server.url, prefix=store_prefix, log=Silent())
        try:
            async with token_stage(store) as node:
                tokens = {name: await node.token(replace(ADA, id=name, sid=f"sid-{name}")) for name in "abcd"}
                for token in tokens.values():
                    await node.who(token)
                for revoked in (Revoked("session", "sid-b"), Revoked("user", "c"), Revoked("rights", "d")):
                    node.ends.heard(revoked)
                await server.kill()

                found = {name: await node.tokens.recognise(token) for name, token in tokens.items()}

                assert found["a"] is not None
                assert not found["a"].confirmed
                assert (found["b"], found["c"], found["d"]) == (None, None, None)
        finally:
            await store.close()


async def test_what_was_heard_is_forgotten_after_ten_minutes(node: TokenStage) -> None:
    """No token is older, so nothing is kept for longer."""
    for number in range(100):
        node.ends.heard(Revoked("session", f"sid-{number}"))
        node.ends.heard(Revoked("user", f"user-{number}"))
    node.clock.move(timedelta(minutes=11))
    node.ends.heard(Revoked("session", "last"))
    node.ends.heard(Revoked("user", "last"))

    assert node.ends.remembered == 2


# Signing keys


async def test_a_rotation_signs_nobody_out(node: TokenStage) -> None:
    """The next key is published ten minutes before it signs; tokens of the one before go on until they end."""
    token = await node.token()
    first = node.kept.current.kid
    node.kept.rotate()
    node.clock.move(timedelta(minutes=10))
    node.kept.rotate()
    late = await node.token()
    shown = [key["kid"] for key in await node.keyring.shown()]

    assert node.kept.current.kid != first
    assert first in shown
    assert await node.who(token) == "ada"
    assert await node.who(late) == "ada"


async def test_a_retired_key_is_forgotten_when_its_last_token_has_ended(node: TokenStage) -> None:
    """It then verifies nothing, and the next step removes it."""
    token, first = await node.token(), node.kept.current.kid
    node.kept.rotate()
    node.clock.move(timedelta(minutes=10))
    node.kept.rotate()
    node.clock.move(timedelta(minutes=13))
    await node.keyring.read()

    assert first not in [key["kid"] for key in await node.keyring.shown()]
    assert await node.who(token) == ""
    node.kept.rotate()
    assert first not in [key.kid for key in node.kept.keys]


async def test_an_unknown_kid_reads_the_set_and_a_flood_of_them_does_not(node: TokenStage) -> None:
    """A new key is found at once; names of nobody's keys cost one reading in five seconds."""
    await node.token()
    node.clock.move(timedelta(seconds=5))
    before = node.kept.reads

    for number in range(50):
        await node.who(node.forge(header=f'{{"alg":"Ed25519","kid":"k{number}","typ":"at+jwt"}}'))

    assert node.kept.reads == before + 1


async def test_the_set_goes_on_while_the_database_is_away(node: TokenStage) -> None:
    """Tokens are verified and made with the keys that were read; only who has never read any is refused."""
    token = await node.token()
    node.kept.away = True
    node.clock.move(timedelta(minutes=5))

    assert await node.who(token) == "ada"
    assert await node.who(await node.token()) == "ada"
    async with token_stage(node.ends._store, kept=lambda _: node.kept) as new:  # pyright: ignore[reportPrivateUsage]  # the same store
        with pytest.raises(Unavailable):
            await new.who(token)


# API keys


async def test_a_key_stands_for_its_user_with_its_own_permissions(node: TokenStage) -> None:
    """By the key, with the subset it holds, until it ends; it is looked up once."""
    key = hand_out(node)
    before = node.kept.reads

    found = [await node.tokens.recognise(key.reveal(), Connection("direct")) for _ in range(3)]

    assert all(each is not None and each.verified.caller == KEY_HOLDER for each in found)
    assert node.kept.reads == before + 1
    node.clock.move(timedelta(days=1))
    assert await node.who(key.reveal()) == ""


async def test_a_revoked_key_is_refused_at_once(node: TokenStage) -> None:
    """Though it was remembered."""
    key = hand_out(node)
    await node.who(key.reveal())
    node.kept.api_keys.clear()

    await node.ends.mark("ada", ["key.one"])

    assert await node.who(key.reveal()) == ""


async def test_a_key_has_the_roles_its_user_has_now(node: TokenStage) -> None:
    """A change of roles reads it again, and it goes on with the new ones."""
    key = hand_out(node)
    await node.who(key.reveal())
    key_id = key_id_of(key.reveal())
    assert key_id is not None
    digest, found = node.kept.api_keys[key_id]
    node.kept.api_keys[key_id] = (
        digest,
        replace(found, caller=replace(KEY_HOLDER, roles_version=4, roles=frozenset())),
    )

    await node.ends.mark_rights("ada", 4)
    recognised = await node.tokens.recognise(key.reveal())

    assert recognised is not None
    assert recognised.verified.caller.roles == frozenset()


@pytest.mark.parametrize(
    ("address", "known"),
    [("192.0.2.7", True), ("198.51.100.1", False), ("2001:db8::1", True), ("", False), ("x", False)],
)
async def test_a_key_may_be_bound_to_networks(node: TokenStage, address: str, known: bool) -> None:
    """From elsewhere, and from nobody knows where, it is no key."""
    key = hand_out(node, "192.0.2.0/24", "2001:db8::/32")

    assert await node.who(key.reveal(), Asked(address)) == ("ada" if known else "")


async def test_a_text_that_is_no_key_is_never_looked_up(node: TokenStage) -> None:
    """Its checksum tells a typing error; so do its length and its letters."""
    key = hand_out(node).reveal()
    before = node.kept.reads
    swapped = key[:-1] + ("a" if key[-1] != "a" else "b")

    found = [await node.who(text) for text in (swapped, key[:-1], key + "0", key.upper(), key.replace("atk_", "atk-"))]

    assert (found, node.kept.reads) == ([""] * 5, before)
    assert len(key) <= 128


def test_every_key_is_another() -> None:
    """Ids and secrets are random, and the secret does not print."""
    keys = [new_api_key() for _ in range(200)]

    assert len({key_id for key_id, _ in keys}) == len({text.reveal() for _, text in keys}) == 200
    assert all(key_id_of(text.reveal()) == key_id for key_id, text in keys)
    assert "***" in repr(keys[0])
