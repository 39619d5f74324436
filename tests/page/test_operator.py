"""What an operator does who has never read a manual: import, start, watch, stop, look at one person."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser

from cli.program import Service, end
from page.axe import violations
from page.browser import Window, window
from page.campaign import ask
from page.conftest import Serve

pytestmark = pytest.mark.asyncio(loop_scope="session")
SIMULATED = ("--carrier", "simulated", "--speed", "30")
PEOPLE = "name,destination_0,destination_1,expires_at\n" + "".join(
    f"Person {n},+1202555{n:04},p{n}@example.com,2099-01-02T12:00:00Z\n" for n in range(120)
)
WRONG = "Nobody,,,\nWrong,not a number,,\n"
DIFFERENT = """async () => {
    const value = (found, path) => path.split(/(?<=[^(\\[])(?=[+-])/).reduce((sum, part) => {
        const sign = part[0] === "-" ? -1 : 1;
        const plain = part.replace(/^[+-]/, "");
        const all = plain.match(/^(sum|max)\\((.*)\\)$/);
        const steps = (all ? all[2] : plain).replace(/\\[(\\w+)\\]/g, ".=$1").split(".");
        const one = steps.reduce((at, step) => step[0] === "="
            ? at.find((row) => String(row.key ?? row.why) === step.slice(1))
            : Array.isArray(at) && !(step in at) ? at.map((row) => row[step]) : at?.[step], found);
        if (all?.[1] === "max") return sum + sign * Math.max(0, ...one);
        return sum + sign * (all ? one.reduce((a, b) => a + b, 0) : one?.targets ?? one ?? 0);
    }, 0);
    const wrong = [];
    const answers = {};
    const seen = [...document.querySelectorAll("[data-json]")];
    for (const number of seen) {
        answers[number.href] ??= (await fetch(number.href, {headers: {"Outdial-Time": "iso"}})).json();
        const found = await answers[number.href];
        const shown = Number(number.textContent.replaceAll(",", ""));
        const told = value(found, number.dataset.json);
        if (shown !== told) wrong.push(`${number.getAttribute("href")} ${number.dataset.json}: ${shown} is shown, ${told} is there`);
    }
    return [seen.length, wrong];
}"""

DIFFERENCES = """(place) => [...document.querySelector(place).children].map(
    (row) => [row.querySelector("dt"), row.querySelector("del"), row.querySelector("ins")].map((one) => one.textContent))"""
OF_ALL = re.compile(r"of ([\d,]+)")
STEERED = re.compile(r"\bDialing(\w+)")


def read(file: Path) -> str:
    return file.read_text("utf-8")


async def numbers_are_those_of_their_json(seen: Window) -> int:
    """How many numbers the page shows; each is what its own link answers."""
    for _ in range(20):
        count, wrong = await seen.page.evaluate(DIFFERENT)
        if not wrong:
            break
        await seen.page.wait_for_timeout(250)
    assert wrong == []
    return int(count)


async def test_an_operator_imports_starts_watches_stops_and_looks_at_one_person(browser: Browser, serve: Serve) -> None:
    service = serve(*SIMULATED)
    async with window(browser) as seen:
        page = seen.page
        await imports_a_list(seen, service.url)
        await starts_by_a_new_plan(seen)
        await pauses(seen)
        changed = await shows_what_another_plan_changed(seen, service)
        await page.get_by_role("button", name="Resume", exact=True).click()
        await seen.until("() => document.querySelector('.chip').textContent.includes('Dialing')")

        await page.get_by_role("button", name="Stop", exact=True).click()
        await seen.until("() => document.querySelector('.verdict').textContent.includes('Not dialing: it was stopped')")
        await seen.until("() => document.querySelectorAll('.calls tbody tr').length === 0")
        assert await numbers_are_those_of_their_json(seen) > 20
        await shows_who_falls_due_where(seen, service)

        await shows_who_was_reached(seen)
        await shows_who_did_what(seen, changed)
        await looks_back(seen)

        await goes_on_after_a_restart(seen, service, serve)


async def imports_a_list(seen: Window, url: str) -> None:
    page = seen.page
    await page.goto(url)
    await page.get_by_role("button", name="New outdial").click()
    await page.get_by_role("dialog").get_by_role("textbox", name="Name").fill("June")
    await page.get_by_role("button", name="Create", exact=True).click()
    await page.get_by_role("heading", name="June").wait_for()
    assert "The list is empty" in await seen.text(".verdict")

    await seen.drop("people.csv", PEOPLE + WRONG)
    await seen.until("() => document.querySelector('.funnel .n').textContent === '120'")
    await seen.until("() => document.querySelector('.drop .note').textContent.includes('2 rows refused')")
    async with page.expect_download() as downloading:
        await page.get_by_role("button", name="Download refused rows").click()
    refused = read(await (await downloading.value).path())
    assert "Nobody" in refused
    assert "not a number" in refused
    assert "never started" in await seen.text(".verdict")


async def starts_by_a_new_plan(seen: Window) -> None:
    page = seen.page
    await page.get_by_role("button", name="Start", exact=True).click()
    await page.get_by_role("button", name="New plan").click()
    assert "outdial outplans create --name Patient" in str(await page.get_by_role("dialog").locator(".commands").text_content())
    await page.get_by_role("dialog").get_by_role("textbox", name="Name").fill("Patient")
    await page.get_by_label("Calls open at once").fill("20")
    await page.get_by_role("button", name="Create", exact=True).click()
    await page.get_by_role("dialog").get_by_role("button", name="Start", exact=True).click()

    await seen.until("() => document.querySelector('.chip').textContent.includes('Dialing')")
    reached = "() => Number(document.querySelectorAll('.funnel .n')[4].textContent)"
    await seen.until(f"() => ({reached})() > 2")
    before = await page.evaluate(reached)
    await seen.until(f"([before]) => ({reached})() > before", before)
    await seen.until("() => document.querySelectorAll('.calls tbody tr').length > 0")
    shown = await seen.text(".calls tbody .address")
    assert "•••" in shown


async def pauses(seen: Window) -> None:
    page = seen.page
    await page.get_by_role("button", name="Pause", exact=True).click()
    await seen.until("() => document.querySelector('.chip').textContent.includes('Paused')")
    await seen.until("() => document.querySelector('.verdict').textContent.includes('paused')")
    await seen.until("() => document.querySelectorAll('.calls tbody tr').length === 0", seconds=60)


async def shows_what_another_plan_changed(seen: Window, service: Service) -> list[list[str]]:
    [plan] = ask(service.url, "GET", "/outplans")["result"]
    limits = seen.page.locator(".legend li:visible", has_text="a second")
    assert await limits.count() == 0
    changes = {"try_interval": 7_200_000, "max_concurrent": 25, "calls_per_second": 40}
    ask(service.url, "PUT", f"/outplans/{plan['id']}/dial_info", {**plan, **changes})
    changed = [["Between tries", "1 h", "2 h"], ["Calls open at once", "20", "25"], ["Calls a second", "no limit", "40"]]
    for place in (".feed .diff", ".card .diff"):
        await seen.page.locator(place).first.wait_for()
        assert await seen.page.evaluate(DIFFERENCES, place) == changed
    ask(service.url, "PUT", "/pace", {"calls_per_second": 50})
    await limits.nth(1).wait_for()
    assert [" ".join(text.split()[:6]) for text in await limits.all_inner_texts()] == [
        "Limit of the plan 40 a",
        "Of all lists together 50 a",
    ]
    ask(service.url, "PUT", "/pace", {"calls_per_second": None})
    await limits.nth(1).wait_for(state="hidden")
    return changed


async def shows_who_falls_due_where(seen: Window, service: Service) -> None:
    outdial = re.findall(r"[0-9a-f-]{36}", seen.page.url)[0]
    zones = ask(service.url, "GET", f"/outdials/{outdial}/calendar")["zones"]
    zone = next(row for row in zones if row["zones"] == ["America/New_York"])
    # Who falls due moves from cell to cell as time passes; nobody leaves the row.
    row = "[...document.querySelectorAll('.heat tbody tr')].find((row) => row.textContent.startsWith('America/New York'))"
    shown = f"[...({row}?.querySelectorAll('td') ?? [])].map((cell) => Number(cell.textContent.replaceAll(',', '')))"
    total = zone["overdue"] + sum(zone["due"]) + zone["later"]
    await seen.until(f"([total]) => {shown}.reduce((sum, n) => sum + n, 0) === total", total)
    assert await seen.page.locator(".heat tbody tr").first.locator(".warm").count() == len(zone["due"])
    assert await seen.page.locator(".causes tbody th").first.inner_text() == "+1"


async def shows_who_did_what(seen: Window, changed: list[list[str]]) -> None:
    page = seen.page
    await page.get_by_role("link", name="Who did what").click()
    await page.get_by_text("dialing stopped").wait_for()
    assert await seen.text("h1") == "Who did what: June"
    assert await page.get_by_text("Nobody is named").is_visible()
    assert await page.evaluate(DIFFERENCES, ".timeline .diff") == changed
    assert await violations(seen) == []
    await page.get_by_label("What", exact=True).select_option("Runs")
    steered = ["■ dialing stopped", "▶ dialing resumed", "❚❚ dialing paused", "▶ dialing started, run 1"]
    assert await page.locator(".timeline .what").all_inner_texts() == steered
    for form in ("CSV", "NDJSON"):
        async with page.expect_download() as downloading:
            await page.get_by_role("button", name=form, exact=True).click()
        lines = read(await (await downloading.value).path()).splitlines()
        assert [found[1] for line in lines if (found := STEERED.search(line))] == ["Started", "Paused", "Resumed", "Stopped"]
    await page.go_back()
    await page.locator(".feed a").first.wait_for()


async def looks_back(seen: Window) -> None:
    page = seen.page
    await page.get_by_role("button", name="Look back").click()
    after = page.get_by_text("After event")
    await after.wait_for()
    assert await numbers_are_those_of_their_json(seen) > 30
    last = int(OF_ALL.findall(await after.inner_text())[0].replace(",", ""))
    for name, version in (("Event before", last - 1), ("Event before", last - 2), ("Event after", last - 1)):
        await page.get_by_role("button", name=name).click()
        await page.get_by_text(f"After event {version:,} of {last:,}").wait_for()
    await page.get_by_label("Time", exact=True).press("Home")
    await page.get_by_text(f"After event 1 of {last:,}").wait_for()
    assert "The list is empty" in await seen.text(".verdict")
    assert "now 120" in " ".join((await seen.text(".funnel")).split())
    assert await numbers_are_those_of_their_json(seen) > 20
    await page.goto(re.sub(r"at=.*", "at=rubbish", page.url))
    assert "at must be a time from" in await seen.text(".refused")
    assert await seen.text("h1") == "June"
    assert await page.locator(".head button:visible:not(.commands *)").count() == 0
    seen.faults = [fault for fault in seen.faults if "400 (Bad Request)" not in fault]
    await page.get_by_role("link", name="as it is now").click()
    await seen.until("() => document.querySelector('#freshness').textContent.startsWith('live')")
    await page.locator(".feed a").first.wait_for()


async def shows_who_was_reached(seen: Window) -> None:
    page = seen.page
    reached = await page.evaluate("() => Number(document.querySelectorAll('.funnel .n')[4].textContent)")
    await page.get_by_role("link", name="Reached", exact=True).click()
    await page.get_by_text(f"{reached} shown; all {reached} looked at.").wait_for()
    assert await page.locator("td:nth-child(3)").all_inner_texts() == ["✓ Reached"] * reached
    assert await violations(seen) == []
    await page.get_by_label("Show", exact=True).select_option("Everybody")
    await page.get_by_text("100 shown; the newest 100 looked at.").wait_for()
    await page.get_by_role("button", name="Look further").click()
    await page.get_by_text("120 shown; all 120 looked at.").wait_for()
    await page.go_back()
    await page.locator(".feed a").first.wait_for()


async def looks_back_at_one_person(seen: Window) -> None:
    page = seen.page
    await page.get_by_role("button", name="Look back").click()
    await page.get_by_text("After event").wait_for()
    await page.get_by_label("Time", exact=True).press("Home")
    await page.get_by_text("After event 1 of").wait_for()  # of how many changes: the list is being dialed
    assert await page.locator(".timeline .what").all_inner_texts() == ["joined the list"]
    assert await seen.text(".title .chip") == "○ Waiting"
    assert await page.locator(".title button:visible").count() == 0
    assert await violations(seen) == []
    await page.get_by_role("button", name="Event after").click()
    await page.get_by_text("After event 2 of").wait_for()
    await page.go_back()
    await seen.until("() => document.querySelector('#freshness').textContent.startsWith('live')")


async def reads_an_event_from_a_terminal(seen: Window, service: Service) -> None:
    """The line beside an event reads that event; on Kafka another reads its record."""
    event = seen.page.locator(".timeline li", has=seen.page.get_by_text("joined the list"))
    await event.get_by_text("Event", exact=True).click()
    *record, line = [text.split() for text in await event.locator(".line code").all_inner_texts()]
    assert line[:2] == ["outdial", "events"]
    options = dict(zip(line[2:-1:2], line[3::2], strict=True))
    path = f"/events?outdial_id={options['--outdial']}&after={options['--from']}&limit=1&places=true"
    [found] = ask(service.url, "GET", path)["result"]
    assert found["id"] == await event.locator(".facts div:has(dt:text-is('Id')) code").inner_text()
    place = found["place"]
    assert [words[6:10] for words in record] == ([] if place is None else [["-p", str(place["partition"]), "-o", str(place["offset"])]])


async def goes_on_after_a_restart(seen: Window, service: Service, serve: Serve) -> None:
    page, url = seen.page, seen.page.url
    end(service)
    await seen.until("() => document.querySelector('#freshness').dataset.state === 'off'")
    again = serve(*SIMULATED, "--port", service.url.rpartition(":")[2], settings=dict(service.settings))
    assert again.url == service.url
    await seen.until("() => document.querySelector('#freshness').textContent.startsWith('live')")
    await page.get_by_role("button", name="Start", exact=True).click()
    await seen.until("() => document.querySelector('.chip').textContent.includes('Dialing')")
    await page.locator(".feed a").first.click()
    await seen.until("() => location.pathname.includes('/targets/')")
    await page.get_by_text("joined the list").wait_for()
    assert " Jan 2099 " in await seen.text(".facts:has-text('Too late from')")
    await reads_an_event_from_a_terminal(seen, again)
    await looks_back_at_one_person(seen)
    await page.go_back()
    assert page.url == url
