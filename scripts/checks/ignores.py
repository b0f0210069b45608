"""An ignored complaint says which rule and why on its own line: `# pyright: ignore[rule]  # why`."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator

from scripts.sources import Fault, Source, Sources

_IGNORE = re.compile(r"#\s*(type:\s*ignore|pyright:|noqa|ruff:\s*noqa|pragma:\s*no\s*(?:cover|branch))")
_EXPLAINED = re.compile(
    r"""
    \#\s*(?:
        pyright:\s*ignore\[\w+(?:,\s*\w+)*\]
      | noqa:\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*
      | pragma:\s*no\s*(?:cover|branch)
    )
    \s+\#\s*\w.+
    """,
    re.VERBOSE,
)
_HOW = "Write `# pyright: ignore[rule]  # why` or `# noqa: RULE  # why`, for one rule on one line."


def ignores(sources: Sources) -> Iterator[Fault]:
    """Every comment that switches a checker off without naming the rule and the reason."""
    for source in sources.code:
        for line, comment in _comments(source):
            if _IGNORE.search(comment) and not _EXPLAINED.search(comment):
                yield Fault(source.path, line, f"switches a check off without a rule and a reason. {_HOW}")


def _comments(source: Source) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
