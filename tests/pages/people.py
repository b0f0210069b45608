"""People in front of a browser: each has a window and a session of their own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from playwright.async_api import Browser, Page, Request, async_playwright, expect

FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
PASSWORD = "four lanterns over still water"
PATIENCE = 20_000.0
"""Milliseconds that bound a failure."""


@dataclass
class Person:
    """Somebody who looks at a page."""

    name: str
    page: Page
    errors: list[str] = field(default_factory=list[str])
    """What scripts threw, and what the policy of the page forbade."""
    asked: list[str] = field(default_factory=list[str])
    """Every address that the page asked for."""

    async def sign_up(self) -> None:
        """Make an account, and wait for the board."""
        await self.page.get_by_role("button", name="Create an account").click()
        await self.page.get_by_label("Name").fill(self.name)
        await self.page.get_by_label("Email").fill(f"{self.name.split()[0].lower()}@example.com")
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Create the account").click()
        await self.is_live()

    async def is_live(self) -> None:
        """The page says that it is connected."""
        await expect(self.page.locator("#state")).to_have_text("Live", timeout=PATIENCE)

    async def say(self, text: str) -> None:
        """Write a message and post it with the keyboard."""
        await self.page.get_by_label("Your message").fill(text)
        await self.page.get_by_label("Your message").press("Enter")

    async def reads(self, *texts: str) -> None:
        """The board shows these messages, in this order, and no others."""
        await expect(self.page.locator("#messages .body")).to_have_text([*texts], timeout=PATIENCE)

    async def sees(self, *names: str) -> None:
        """These people are shown as here, in this order."""
        await expect(self.page.locator("#here .called")).to_have_text([*names], timeout=PATIENCE)


class Browsers:
    """One browser, with as many windows as there are people."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    @classmethod
    @asynccontextmanager
    async def start(cls, chromium: str) -> AsyncGenerator[Browsers]:
        """Chromium without a screen, for a block."""
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium, chromium_sandbox=False, args=[*FLAGS])
            try:
                yield cls(browser)
            finally:
                await browser.close()

    async def person(
        self,
        name: str,
        url: str,
        *,
        width: int = 1200,
        height: int = 800,
        scheme: Literal["light", "dark"] = "light",
    ) -> Person:
        """Somebody new, who opens this address."""
        context = await self._browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, locale="en-GB"
        )
        person = Person(name, await context.new_page())

        def asked(request: Request) -> None:
            person.asked.append(request.url)

        def failed(error: Any) -> None:
            person.errors.append(str(error))

        person.page.on("request", asked)
        person.page.on("pageerror", failed)
        await person.page.add_init_script(
            "addEventListener('securitypolicyviolation', (event) => { throw Error(`forbidden: ${event.blockedURI}`); })"
        )
        await person.page.goto(url)
        return person
