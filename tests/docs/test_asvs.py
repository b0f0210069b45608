"""`docs/why/asvs.md` says what is so: each requirement stands once, and its tests and numbers are the code's."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import NamedTuple, get_args, get_type_hints

from antiphon.core.access import Allow
from antiphon.services.identity.settings import IdentitySettings
from olympus.app import app
from scripts import reference
from scripts.sources import Sources
from tests.docs.test_asvs_code import called, calls, imported
from tests.modules.audit_kinds import KINDS
from tests.named_tests import functions_in

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "why" / "asvs.md").read_text(encoding="utf-8")
STATES = ("met", "not applicable", "not covered")

# What the contract of security names, by chapter. "1.2.1-4" are four of them.
CONTRACT = """
1.2.1-4 1.3.1 1.3.6 1.3.12 2.1.3 2.3.2 2.4.1 3.2.1-2 3.3.1-5 3.4.1-6 3.4.8 3.5.1-3 3.5.8 4.1.1 4.1.3-4 4.2.1 4.3.1-2
4.4.2-4 5.1.1 5.2.1-4 5.2.6 5.3.1-2 5.4.1-3 6.1.1-3 6.2.1-5 6.2.8-12 6.3.1-4 6.3.8 6.4.1-4 6.6.1-3 6.8.2 7.1.1-2
7.2.1-4 7.3.1-2 7.4.1-3 7.4.5 7.5.1-3 8.1.1-2 8.2.1-3 8.3.1-3 8.4.1 9.1.1-3 9.2.1-4 11.2.1 11.2.3 11.4.2 11.5.1 11.6.1
12.1.1-3 12.2.1-2 12.3.1-4 13.3.1-2 13.3.4 13.4.2-6 14.2.1 14.2.4 14.3.2 15.1.3 15.2.2 15.3.1-4 15.3.7 15.4.2 16.2.1-5
16.3.1-4 16.4.1-3 16.5.1-4
"""

_ROW = re.compile(r"^\| (\d+\.\d+\.\d+) \| ([123]) \| (.+?) \| ([a-z ]+) \| (.+) \|$", re.MULTILINE)
_TEST = re.compile(r"`(tests/[\w/]+\.py::\w+)`")
_NUMBER = re.compile(r"^\| `([a-z_]+\.[a-z_]+)` \| (.+?) \| .+ \| \d+\.\d+\.\d+ \|$", re.MULTILINE)
_SETTING = re.compile(r"^\| `([a-z_]+\.[a-z_]+)` \| [^|]+ \| [^|]+ \| ([^|]+) \|", re.MULTILINE)


class Row(NamedTuple):
    """One requirement, as the page has it."""

    id: str
    level: str
    about: str
    state: str
    shown: str


ROWS = [Row(*found) for found in _ROW.findall(PAGE)]


@cache
def settings() -> dict[str, str]:
    """Every setting of Olympus with its default, as the reference shows it."""
    return dict(_SETTING.findall(reference.settings(Sources(ROOT))))


def part(title: str) -> str:
    """What stands under a heading of the page."""
    return PAGE.split(f"\n### {title}\n")[1].split("\n#")[0]


def test_every_requirement_stands_once() -> None:
    """The page has the ids of the checked-in list, no others and none twice, with their levels."""
    lines = (Path(__file__).with_name("asvs_ids.txt")).read_text(encoding="utf-8").splitlines()
    listed = dict(line.split() for line in lines if not line.startswith("#"))

    assert [name for name, times in Counter(row.id for row in ROWS).items() if times > 1] == []
    assert {row.id: row.level for row in ROWS} == listed
    assert (Counter(listed.values())["1"], Counter(listed.values())["2"]) == (70, 183)


def test_every_row_can_be_read() -> None:
    """No line of the tables was passed over because it is written otherwise."""
    lines = [line for line in PAGE.splitlines() if re.match(r"\| \d+\.\d+\.\d+ ", line)]

    assert len(lines) == len(ROWS)
    assert {row.state for row in ROWS} <= set(STATES)


def test_what_the_contract_names_is_there() -> None:
    """Each of its ids has a row; whether it is met, and why not, is for the row to say."""
    named: set[str] = set()
    for word in CONTRACT.split():
        section, _, numbers = word.rpartition(".")
        first, _, last = numbers.partition("-")
        named |= {f"{section}.{number}" for number in range(int(first), int(last or first) + 1)}

    assert named <= {row.id for row in ROWS}


def test_what_is_met_is_shown_by_tests_that_are_there() -> None:
    """A row that is met names tests and nothing else, each by file and function."""
    broken: list[str] = []
    for row in ROWS:
        tests = _TEST.findall(row.shown)
        if row.state == "met" and ", ".join(f"`{test}`" for test in tests) != row.shown:
            broken.append(f"{row.id} is met and names something that is no test: {row.shown}")
        if row.state == "met" and not tests:
            broken.append(f"{row.id} is met and names no test. Name one, or say that it is not covered.")

    assert broken == []


def test_every_test_that_is_named_is_there() -> None:
    """Wherever the page names one; it says which line to mend when a test was renamed."""
    named = [test.split("::") for test in _TEST.findall(PAGE)]
    gone = [f"{path}::{test}" for path, test in named if test not in functions_in(ROOT / path)]

    assert gone == [], "Mend these names in docs/why/asvs.md, or write that the rows are not covered."


def test_what_is_not_met_says_why() -> None:
    """In words, before any test that shows a part of it."""
    silent = [row.id for row in ROWS if row.state != "met" and not re.match(r"[^`]{8,}", row.shown)]

    assert silent == []


def test_the_page_counts_right() -> None:
    """The numbers at its beginning are those of its rows."""
    counted = Counter(row.state for row in ROWS if row.level != "3")
    third = Counter(row.state for row in ROWS if row.level == "3")
    words = " ".join(PAGE.split("##")[0].split())

    assert [f"{counted[state]} are *{state}*" in words for state in STATES] == [True] * 3, counted
    assert f"the {third.total()} that our contract names are here as well ({third['met']} met" in words, third


# What is written down


def test_every_number_is_that_of_the_settings() -> None:
    """Each default in the table of numbers is what the settings say now."""
    shown = dict(_NUMBER.findall(part("The numbers")))

    assert len(shown) > 30
    assert shown == {name: settings().get(name, "is no setting") for name in shown}


def test_the_ways_in_are_those_of_the_application() -> None:
    """Every action that answers to anybody is listed, and no other; whatever is said to give a way in is an action."""
    text = part("The ways in")
    actions = {action.name: action for action in app.gathered().actions}
    given, listed = text.split("Without any of them")
    open_actions = {name for name, action in actions.items() if (allow := action.trait(Allow)) and allow.open}

    assert set(re.findall(r"`([a-z-]+(?::[a-z-]+)?)`", listed)) == open_actions
    assert set(re.findall(r"`([a-z-]+:[a-z-]+)`", given)) <= set(actions)


def test_every_algorithm_is_listed() -> None:
    """Every hash that the code imports or calls, what it signs with and what it seals with are in the table of keys."""
    text = part("Keys and algorithms")
    used = {name for _, name in imported()} | {called(node) for _, node in calls()}
    hashes = {found[1] for name in used if (found := re.fullmatch(r"hashlib\.(\w+)", name))} - {"file_digest"}
    hashes |= {ast.literal_eval(node.args[1]) for _, node in calls() if called(node) == "hashlib.file_digest"}
    algorithm = get_args(get_type_hints(IdentitySettings, include_extras=False)["algorithm"])

    missing = {name for name in (*hashes, *algorithm, "argon2id", "A256GCM", "hmac") if name not in text}
    assert missing == set()
    assert {"sha256", "sha1", "blake2b"} >= hashes


def test_whom_it_talks_to_is_listed() -> None:
    """Every setting that holds an address of another service is in the table of those."""
    text = part("Whom it talks to")
    own = {"http.public_url"}
    addresses = {name for name in settings() if re.search(r"\.(\w*url|issuers|upstreams?)$", name)} - own

    assert set(re.findall(r"`([a-z_]+\.[a-z_]+)`", text)) == addresses


def test_what_the_audit_log_records_is_listed() -> None:
    """The kinds in the page are those that a test has recorded, one by one."""
    listed = part("Logs and the audit log").split("It records:")[1].split(".")[0]

    assert set(re.findall(r"\*([^*]+)\*", listed)) == set(KINDS)
