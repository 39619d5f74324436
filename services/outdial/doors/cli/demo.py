"""``outdial demo``: the whole loop on made-up people, with the numbers on the screen.

It drives a real server over HTTP, as anybody would: an outplan, an outdial, an import, a run. The folder is the
demo's own, because the simulated carrier would answer for real people too. What it made is found again by the
outdial's ``data``, so the next demo goes on where this one stopped.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from outdial.client import routes
from outdial.client.errors import ClientError
from outdial.client.http import Client
from outdial.client.shapes import Row
from outdial.doors.cli.actions import Refused, ServeOptions, Serving
from outdial.doors.cli.folders import address_of, demo_folder
from outdial.doors.cli.panel import Look, Screen, is_over, line, questions
from outdial.doors.cli.server import serve_options, warn_about_port
from outdial.doors.cli.session import Session, say
from outdial.resources import ImportReport

MARK: Final = "outdial demo"
LIST: Final = Path(__file__).with_name("demo-500.csv")
STATE: Final = "demo.json"
LOOK_S: Final = 0.5
LINE_S: Final = 1.0
STOP_S: Final = 5.0
ABOUT_PLAN: Final = "Three tries on the first number, two on the second, one on the third; a minute between tries."
# The last two are short, so that calls a stopped demo left open do not stay open for hours; none takes five minutes.
PLAN: Final[Mapping[str, Any]] = {
    "source": {"type": "tel", "target": "+12025550100", "target_name": "Outdial demo"},
    "dial_timeout": 25_000,
    "try_interval": 60_000,
    "max_try_count_0": 3,
    "max_try_count_1": 2,
    "max_try_count_2": 1,
    "max_concurrent": 60,
    "result_grace": 60_000,
    "max_call_duration": 300_000,
}


class Interrupted(Exception):
    """Ctrl-C, and the list was stopped: what the simulated carrier hangs up is not dialed again at once."""


@dataclass(frozen=True, slots=True)
class Round:
    """One list of the demo."""

    outdial_id: str
    name: str


def run_demo(session: Session, flags: dict[str, Any], *, fresh: bool, leave: bool) -> None:
    """Serve, fill, run, show.

    Raises:
        KeyboardInterrupt: Ctrl-C, after a clean stop.
    """
    folder = session.folder if session.data is not None else demo_folder(session.environment)
    if (running := address_of(folder)) is not None:
        raise Refused("data_in_use", f"a demo runs already: {running.url} (process {running.pid})", "look at it there, or stop it first")
    kept = _kept(folder)
    asked = {name: flags.get(name) if flags.get(name) is not None else kept.get(name) for name in flags}
    options = replace(serve_options(folder, asked), carrier="simulated", tls_cert=None, tls_key=None)
    token = options.tokens[0].token if options.tokens else None
    again = "outdial demo" if session.data is None else f"outdial demo --data {folder}"

    async def beside(serving: Serving) -> None:
        warn_about_port(serving)
        (folder / STATE).write_text(json.dumps({"speed": options.speed, "seed": options.seed}))
        async with Client(serving.url, token) as client:
            demo = Demo(session, serving, options, client, again)
            await demo.until_ctrl_c(fresh=fresh, leave=leave)

    try:
        session.actions.serve(options, beside)
    except Interrupted:
        raise KeyboardInterrupt from None
    finally:
        if (folder / "outdial.db").exists():
            say(f"the data is kept in {folder}; go on with: {again}")


def _kept(folder: Path) -> dict[str, Any]:
    """Speed and seed of the demo before: a log whose clock ran ahead goes on at its own pace."""
    try:
        found = json.loads((folder / STATE).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Demo:
    """One demo, once its server takes requests."""

    session: Session
    serving: Serving
    options: ServeOptions
    client: Client
    again: str

    async def until_ctrl_c(self, *, fresh: bool, leave: bool) -> None:
        """Show a list until it is done, and (unless ``leave``) serve on.

        Raises:
            Interrupted: Ctrl-C.
        """
        ctrl_c = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, ctrl_c.set)
        shown = await self.prepare(fresh=fresh)
        tasks = [asyncio.create_task(self.show(shown, leave=leave)), asyncio.create_task(ctrl_c.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ended, _ = await asyncio.gather(*tasks, return_exceptions=True)
        if ctrl_c.is_set():
            with suppress(ClientError, TimeoutError):
                async with asyncio.timeout(STOP_S):
                    await self.client.stop(shown.outdial_id)
            raise Interrupted
        if isinstance(ended, BaseException):
            raise ended

    async def prepare(self, *, fresh: bool) -> Round:
        """The list to show, dialing: the last one when it is not done, else a new one."""
        rounds = [outdial async for outdial in self.client.outdials(deleted=True) if outdial.data == MARK]
        newest = rounds[0] if rounds and rounds[0].tm_delete is None and not fresh else None
        numbers = None if newest is None else await self._numbers(newest.id)
        if newest is not None and numbers is not None and not is_over(numbers):
            if (await self.client.dialing(newest.id)).plan is None:
                await self._fill_and_run(newest.id, len(rounds))
            await self.client.start(newest.id)
            say(f"going on with {newest.name} at log position {self.serving.position}")
            return Round(newest.id, newest.name)
        number = len(rounds) + 1
        about = "500 made-up people in several time zones"
        outdial = await self.client.create_outdial(f"Demo {number}", detail=about, data=MARK, idempotency_key=f"demo/{number}/outdial")
        report = await self._fill_and_run(outdial.id, number)
        how = f"seed {self.options.seed}, speed {self.options.speed:g}"
        say(f"{outdial.name}: {report.added} targets imported, dialing them with a simulated carrier ({how})")
        return Round(outdial.id, outdial.name)

    async def _fill_and_run(self, outdial_id: str, number: int) -> ImportReport:
        """Each step changes nothing when it was done before, so a demo killed at any point is finished here."""
        outplan = await self.client.create_outplan("Demo plan", detail=ABOUT_PLAN, plan=PLAN, idempotency_key=f"demo/{number}/outplan")
        report = await self.client.import_targets(outdial_id, LIST)
        await self.client.start(outdial_id, outplan_id=outplan.id)
        return report

    async def _numbers(self, outdial_id: str) -> Row:
        """The numbers as they are served."""
        found: Row = await self.client.row(routes.stats(outdial_id))
        return found

    async def show(self, shown: Round, *, leave: bool) -> None:
        """Show the numbers until every target is done; then wait for ever, unless ``leave``."""
        look = f"outdial targets list {shown.outdial_id} --url {self.serving.url}"
        say(f"Ctrl-C stops; the data is kept and {self.again} goes on with it. From another terminal: {look}")
        say(f"{self.serving.url}/outdials/{shown.outdial_id}")
        numbers = await self._watch(shown, f"Ctrl-C stops, {self.again} goes on. {self.serving.url}")
        if not self.session.as_data:
            say(f"done: {line(numbers)}")
        if leave:
            return
        say(f"the service goes on until Ctrl-C; {self.again} then begins another list")
        say(f"{self.serving.url}/outdials/{shown.outdial_id}")
        await asyncio.Event().wait()

    async def _watch(self, shown: Round, note: str) -> Row:
        pause = LOOK_S if sys.stdout.isatty() else LINE_S
        with Screen(shown.name) as screen:
            while True:
                if self.session.as_data:
                    numbers = await self._numbers(shown.outdial_id)
                    self.session.print(numbers)
                else:
                    look = Look(*[await self.client.row(question) for question in questions(shown.outdial_id)])
                    numbers = look.stats
                    screen.show(look, note)
                if is_over(numbers):
                    return numbers
                await asyncio.sleep(pause)
