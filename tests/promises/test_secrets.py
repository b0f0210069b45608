"""Secrets: what the settings keep is masked wherever it turns up."""

from __future__ import annotations

from pathlib import Path

import pytest

from antiphon.testing.app import TestApp
from olympus.app import app


async def test_a_secret_of_the_settings_is_masked_in_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A password in a setting never reaches the log, not even inside a text that somebody else wrote."""
    url = f"sqlite:///{tmp_path}/pearls-of-the-deep.db"

    async with TestApp.start(app, tmp_path, {"DATABASE_URL": url, "LOG_LEVEL": "info"}) as running:
        running.runtime.log.info("something.happened", words=f"connecting to {url} failed")

    assert "something.happened" in (logged := capfd.readouterr().err)
    assert "connecting to *** failed" in logged
