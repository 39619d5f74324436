"""What axe-core has to say against what a page shows."""

from functools import cache
from pathlib import Path
from typing import Any

from page.browser import Window

AXE = Path(__file__).with_name("vendor") / "axe-core" / "axe.min.js"
RUN = """async () => {
    const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
    const found = await axe.run(document, {runOnly: rules, resultTypes: ["violations"], preload: false});
    return found.violations.map((one) => [one.id, one.help, ...one.nodes.slice(0, 4).map((node) => node.html.slice(0, 160))]);
}"""


@cache
def axe() -> str:
    return AXE.read_text("utf-8")


async def violations(seen: Window) -> Any:
    """The rules that are broken, each with what breaks it."""
    if await seen.page.evaluate("typeof axe === 'undefined'"):
        await seen.page.evaluate(axe())
    return await seen.page.evaluate(RUN)
