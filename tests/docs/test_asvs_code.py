"""What the code never does, read from its syntax: the rows of `docs/why/asvs.md` that say that nothing does it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = (ROOT / "src" / "antiphon", ROOT / "olympus")

# Modules that read XML, run texts, unpickle, send mail, ask directories, make templates, or encrypt by themselves.
DANGEROUS = {
    "pickle", "marshal", "shelve", "dill", "xml", "lxml", "defusedxml", "html5lib", "ldap", "ldap3", "smtplib",
    "imaplib", "jinja2", "mako", "pty", "telnetlib", "ftplib", "nntplib", "urllib.request", "requests",
    "codeop", "timeit", "runpy",
}  # fmt: skip
CRYPTOGRAPHY = {"hashlib", "hmac", "secrets", "ssl", "joserfc", "argon2"}
"""Those of the standard library, which are OpenSSL's, and the two libraries of docs/why/dependencies.md."""

WEAK = {"md5", "sha1", "hashlib.md5", "hashlib.sha1", "hashlib.new"}
CHANCE = {
    "stores/relay.py", "services/database/notices.py", "services/channels/hub.py", "services/streams/supervisor.py",
    "transports/worker/outcomes.py", "transports/websocket/desk.py", "wire/trace.py", "client/client.py",
    "core/clock.py", "services/channels/losses.py",
}  # fmt: skip
"""Where numbers may be guessed: waits that differ, and ids of requests, spans and rows."""


@cache
def trees() -> tuple[tuple[str, ast.Module], ...]:
    """Every file with its syntax; its name begins at the package."""
    files = [(place, file) for place in PLACES for file in sorted(place.rglob("*.py"))]
    return tuple((str(file.relative_to(place)), ast.parse(file.read_text(encoding="utf-8"))) for place, file in files)


@cache
def looked_at() -> tuple[tuple[str, ast.Call | ast.Import | ast.ImportFrom], ...]:
    """Every call and import, with its file and line in words."""
    kinds = (ast.Call, ast.Import, ast.ImportFrom)
    return tuple(
        (f"{name}:{node.lineno}", node) for name, tree in trees() for node in ast.walk(tree) if isinstance(node, kinds)
    )


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call, with where."""
    yield from ((place, node) for place, node in looked_at() if isinstance(node, ast.Call))


def imported() -> Iterator[tuple[str, str]]:
    """Every module that is imported, and every name of one, with where."""
    for place, node in looked_at():
        if isinstance(node, ast.Import):
            yield from ((place, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((place, f"{node.module}.{alias.name}") for alias in node.names)
            yield place, str(node.module)


def called(node: ast.Call) -> str:
    """The dotted name of what is called."""
    return ast.unparse(node.func)


def test_nothing_dangerous_is_imported() -> None:
    """No pickle, no XML, no templates, no mail, no directory, no client that opens whatever address it is given."""
    found = [
        (place, name)
        for place, name in imported()
        if name in DANGEROUS or name.split(".")[0] in DANGEROUS or name.startswith("urllib.request")
    ]

    assert found == []


def test_no_text_is_run_as_code() -> None:
    """Neither `eval` nor `exec`, nor YAML that makes objects."""
    banned = {"eval", "exec", "compile", "__import__", "yaml.load", "yaml.unsafe_load", "yaml.full_load"}

    assert [place for place, node in calls() if called(node) in banned] == []


def test_no_shell_is_asked() -> None:
    """Other programs are started with a list of words that the program itself wrote; none goes through a shell."""
    found = [
        place
        for place, node in calls()
        if called(node) in ("os.system", "os.popen", "asyncio.create_subprocess_shell", "subprocess.getoutput")
        or any(each.arg == "shell" for each in node.keywords)
    ]
    starters = {place.split(":")[0] for place, name in imported() if name == "subprocess"}

    assert found == []
    assert starters <= {"stores/child.py", "testing/engines/postgres.py", "testing/engines/process.py"}


def test_no_sql_is_put_together_from_texts() -> None:
    """What is given to `text(...)` or `exec_driver_sql(...)` holds a value of nobody: a literal, or a name of ours."""
    found: list[str] = []
    for place, node in calls():
        if called(node) not in ("text", "sa.text", "sqlalchemy.text") and not called(node).endswith("exec_driver_sql"):
            continue
        made = [each for each in ast.walk(node.args[0]) if isinstance(each, ast.JoinedStr | ast.BinOp)]
        # Migrations and the fence write names of their own tables and numbers of their own settings.
        if made and not place.startswith(("services/database/", "migrations/", "modules/", "services/streams/")):
            found.append(place)

    assert found == []


def test_no_text_from_elsewhere_is_a_format() -> None:
    """Only literals and the constants of a module are used as format strings, or are given on to be."""
    found = [
        place.split(":")[0]
        for place, node in calls()
        if isinstance(node.func, ast.Attribute)
        and node.func.attr in ("format", "format_map")
        and (node.args or node.keywords)
        and not isinstance(node.func.value, ast.Constant)
        and not (isinstance(node.func.value, ast.Name) and node.func.value.id.isupper())
    ]

    # Its callers stand beside it, and give it literals.
    assert found == ["services/database/migrations.py"]


def test_cryptography_comes_from_libraries() -> None:
    """Whatever hashes, signs or seals is one of five well-known modules; nothing is written here."""
    known = {"cryptography", "Crypto", "nacl", "jwt", "jose", "passlib", "bcrypt", "ecdsa", "rsa", *CRYPTOGRAPHY}

    assert {name.split(".")[0] for _, name in imported()} & known <= CRYPTOGRAPHY


def test_no_weak_hash_protects_anything() -> None:
    """MD5 is nowhere; SHA-1 only where another's protocol says so, and marked as no protection."""
    found = [
        place for place, node in calls() if called(node) in WEAK and "usedforsecurity=False" not in ast.unparse(node)
    ]
    users = {place.split(":")[0] for place, name in imported() if name in ("hashlib.sha1", "hashlib.md5")}

    assert found == []
    assert users == {"stores/script.py", "wire/websocket/handshake.py"}


def test_what_is_sealed_is_sealed_with_gcm() -> None:
    """The two places that encrypt name AES-256-GCM, and nothing else."""
    users = {place.split(":")[0] for place, name in imported() if name == "joserfc.jwe"}
    named = {user: re.findall(r'"enc": "(\w+)"', (PLACES[0] / user).read_text(encoding="utf-8")) for user in users}

    assert named == {"services/identity/sealing.py": ["A256GCM"], "services/idempotency/answers.py": ["A256GCM"]}


@pytest.mark.parametrize("part", ["services/identity", "services/sessions", "services/passwords", "modules/accounts"])
def test_what_nobody_may_guess_is_not_from_random(part: str) -> None:
    """`random` makes waits and names; what keeps somebody out comes from `secrets`."""
    users = {place.split(":")[0] for place, name in imported() if name.split(".")[0] == "random"}

    assert not [user for user in users if user.startswith(part)]
    assert users <= CHANCE
