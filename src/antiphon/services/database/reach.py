"""How far the statements of a unit of work reach: whose tenant they stay in, and who hears when they leave it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


def _no_tenant() -> str:
    return ""


def _nobody(reason: str) -> None:
    """Outside of a call there is no caller to hold to account."""


class Reach(NamedTuple):
    """`tenant` gives the tenant of now, or an empty text; `unscoped` is told why somebody looks beyond it."""

    tenant: Callable[[], str] = _no_tenant
    unscoped: Callable[[str], None] = _nobody


NOWHERE = Reach()
"""No tenant at all: statements over tables with tenants are refused, unless they are unscoped."""
