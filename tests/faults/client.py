"""Those who use a service that may die at any moment: somebody who adds, somebody who runs and stops, two dialers, a reader.

Whoever gets no answer waits for the next start and asks again, with the same id. What was acknowledged, read and
placed is remembered (:class:`faults.checker.Memory`), to be held against the log at the end.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any
from uuid import UUID, uuid4, uuid5

import httpx

from faults.checker import Memory, Placed, micros

CUSTOMER = "7f1b1c5e-0000-4000-8000-000000000001"
PLAN = {
    "dial_timeout": 1_000,
    "try_interval": 200,
    "max_try_count_0": 2,
    "max_try_count_1": 1,
    "max_concurrent": 8,
    "pickup_timeout": 1_000,
    "result_grace": 500,
    "max_call_duration": 1_000,
}
ALWAYS_OPEN = 20
"""Targets that wait at least, as long as there is trouble."""
WORKERS = ("first", "second")


class Service:
    """Where the service is, while it is anywhere."""

    def __init__(self) -> None:
        self._http: httpx.AsyncClient | None = None
        self._starts = 0
        self._started = asyncio.Condition()

    @asynccontextmanager
    async def at(self, url: str) -> AsyncIterator[None]:
        """From now on it is there, until it is gone again."""
        async with httpx.AsyncClient(base_url=f"{url}/v1.0", timeout=30) as http:
            async with self._started:
                self._http, self._starts = http, self._starts + 1
                self._started.notify_all()
            yield

    async def _next(self, asked: int) -> tuple[httpx.AsyncClient, int]:
        """A client of a start that was not asked yet, and which start that is."""
        async with self._started:
            await self._started.wait_for(lambda: self._starts > asked)
            assert self._http is not None
            return self._http, self._starts

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """The answer to a request, whoever gives it: after a start that brought none, the next is asked."""
        if isinstance(body, dict | list):
            more["json"] = body
        elif body is not None:
            more["content"] = body
        asked = 0
        while True:
            http, asked = await self._next(asked)
            try:
                answer = await http.request(method, path, **more)
            except (httpx.TransportError, RuntimeError):
                continue  # the process died, or its client was closed: the next start answers
            assert answer.status_code < 500, answer.text
            return answer

    async def requests(self, memory: Memory) -> AsyncIterator[list[dict[str, Any]]]:
        """Every dial request, as many at a time as there are, noted as read."""
        after = "0"
        while True:
            page = (await self.ask("GET", f"/dial_requests?after={after}&limit=100&wait_ms=1000")).json()
            after = page["next_after"]
            memory.read.update((int(request["position"]), request["attempt_id"]) for request in page["result"])
            yield page["result"]


class Users:
    """Everybody who uses the service."""

    def __init__(self, service: Service, seed: int) -> None:
        self.memory = Memory()
        self.trouble = True
        """As long as it is true targets are added, runs stopped, words kept back."""
        self.service = service
        self._chance = Random(seed)  # noqa: S311  a seed that can be given again
        self._position = 0
        self._number = 0
        self._wanted = asyncio.Semaphore(ALWAYS_OPEN)
        self._requests = asyncio.Condition()
        self._calls = asyncio.TaskGroup()
        self._troublesome: list[asyncio.Task[None]] = []
        self._living = asyncio.Event()
        self.lists: list[str] = []
        self.campaign_id = ""

    async def prepare(self) -> None:
        """Two lists: one dialed by a person, one by a campaign."""
        outplan = await self._made("/outplans", {"name": "Short", **PLAN})
        self.lists = [(await self._made("/outdials", {"name": name}))["id"] for name in ("by a person", "by a campaign")]
        resources = {"outplan_id": outplan["id"], "outdial_id": self.lists[1]}
        campaign = await self._made("/campaigns", {"type": "flow", "name": "Campaign", "end_handle": "continue", **resources})
        self.campaign_id = campaign["id"]
        await self.run_all()

    async def run_all(self) -> None:
        """Have both lists dialed."""
        await self._command({"type": "StartDialing", "outdial_id": self.lists[0], "plan": PLAN})
        await self._command({"type": "RunCampaign", "campaign_id": self.campaign_id})

    async def live(self, over: asyncio.Event) -> None:
        """Use the service until it is over."""
        async with self._calls:
            self._troublesome = [self._calls.create_task(work) for work in (self._add(), self._meddle())]
            self._living.set()
            dialing = [self._calls.create_task(self._dial(worker)) for worker in WORKERS]
            await over.wait()
            for task in dialing:
                task.cancel()

    async def end(self) -> None:
        """Make no more trouble, and return when every target came to its end."""
        self.trouble = False
        await self._living.wait()
        for _ in range(ALWAYS_OPEN):
            self._wanted.release()
        async with self._requests:
            self._requests.notify_all()
        await asyncio.wait(self._troublesome)
        await self.run_all()
        for outdial_id in self.lists:
            while True:
                stats = (await self.service.ask("GET", f"/outdials/{outdial_id}/stats")).json()
                if not stats["open_attempts"] and not stats["status"].get("idle") and not stats["status"].get("progressing"):
                    break
                await self.service.ask("GET", f"/dial_requests?after={stats['position']}&wait_ms=200")

    # --- speaking -------------------------------------------------------------------------------------

    def _noted(self, command_id: str, answer: httpx.Response) -> None:
        """Remember that a command was acknowledged, and that the service forgets no position it once told."""
        position = int(answer.headers["outdial-position"])
        self.memory.acknowledged[command_id] = position
        self._position = max(self._position, position)

    async def _made(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Something new, by a POST that may be sent again."""
        key = str(uuid4())
        answer = await self.service.ask("POST", path, body, headers={"Idempotency-Key": key})
        assert answer.status_code == 200, answer.text
        self._noted(str(uuid5(UUID(CUSTOMER), f"POST /v1.0{path}\n{key}")), answer)
        made: dict[str, Any] = answer.json()
        return made

    async def _command(self, command: dict[str, Any]) -> dict[str, Any]:
        """A command in its own words, and its answer or its error."""
        command_id = str(uuid4())
        answer = await self.service.ask("POST", "/commands", {"id": command_id, **command})
        told: dict[str, Any] = answer.json()
        if told.get("result") == "events":
            self._noted(command_id, answer)
        return told

    async def _said(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """A dialer's word, and what became of it."""
        key = str(uuid4())
        answer = await self.service.ask("POST", path, body, headers={"Idempotency-Key": key})
        told: dict[str, Any] = answer.json()
        if answer.status_code == 200 and (path == "/dial_claims" or told["result"] == "events"):
            self.memory.acknowledged[str(uuid5(UUID(CUSTOMER), f"POST /v1.0{path}\n{key}"))] = int(told["position"])
        return told

    # --- the one who adds -----------------------------------------------------------------------------

    def _person(self) -> dict[str, Any]:
        self._number += 1
        numbers = {
            f"destination_{slot}": {"type": "tel", "target": f"+1555{slot}{self._number:06}"} for slot in range(self._chance.choice((1, 2)))
        }
        return {"name": f"Person {self._number}", **numbers}

    async def _add(self) -> None:
        """Add targets, one way or another, as others are called."""
        while True:
            await self._wanted.acquire()
            if not self.trouble:
                return
            outdial_id = self._chance.choice(self.lists)
            way = self._chance.random()
            if way < 0.4:
                added = await self._made(f"/outdials/{outdial_id}/targets", self._person())
                await self._read(outdial_id, added["id"])
            elif way < 0.7:
                target_id = str(uuid4())
                told = await self._command({"type": "AddTarget", "outdial_id": outdial_id, "target_id": target_id, **self._person()})
                assert told["result"] == "events"
                await self._read(outdial_id, target_id)
            else:
                await self._add_many(outdial_id)

    async def _add_many(self, outdial_id: str) -> None:
        ids = [str(uuid4()) for _ in range(4)]
        commands = [
            {"type": "AddTarget", "id": str(uuid4()), "outdial_id": outdial_id, "target_id": target_id, **self._person()}
            for target_id in ids
        ]
        lines = "\n".join(map(json.dumps, commands))
        answer = await self.service.ask("POST", "/commands", lines, headers={"content-type": "application/x-ndjson"})
        for command, line in zip(commands, answer.text.splitlines(), strict=True):
            told = json.loads(line)
            assert told["result"] == "events", told
            self.memory.acknowledged[command["id"]] = int(told["position"])
        self.memory.added.update(ids)
        for _ in ids[1:]:
            if self.trouble:
                await self._wanted.acquire()

    async def _read(self, outdial_id: str, target_id: str) -> None:
        """What was acknowledged is there, whoever answers now, and the log is no shorter than it was."""
        self.memory.added.add(target_id)
        known = self._position
        answer = await self.service.ask("GET", f"/outdials/{outdial_id}/targets/{target_id}")
        assert answer.status_code == 200, answer.text
        stats = (await self.service.ask("GET", f"/outdials/{outdial_id}/stats")).json()
        assert int(stats["position"]) >= known
        self._position = max(self._position, int(stats["position"]))

    # --- the one who meddles --------------------------------------------------------------------------

    async def _meddle(self) -> None:
        """Every few dial requests stop a list and run it again, delete somebody, give somebody all tries again."""
        seen = 0
        while True:
            seen += self._chance.randint(10, 40)
            await self._read_so_many(seen)
            if not self.trouble:
                return
            target = self._chance.choice(sorted(self.memory.added)) if self.memory.added else ""
            outdial_id = self._chance.choice(self.lists)
            match self._chance.randrange(4):
                case 0:
                    await self._command({"type": "StopDialing", "outdial_id": self.lists[0]})
                    await self._command({"type": "StartDialing", "outdial_id": self.lists[0], "plan": PLAN})
                case 1:
                    await self._command({"type": "StopCampaign", "campaign_id": self.campaign_id})
                    await self._running_again()
                case 2:
                    await self._command({"type": "DeleteTarget", "outdial_id": outdial_id, "target_id": target})
                case _:
                    await self._command({"type": "ReopenTarget", "outdial_id": outdial_id, "target_id": target})

    async def _read_so_many(self, requests: int) -> None:
        async with self._requests:
            await self._requests.wait_for(lambda: len(self.memory.read) >= requests or not self.trouble)

    async def _running_again(self) -> None:
        """A campaign runs again once its open attempts have ended."""
        while True:
            told = await self._command({"type": "RunCampaign", "campaign_id": self.campaign_id})
            status = (await self.service.ask("GET", f"/campaigns/{self.campaign_id}")).json()["status"]
            if status == "run":
                return
            assert told.get("result") != "events", told
            await self.service.ask("GET", f"/dial_requests?after={self._position}&wait_ms=100")

    # --- the two who dial -----------------------------------------------------------------------------

    async def _dial(self, worker: str) -> None:
        """Read every dial request, and try to get hold of it before the other does."""
        async for requests in self.service.requests(self.memory):
            for request in requests:
                self._calls.create_task(self._call(worker, request))
            async with self._requests:
                self._requests.notify_all()

    async def _call(self, worker: str, request: dict[str, Any]) -> None:
        """One call, from the claim to the last word."""
        attempt_id = request["attempt_id"]
        habits = Random(f"{attempt_id}/{worker}")  # noqa: S311  a seed that can be given again
        claim = await self._said("/dial_claims", {"attempt_id": attempt_id, "worker": worker})
        if "error" in claim:
            if claim["error"]["details"][0]["rule"] != "dial_claimed":
                await self._said("/dial_results", {"attempt_id": attempt_id, "outcome": "not_dialed"})
            return
        if self.trouble:
            self._wanted.release()
        begin = time.time_ns() // 1_000
        if begin > micros(request["not_after"]):
            await self._said("/dial_results", {"attempt_id": attempt_id, "outcome": "not_dialed"})
            return
        lasts = habits.uniform(0.01, 0.3)
        self.memory.placed.append(Placed(attempt_id, request["target_id"], worker, begin, begin + round(lasts * 1_000_000)))
        answered = habits.random() < 0.4
        if answered and habits.random() < 0.5:
            await self._said("/dial_answers", {"attempt_id": attempt_id})
        await asyncio.sleep(lasts)
        if self.trouble and habits.random() < 0.08:
            return  # nobody will ever say how it ended
        outcome = "answered" if answered else habits.choice(("busy", "no_answer", "failed", "machine", "canceled"))
        for _ in range(2 if habits.random() < 0.1 else 1):
            await self._said("/dial_results", {"attempt_id": attempt_id, "outcome": outcome})
