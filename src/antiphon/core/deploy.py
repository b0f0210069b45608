"""What a part says before a deployment: findings, and the contract by which transports and values are asked."""

# Whoever knows a danger says it, so that no list has to know them all:
#
#     who               says it through          and then
#     settings          `problems(environment)`  a danger: the application does not start with it
#     settings          `warnings(environment)`  a warning: it starts, and somebody should know
#     a trait           `problems`, `warnings`   the same, of one action
#     a transport,      `DeployCheck`            what can be seen only with the settings, or with the database
#     a value
#
# `check --deploy` asks all of them, and opens no service for it.

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, cast, runtime_checkable

import msgspec

from antiphon.core.info import AppInfo
from antiphon.core.settings import Settings

if TYPE_CHECKING:
    from antiphon.core.action import AnyAction

type Level = Literal["danger", "warning", "unknown"]


class Finding(msgspec.Struct, frozen=True):
    """One thing to know before a deployment. It repeats no value of a setting.

    `danger`: do not deploy. `warning`: it runs, and could be better. `unknown`: it could not be looked at, and why.
    `about` names what it is, such as `http.hosts`, `users.tenant_id` or `session:create`.
    """

    level: Level
    about: str
    message: str


@dataclass(frozen=True, slots=True)
class Review:
    """What is looked at: the application as it would start, with the settings that could be read."""

    info: AppInfo
    actions: Sequence[AnyAction]
    sections: Mapping[type[Settings], Settings]
    gives: Sequence[type]
    """What the services that would open are found by."""

    def find[S: Settings](self, section: type[S]) -> S | None:
        """The values of one section; None when the application has none, or they cannot be read."""
        return cast("S | None", self.sections.get(section))

    def has(self, kind: type) -> bool:
        """Whether a service of this kind would open."""
        return any(kind in given.__mro__ for given in self.gives)


@runtime_checkable
class DeployCheck(Protocol):
    """A transport or a value of the application that has something to say before a deployment."""

    def check_deploy(self, review: Review) -> AsyncIterator[Finding]:
        """What it finds, each one in words that say what to do. It changes nothing, and makes nothing."""
        ...
