"""PLACEHOLDER until the real one is written."""
from collections.abc import Sequence
from antiphon.core.action import AnyAction
from antiphon.core.info import AppInfo
def openapi(info: AppInfo, actions: Sequence[AnyAction]) -> bytes: return b"{}"
