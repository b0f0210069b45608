"""No file names where packages come from, a folder of somebody's machine, or a page that is not in the repository."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scripts.checks.exceptions import Exceptions
from scripts.sources import Fault, Sources

_REFUSED = {
    "the address of a package registry": re.compile(
        r"pypi\.org|pythonhosted\.org|registry\.npmjs\.org|deb\.debian\.org|/opt/(?:pypi|wheels)|"
        r"--(?:extra-)?index-url|--find-link[s]"
    ),
    "a folder of one machine": re.compile(r"(?<![\w.}])/(?:work|root|home/\w+|Users/\w+)/"),
    "a page that is not in the repository": re.compile(
        r"\b(?:DESIGN|BUILDING)\.md\b|\bshared/(?:spec|seeds|hooks)\b|"
        r"\b(?:DESIGN|BUILDING|WIRE|SECURITY|STREAMS|REALTIME|BUFFER|GATEWAY|GRAPHQL)\s§"
    ),
}


def addresses(sources: Sources, exceptions: Exceptions) -> Iterator[Fault]:
    """Every line that names one of these."""
    for source in sources.all:
        for what, pattern in _REFUSED.items():
            # The whole text first: most files have no hit, and some are large.
            if not pattern.search(source.text) or exceptions.allow("addresses", source.path):
                continue
            for number, line in enumerate(source.text.splitlines(), start=1):
                if hit := pattern.search(line):
                    yield Fault(source.path, number, f"names {what}: {hit[0]!r}. Leave it out.")
