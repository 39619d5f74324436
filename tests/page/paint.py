"""``python -m page.paint``: how soon the page of a long list is there, by the browser's own clock, from the start of the navigation.

Each time a window with an empty cache opens it. "first paint" and "first content" are the browser's paint entries, "numbers" is the
moment at which the first number of the funnel is the length of the list.
"""

import asyncio
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Final

from playwright.async_api import Browser

from cli.program import end, start
from page.browser import chromium, window
from page.campaign import Campaign

GOAL_MS: Final = 500
WATCHED: Final = """
new MutationObserver((_, observer) => {
    if (document.querySelector(".funnel .n")?.textContent !== (%d).toLocaleString("en-US")) return;
    observer.disconnect();
    performance.mark("numbers");
}).observe(document, {subtree: true, childList: true, characterData: true});
"""
THERE: Final = "() => performance.getEntriesByName('numbers').length && performance.getEntriesByName('first-contentful-paint').length"
TAKEN: Final = """() => Object.fromEntries(
    ["first-paint", "first-contentful-paint", "numbers"].map((name) => [name, performance.getEntriesByName(name)[0].startTime]))"""
CALLED: Final = {"first-paint": "first paint", "first-contentful-paint": "first content", "numbers": "numbers"}


async def opened(browser: Browser, url: str, targets: int) -> dict[str, float]:
    """Milliseconds from the start of the navigation, by name."""
    async with window(browser) as seen:
        await seen.page.add_init_script(WATCHED % targets)
        await seen.page.goto(url)
        await seen.until(THERE, seconds=60)
        taken: dict[str, float] = await seen.page.evaluate(TAKEN)
        return taken


async def main(targets: int, times: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        service = start(Path(folder) / "data", "--carrier", "simulated")
        try:
            campaign = Campaign.begun(service.url, targets)
            async with chromium() as browser:
                runs = [await opened(browser, service.url + campaign.views["outdial"], targets) for _ in range(times)]
        finally:
            end(service)
    print(f"the page of {targets:,} targets, dialing, opened {times} times with an empty cache; goal {GOAL_MS} ms")  # noqa: T201  it reports to people
    for name, called in CALLED.items():
        taken = [run[name] for run in runs]
        print(f"{called:14} median {statistics.median(taken):4.0f} ms, longest {max(taken):4.0f} ms")  # noqa: T201  as above


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
