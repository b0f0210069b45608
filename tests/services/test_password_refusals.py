"""Which passwords are refused, and which are not."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path

import pytest

from antiphon.services.passwords.bloom import BloomFilter
from antiphon.services.passwords.refusals import DATA, FREQUENT_FILE, Refusals

REFUSALS = Refusals.bundled()


def reason(password: str, own: Iterable[str] = (), product: str = "Olympus") -> str | None:
    """Why it is refused."""
    return REFUSALS.reason(password, own=own, product=product)


@pytest.mark.parametrize("password", ["12345678", "password", "Password1", "QWERTYUIOP", "iloveyou", "football1"])
def test_frequent_passwords_are_refused(password: str) -> None:
    """What everybody tries first is refused, in capitals too."""
    assert "most common" in (reason(password) or "")


def test_ten_thousand_frequent_passwords_are_bundled() -> None:
    """The list has 10,000 entries, each of which could be chosen."""
    entries = gzip.decompress((DATA / FREQUENT_FILE).read_bytes()).decode().splitlines()

    assert len(set(entries)) == len(entries) == 10_000
    assert all(8 <= len(entry) <= 256 for entry in entries)


@pytest.mark.parametrize("password", ["iloveyou!!", "ILOVEYOU!!", "passwordpassword"])
def test_breached_passwords_are_refused(password: str) -> None:
    """What was found in breaches is refused though it is not frequent."""
    assert "breach" in (reason(password) or "")


@pytest.mark.parametrize(
    "password", ["correct horse battery staple", "tr0ub4dor&3x", "Ein Satz, den keiner kennt.", "     x  "]
)
def test_other_passwords_are_taken(password: str) -> None:
    """No rule on composition: spaces, one kind of letter or no digit are all fine."""
    assert reason(password, own=("Ada Lovelace", "ada@example.com")) is None


@pytest.mark.parametrize(
    "password",
    [
        "Ada Lovelace",
        "adalovelace",
        "LOVELACE1815",
        "lovelace",
        "ada@Example.com",
        "ada12345",
        "!!ada!!!",
        "countess99",
    ],
)
def test_ones_own_name_and_email_are_refused(password: str) -> None:
    """Name, email, and their parts with nothing but digits and signs around them, in any case of letters."""
    assert "your own" in (reason(password, own=("Ada Lovelace", "ada@example.com", "countess@example.com")) or "")


def test_a_name_within_a_password_is_no_reason() -> None:
    """A sentence may hold one's name, and a name of one letter refuses nothing."""
    assert reason("my name is Ada and yours?", own=("Ada",)) is None
    assert reason("a1938-4759", own=("A", "a@example.com")) is None
    assert reason("8f3k-29dk-x", own=("", " ")) is None


@pytest.mark.parametrize("password", ["Olympus1", "olympus2026", "OLYMPUS!"])
def test_the_name_of_the_product_is_refused(password: str) -> None:
    """What others guess for everybody here is refused."""
    assert "this service" in (reason(password) or "")


def test_a_reason_repeats_nothing() -> None:
    """The words that the user is told hold neither the password nor the name."""
    assert "lovelace" not in (reason("lovelace", own=("Ada Lovelace",)) or "").lower()


def test_a_filter_knows_its_members() -> None:
    """No member is ever missed."""
    members = [f"member {number}" for number in range(2_000)]

    made = BloomFilter.of(members, error=0.01)

    assert all(member in made for member in members)


def test_a_filter_takes_few_strangers_for_members() -> None:
    """The share of others that it takes for members is about what was asked for."""
    made = BloomFilter.of([f"member {number}" for number in range(2_000)], error=0.01)

    assert sum(f"stranger {number}" in made for number in range(20_000)) < 20_000 * 0.02


def test_a_filter_is_the_same_after_writing_and_reading() -> None:
    """What was built once answers alike on every machine."""
    made = BloomFilter.of(["one", "two", "drei", "vier\udce9"], error=0.001)

    read = BloomFilter.read(made.write())

    assert ("one" in read, "vier\udce9" in read, "three" in read) == (True, True, False)


@pytest.mark.parametrize("content", [b"", b"BLOOM 1\n", b"something else entirely"])
def test_a_damaged_list_is_told(content: bytes) -> None:
    """A file that is no list stops the start instead of refusing nothing."""
    with pytest.raises(ValueError, match="no Bloom filter"):
        BloomFilter.read(content)


def test_every_source_is_named_with_its_licence() -> None:
    """Beside the lists stands where they come from."""
    sources = (Path(DATA) / "SOURCES.md").read_text("utf-8")

    assert "MIT" in sources
    assert "BSD-3-Clause" in sources
