"""The board in a real browser: what people see of each other, and what they see of a network that comes and goes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from antiphon.testing.app import TestApp
from olympus.messages.actions import create_message
from tests.pages.network import Network
from tests.pages.people import PATIENCE, Browsers

MORE_THAN_IS_KEPT = 301


@pytest.fixture
async def network(olympus_served: TestApp) -> AsyncIterator[Network]:
    """What stands between the browsers and Olympus."""
    async with Network.to(olympus_served.port) as network:
        yield network


@pytest.fixture
async def browsers(chromium: str, network: Network) -> AsyncIterator[Browsers]:
    """A browser that is gone before the network is."""
    async with Browsers.start(chromium) as started:
        yield started


async def test_two_people_read_each_other_at_once(browsers: Browsers, network: Network) -> None:
    """What one posts the other reads, each message once and in one order for both."""
    ada = await browsers.person("Ada Lovelace", f"{network.url}/board")
    bo = await browsers.person("Bo Diddley", f"{network.url}/board")
    await ada.sign_up()
    await bo.sign_up()

    await ada.say("Good morning.")
    await bo.reads("Good morning.")
    await bo.say("Morning!")

    for reader in (ada, bo):
        await reader.reads("Good morning.", "Morning!")
        assert reader.errors == []


async def test_people_come_and_go_before_each_other_s_eyes(browsers: Browsers, network: Network) -> None:
    """Who opens the board is shown as here, oneself first; who signs out is not."""
    ada = await browsers.person("Ada Lovelace", f"{network.url}/board")
    bo = await browsers.person("Bo Diddley", f"{network.url}/board")
    await ada.sign_up()
    await bo.sign_up()
    await ada.sees("Ada Lovelace", "Bo Diddley")
    await bo.sees("Bo Diddley", "Ada Lovelace")

    await bo.page.get_by_role("button", name="Sign out").click()

    await ada.sees("Ada Lovelace")
    await expect(ada.page.locator("#here-note")).to_have_text("Bo Diddley left")
    await expect(bo.page.locator("#welcome-note")).to_have_text("You are signed out. Come back soon.")


async def test_who_loses_the_network_misses_nothing(
    browsers: Browsers, network: Network, olympus_served: TestApp
) -> None:
    """While the network is cut the page says so; afterwards it shows what came, once and in order, under a line."""
    ada = await browsers.person("Ada Lovelace", f"http://127.0.0.1:{olympus_served.port}/board")
    bo = await browsers.person("Bo Diddley", f"{network.url}/board")
    await ada.sign_up()
    await bo.sign_up()
    await ada.say("One")
    await bo.reads("One")

    network.cut()
    await ada.say("Two")
    await ada.say("Three")
    await expect(bo.page.locator("#banner-text")).to_contain_text("The connection is lost.", timeout=PATIENCE)
    await bo.say("Four, written without a connection")
    await expect(bo.page.locator(".fate").last).to_contain_text("Will be posted as soon as you are connected.")
    network.mend()
    # Dispatched, because the page may be back before a pointer is there, and then there is nothing left to press.
    await bo.page.locator("#try").dispatch_event("click")

    for reader in (ada, bo):
        await reader.reads("One", "Two", "Three", "Four, written without a connection")
    await expect(bo.page.locator(".rule.news")).to_have_text("While you were away")
    await expect(bo.page.locator("#notice")).to_have_text("Back. 2 messages came meanwhile.")
    await expect(bo.page.locator("#banner")).to_be_hidden()


async def test_who_was_away_for_too_long_finds_the_board_as_it_is_now(
    browsers: Browsers, network: Network, olympus_served: TestApp
) -> None:
    """When more came than is kept the page says so, and shows the newest messages and what comes after them."""
    bo = await browsers.person("Bo Diddley", f"{network.url}/board")
    await bo.sign_up()
    await olympus_served.call(create_message, body="Before")
    await bo.reads("Before")

    network.cut()
    for number in range(MORE_THAN_IS_KEPT):
        await olympus_served.call(create_message, body=str(number))
    network.mend()

    newest = [str(number) for number in range(MORE_THAN_IS_KEPT - 50, MORE_THAN_IS_KEPT)]
    await bo.reads(*newest)
    await expect(bo.page.locator("#notice")).to_have_text("You were away for long. The board was loaded anew.")
    await olympus_served.call(create_message, body="After")
    await bo.reads(*newest, "After")
    await bo.page.get_by_role("button", name="Show earlier messages").click()
    await expect(bo.page.locator("#messages .body")).to_have_count(100, timeout=PATIENCE)


async def test_what_people_write_is_shown_and_never_run(browsers: Browsers, network: Network) -> None:
    """Markup in a name or a message is text on the board."""
    mallory = await browsers.person("Mal <i>lory</i>", f"{network.url}/board")
    await mallory.sign_up()
    text = "<img src=x onerror=alert(1)> <script>alert(2)</script>"

    await mallory.say(text)

    await mallory.reads(text)
    await mallory.sees("Mal <i>lory</i>")
    assert await mallory.page.locator("#board img, #board i, #board script").count() == 0
    assert mallory.errors == []


async def test_the_page_needs_nobody_else(browsers: Browsers, network: Network) -> None:
    """Everything comes from the server itself, and nothing that the page does is against its strict policy."""
    ada = await browsers.person("Ada Lovelace", f"{network.url}/board")
    await ada.sign_up()
    await ada.say("Hello")
    await ada.reads("Hello")

    assert {url.split("/", 3)[2] for url in ada.asked} == {f"127.0.0.1:{network.port}"}
    assert ada.errors == []


async def test_a_form_says_what_is_wrong_beside_each_field(browsers: Browsers, network: Network) -> None:
    """Every field at fault is marked, described by its fault, and the first of them has the focus."""
    person = await browsers.person("A", f"{network.url}/board")
    await person.page.get_by_role("button", name="Create an account").click()
    await person.page.get_by_label("Name").fill("A")
    await person.page.get_by_label("Email").fill("nowhere")
    await person.page.get_by_label("Password").fill("short")
    await person.page.get_by_label("Password").press("Enter")

    for label in ("Name", "Email", "Password"):
        await expect(person.page.get_by_label(label)).to_have_attribute("aria-invalid", "true")
        await expect(person.page.locator(f"#{label.lower()}-error")).to_contain_text(f"{label} is")
    await expect(person.page.get_by_label("Name")).to_be_focused()


async def test_who_was_signed_out_elsewhere_is_told(browsers: Browsers, network: Network) -> None:
    """A session that ends takes the board away, and the page says why."""
    ada = await browsers.person("Ada Lovelace", f"{network.url}/board")
    await ada.sign_up()

    await ada.page.evaluate("fetch('/api/session', { method: 'DELETE' })")

    await expect(ada.page.locator("#welcome-note")).to_have_text("You were signed out.", timeout=PATIENCE)


async def test_who_comes_back_later_finds_the_board_as_it_is(browsers: Browsers, network: Network) -> None:
    """A reload needs no signing in, and shows what there is."""
    ada = await browsers.person("Ada Lovelace", f"{network.url}/board")
    await ada.sign_up()
    await ada.say("I was here.")
    await ada.reads("I was here.")

    await ada.page.reload()

    await ada.is_live()
    await ada.reads("I was here.")
    await ada.sees("Ada Lovelace")


@pytest.mark.parametrize("width", [320, 768, 1440])
async def test_the_board_fits_into_every_window(browsers: Browsers, network: Network, width: int) -> None:
    """Nothing is wider than the window, however long a word is."""
    ada = await browsers.person("Ada Lovelace", f"{network.url}/board", width=width, scheme="dark")
    await ada.sign_up()

    await ada.say("a" * 1000)

    await ada.reads("a" * 1000)
    assert await ada.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_antiphon_js_streams_and_tells_errors_in_a_browser(browsers: Browsers, network: Network) -> None:
    """Any page can import the client from its fixed path, take a stream, and read the type of an error."""
    ada = await browsers.person("Ada Lovelace", f"{network.url}/board")

    told = await ada.page.evaluate(
        """async () => {
            const { connect } = await import("/antiphon.js");
            const client = connect("/ws");
            const ticks = [];
            for await (const { n } of client.stream("streaming:counter", { to: 3 })) ticks.push(n);
            const error = await client.call("message:create", { body: "" }).catch((error) => error);
            client.close();
            return { ticks, type: error.type, state: client.state };
        }"""
    )

    assert told == {"ticks": [1, 2, 3], "type": "NOT_SIGNED_IN", "state": "closed"}
