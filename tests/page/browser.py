"""A real Chromium, and a page of it that keeps what goes wrong."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
REQUIRED = "OUTDIAL_REQUIRE_BROWSER"
EXPECTED = ("404 (Not Found)", "net::ERR_")
"""What the console says of requests: of a thing that is not there, and of a server that is away."""

_DROP = """([name, text]) => {
    const moved = new DataTransfer();
    moved.items.add(new File([text], name, {type: "text/csv"}));
    const main = document.querySelector("main");
    for (const type of ["dragenter", "dragover", "drop"])
        main.dispatchEvent(new DragEvent(type, {bubbles: true, cancelable: true, dataTransfer: moved}));
}"""


def program() -> str:
    """The Chromium of this machine. Without one the test is skipped, or fails where one is required."""
    found = os.environ.get("OUTDIAL_TEST_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        message = f"there is no {NAMES[0]} here; install it, or name one in OUTDIAL_TEST_BROWSER"
        if os.environ.get(REQUIRED):
            pytest.fail(message)
        pytest.skip(message)
    return found


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser, with a profile of its own that is thrown away."""
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=program(), args=[*FLAGS])
        try:
            yield browser
        finally:
            await browser.close()


class Window:
    """A page of the browser, and what went wrong in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda said: self.faults.append(said.text) if said.type in ("error", "warning") else None)

    @property
    def unexpected(self) -> list[str]:
        """What went wrong in the page itself."""
        return [fault for fault in self.faults if not any(word in fault for word in EXPECTED)]

    async def text(self, selector: str) -> str:
        """The text of an element, once it is there."""
        return await self.page.locator(selector).first.inner_text()

    async def until(self, condition: str, *arguments: Any, seconds: float = 60.0) -> None:
        """Wait until an expression of the page is true."""
        await self.page.wait_for_function(condition, arg=[*arguments], timeout=seconds * 1000)

    async def drop(self, name: str, text: str) -> None:
        """Drop a file on the page as a hand would."""
        await self.page.evaluate(_DROP, [name, text])


@asynccontextmanager
async def window(browser: Browser, at: str | None = None, **options: Any) -> AsyncIterator[Window]:
    """A window with a profile of its own, which shows an address; it must have shown no fault."""
    context = await browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
    try:
        found = Window(await context.new_page())
        if at is not None:
            await found.page.goto(at)
        yield found
        assert found.unexpected == []
    finally:
        await context.close()
