"""The ledger's work on faust-streaming: ``python -m benchmarks.peers.faust_ledger PREFIX PARTITIONS BOOTSTRAP GUARANTEE STORE DATADIR``.

The same commands in (CreateOutdial with a plan, AddTarget, DialResult), the same decisions, the same events and dial requests out.
State is kept in tables with changelogs. Parsing, rules and the form of events are our own modules, so that only the runtime differs.
faust has no durable timers: what waits is found again in the tables after a rebalance, and a timer sends what has fallen due to the
commands topic as a command, for tables can only be changed while a record is being read.

It leaves out every other command, answers, the comparison with the broker's clock, and commands on a wrong partition.
"""

import asyncio
import os
import sys
import time
from contextlib import suppress
from hashlib import sha256
from heapq import heappop, heappush
from typing import Any

import faust
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from outdial.address import SLOTS, dialable
from outdial.commands import AddTarget, Command, CreateOutdial, DialResult, EndLease, Outcome, RequestDial
from outdial.dialing.addresses import check_zone, checked, destinations_of
from outdial.dialing.decision import Rejected
from outdial.dialing.fingerprints import fingerprint_of, key_id_of
from outdial.dialing.outdial import SILENT_ATTEMPTS
from outdial.dialing.rules import AFTER_ATTEMPT, NOW, Shape, next_try, result_type, wait_us
from outdial.dialing.target import LOST, REMEMBERED_ENDS, code_of, outcome_in_force
from outdial.envelope import CONTENT_TYPE, Event
from outdial.events import (
    DialEnded,
    DialingStarted,
    DialRequested,
    EventData,
    OutdialCreated,
    Personal,
    PlanApplied,
    ResultIgnored,
    TargetAdded,
    TargetExhausted,
    TargetFinished,
)
from outdial.ids import attempt_id, derived, event_id, item_id
from outdial.plan import Plan
from outdial.requests import DialRequest
from outdial.scalars import DAY_MS, MILLISECOND_US, SECOND_US, ZERO_ID
from outdial.topology import HEADER_CONTENT_TYPE, HEADER_INPUT, Topology, replication
from outdial.wire import Malformed, content_hash, decode_command, encode, encode_event, to_json

REMEMBERED_US = 31 * DAY_MS * MILLISECOND_US
TICK_S = 0.1
POLL_S = 0.05
TABLES = ("outdials", "targets", "addresses", "ids")
IDLE, OPEN, REACHED, EXHAUSTED = range(4)

State = dict[str, Any]
"""Of an outdial or a target, as it stands in its table: plain JSON."""
Waiting = tuple[int, str, str, str]
"""(due, outdial, target, attempt): the attempt is empty for a target that waits for its next one."""


class Ledger:
    """The app, its tables, and what waits."""

    def __init__(self, topology: Topology, bootstrap: str, guarantee: str, store: str, datadir: str) -> None:
        key = os.environ.get("OUTDIAL_FINGERPRINT_KEY", "bench").encode()
        self._fingerprint, self._key_id = fingerprint_of(key), key_id_of(key)
        self.app = app = faust.App(
            topology.ledger_group,
            broker=f"kafka://{bootstrap}",
            store=store,
            datadir=datadir,
            processing_guarantee=guarantee,
            consumer_auto_offset_reset="earliest",
            topic_partitions=topology.partitions,
            topic_disable_leader=True,
            topic_allow_declare=True,
            web_enabled=False,
            broker_session_timeout=10.0,
            broker_heartbeat_interval=1.0,
            producer_max_request_size=4 * 1024 * 1024,
        )
        raw: dict[str, Any] = {"key_serializer": "raw", "value_serializer": "raw", "partitions": topology.partitions}
        self._commands = app.topic(topology.commands, key_type=bytes, value_type=bytes, **raw)
        self._events = app.topic(topology.events, **raw)
        self._requests = app.topic(topology.dial_requests, **raw)
        self._rejections = app.topic(topology.rejections, **raw)
        self._outdials, self._targets, self._addresses, self._ids = (app.Table(name, partitions=topology.partitions) for name in TABLES)
        self._plans: dict[str, Plan] = {}
        self._waiting: list[Waiting] = []
        self._ready: dict[str, list[tuple[int, int, int, str]]] = {}
        """By outdial what is due and held back: (-priority, due, number, target)."""
        self._asked: set[str] = set()
        """Outdials whose held targets were asked for and not looked at yet."""
        self._input = b"0"
        self._cause = self._hash = ""
        self._actor: str | None = None
        self._out: list[tuple[bytes, bytes, bool]] = []
        app.agent(self._commands)(self._read)
        app.timer(TICK_S)(self._tick)
        app.on_rebalance_complete.connect(self._recovered)

    # --- in ---------------------------------------------------------------------------------------------

    async def _read(self, stream: Any) -> None:
        async for found in stream.events():
            self._input = b"%d" % (found.message.offset + 1)
            self._out = []
            value, known = found.message.value, ""
            try:
                command = decode_command(value)
                place = f"{found.message.topic}/{found.message.partition}/{found.message.offset}"
                known = command.id or derived(ZERO_ID, place)
                self._decide(command, known)
            except (Rejected, Malformed) as why:
                where = {"partition": found.message.partition, "offset": found.message.offset} | ({"command_id": known} if known else {})
                refusal = where | self._rejection(value, why.reason, why.message)
                _ = await self._rejections.send(key=found.message.key, value=to_json(refusal))
            headers = {HEADER_CONTENT_TYPE: CONTENT_TYPE.encode(), HEADER_INPUT: self._input}
            for key, text, is_request in self._out:
                if is_request:
                    _ = await self._requests.send(key=key, value=text)
                else:
                    _ = await self._events.send(key=key, value=text, headers=headers)

    @staticmethod
    def _rejection(value: bytes, reason: str, message: str) -> dict[str, Any]:
        original = value[: 64 * 1024].decode(errors="replace")
        said = {"reason": reason, "message": message, "original": original, "original_length": len(value)}
        return said | {"original_sha256": sha256(value).hexdigest()}

    def _decide(self, command: Command, command_id: str) -> None:
        outdial: State | None = self._outdials.get(command.stream)
        clock = time.time_ns() // 1_000
        match command:
            case RequestDial() | EndLease():
                if outdial is None:
                    self._asked.discard(command.outdial_id)
                    return
                now = max(clock, outdial["last"])
                self._due(outdial, command.outdial_id, command, now)
                self._outdials[command.stream] = outdial
                return
            case CreateOutdial() | AddTarget() | DialResult():
                pass
            case _:
                raise Rejected("type_unknown", "this peer knows CreateOutdial, AddTarget and DialResult")
        if outdial is not None and command.customer_id not in (None, outdial["customer"]):
            raise Rejected("outdial_unknown", "there is no such outdial")
        content = content_hash(command)
        before = self._ids.get(command_id)
        if before is not None and before[1] > clock - REMEMBERED_US:
            if before[0] != content:
                raise Rejected("id_reused", "another command was sent under this id before")
            return
        self._cause, self._hash, self._actor = command_id, content, command.actor
        now = clock if outdial is None else max(clock, outdial["last"])
        match command:
            case CreateOutdial():
                outdial = self._create(outdial, command, now)
            case _ if outdial is None:
                raise Rejected("outdial_unknown", "there is no such outdial")
            case AddTarget():
                self._add(outdial, command, command_id, now)
            case DialResult():
                self._result(outdial, command, now)
        if self._out:
            self._ids[command_id] = [content, now]
            self._drain(outdial, command.stream, now)
            self._outdials[command.stream] = outdial

    # --- outdials and targets -----------------------------------------------------------------------------

    def _create(self, before: State | None, command: CreateOutdial, now: int) -> State:
        if before is not None:
            raise Rejected("already_exists", "there is an outdial with this id already")
        customer = command.customer_id or ZERO_ID
        outdial = {
            "id": command.outdial_id, "customer": customer, "version": 0, "last": now, "run": 0, "plan": None, "open": 0, "silent": 0,
            "recent": [],
        }  # fmt: skip
        self._emit(
            outdial,
            OutdialCreated(
                customer_id=customer, campaign_id=command.campaign_id, name=command.name, detail=command.detail, data=command.data
            ),
            now,
        )
        if command.plan is not None:
            outdial["run"], outdial["plan"] = 1, encode(command.plan).decode()
            self._emit(outdial, DialingStarted(run=1), now)
            self._emit(outdial, PlanApplied(version=1, plan=command.plan), now)
        return outdial

    def _plan(self, outdial: State) -> Plan:
        text: str = outdial["plan"]
        found = self._plans.get(text)
        if found is None:
            found = self._plans[text] = Plan.model_validate_json(text)
        return found

    def _add(self, outdial: State, command: AddTarget, command_id: str, now: int) -> None:
        destinations = destinations_of(command)
        check_zone(command.time_zone)
        prints = tuple(None if found is None else self._fingerprint(checked(slot, found)) for slot, found in enumerate(destinations))
        if not destinations:
            raise Rejected("destination_missing", "a target needs at least one of destination_0 to destination_4")
        target_id = command.target_id or item_id(command_id, 0)
        personal = Personal(name=command.name, detail=command.detail, data=command.data, destinations=destinations)
        kept = personal.model_dump(mode="json", exclude_defaults=True)
        place = f"{outdial['id']}/{target_id}"
        known = self._targets.get(place)
        if known is not None:
            if [known["who"], known["most"], known["priority"], known["zone"]] == [
                kept, command.try_count_max, command.priority, command.time_zone,
            ]:  # fmt: skip
                return
            raise Rejected("already_exists", "there is another target with this id")
        address = f"{outdial['id']}/{next(found for found in prints if found is not None)}"
        if address not in self._addresses:
            self._addresses[address] = target_id
        elif command.on_duplicate == "skip":
            return
        elif command.on_duplicate == "reject":
            raise Rejected("duplicate", "a target of this outdial has the same first destination")
        types = tuple(None if found is None else found.type for found in destinations)
        self._emit(
            outdial,
            TargetAdded(
                target_id=target_id,
                types=types,
                fingerprints=prints,
                key_id=self._key_id,
                personal=personal,
                try_count_max=command.try_count_max,
                priority=command.priority,
                time_zone=command.time_zone,
            ),
            now,
        )
        target = {
            "id": target_id, "status": IDLE, "number": outdial["version"], "types": types, "who": kept, "most": command.try_count_max,
            "priority": command.priority, "zone": command.time_zone, "tries": [0] * SLOTS, "outcomes": [], "ends": [], "ordinal": 0,
            "not_dialed": 0, "since": now, "wait": NOW, "attempt": "", "index": 0, "expires": 0,
        }  # fmt: skip
        self._await(outdial, target, now)
        self._targets[place] = target

    # --- what is due ----------------------------------------------------------------------------------------

    def _next(self, target: State, plan: Plan) -> int | None:
        shape = Shape(tuple(target["types"]), target["most"], tuple(target["tries"]), bytes(target["outcomes"]))
        coming = next_try(shape, plan, calls_only=False)
        return None if coming is None else coming.destination

    def _await(self, outdial: State, target: State, now: int) -> None:
        """Request an idle target when it is due and nothing holds it back; else note when to look again."""
        if not outdial["run"]:
            return
        plan = self._plan(outdial)
        index = self._next(target, plan)
        if index is None:
            return
        due = target["since"] + wait_us(target["wait"], plan, plan.try_interval)
        if due > now:
            heappush(self._waiting, (due, outdial["id"], target["id"], ""))
        elif not self._ready.get(outdial["id"]) and not self._held(outdial, plan, now):
            self._request(outdial, target, plan, index, due, now)
        else:
            heappush(self._ready.setdefault(outdial["id"], []), (-target["priority"], due, target["number"], target["id"]))

    def _held(self, outdial: State, plan: Plan, now: int) -> bool:
        limit = 1 if outdial["silent"] >= SILENT_ATTEMPTS else plan.max_concurrent
        if limit and outdial["open"] >= limit:
            return True
        rate = plan.calls_per_second
        return rate is not None and len(outdial["recent"]) >= rate and outdial["recent"][-rate] + SECOND_US > now

    def _drain(self, outdial: State, outdial_id: str, now: int) -> None:
        """Request what was held back, as far as the pace allows."""
        ready = self._ready.get(outdial_id)
        while ready and not self._held(outdial, self._plan(outdial), now):
            _, due, _, target_id = heappop(ready)
            place = f"{outdial_id}/{target_id}"
            target: State | None = self._targets.get(place)
            if target is None or target["status"] != IDLE:
                continue
            index = self._next(target, self._plan(outdial))
            if index is not None:
                self._request(outdial, target, self._plan(outdial), index, due, now)
                self._targets[place] = target

    def _due(self, outdial: State, outdial_id: str, command: RequestDial | EndLease, now: int) -> None:
        """What the timer found: it is looked at again, for it may have happened meanwhile."""
        self._asked.discard(outdial_id)
        place = f"{outdial_id}/{command.target_id}"
        target = self._targets.get(place)
        self._hash, self._actor = "", None
        match command:
            case _ if target is None:
                pass
            case EndLease() if target["status"] == OPEN and target["attempt"] == command.attempt_id and target["expires"] <= now:
                self._cause = derived(outdial_id, f"lease/{command.attempt_id}")
                self._end(outdial, target, "no_answer", now, lost=True)
                self._targets[place] = target
            case RequestDial() if target["status"] == IDLE:
                self._await(outdial, target, now)
                self._targets[place] = target
            case _:
                pass
        self._drain(outdial, outdial_id, now)

    async def _tick(self) -> None:
        """Send what has fallen due to the commands topic."""
        clock = time.time_ns() // 1_000
        while self._waiting and self._waiting[0][0] <= clock:
            _, outdial_id, target_id, attempt = heappop(self._waiting)
            command = (
                EndLease(outdial_id=outdial_id, target_id=target_id, attempt_id=attempt)
                if attempt
                else RequestDial(outdial_id=outdial_id, target_id=target_id)
            )
            _ = await self._commands.send(key=outdial_id.encode(), value=encode(command))
        for outdial_id, ready in list(self._ready.items()):
            if ready and outdial_id not in self._asked:
                self._asked.add(outdial_id)
                _ = await self._commands.send(
                    key=outdial_id.encode(), value=encode(RequestDial(outdial_id=outdial_id, target_id=ready[0][3]))
                )

    def _recovered(self, *_: object, **__: object) -> None:
        """Find again in the tables what waits."""
        self._waiting, self._ready, self._asked = [], {}, set()
        for place, target in self._targets.items():
            outdial_id, target_id = place.split("/")
            outdial = self._outdials.get(outdial_id)
            if outdial is None or not outdial["run"]:
                continue
            if target["status"] == OPEN:
                heappush(self._waiting, (target["expires"], outdial_id, target_id, target["attempt"]))
            elif target["status"] == IDLE and self._next(target, self._plan(outdial)) is not None:
                plan = self._plan(outdial)
                heappush(self._waiting, (target["since"] + wait_us(target["wait"], plan, plan.try_interval), outdial_id, target_id, ""))

    # --- attempts ---------------------------------------------------------------------------------------------

    def _request(self, outdial: State, target: State, plan: Plan, index: int, due: int, now: int) -> None:
        caused = self._cause, self._hash, self._actor
        ordinal = target["ordinal"] + 1
        self._cause, self._hash, self._actor = derived(outdial["id"], f"request/{target['id']}/{ordinal}"), "", None
        attempt = attempt_id(outdial["id"], target["id"], ordinal)
        not_after = now + plan.pickup_timeout * MILLISECOND_US
        tries = target["tries"]
        rule: Any = "next_destination" if any(tries) else "first_try"
        rule = "not_dialed_again" if target["wait"] > AFTER_ATTEMPT else "retry" if tries[index] else rule
        data = DialRequested(
            attempt_id=attempt,
            target_id=target["id"],
            ordinal=ordinal,
            destination_index=index,
            try_count=tries[index] + 1,
            rule=rule,
            due_at=due,
            run=outdial["run"],
            plan_version=1,
            source=plan.source,
            dial_timeout=plan.ring,
            not_after=not_after,
            expires_at=not_after + (plan.ring + plan.result_grace) * MILLISECOND_US,
        )
        self._emit(outdial, data, now)
        personal = Personal.model_validate(target["who"])
        destination = personal.destinations[index]
        assert destination is not None
        asked = DialRequest(
            attempt_id=attempt,
            outdial_id=outdial["id"],
            target_id=target["id"],
            customer_id=outdial["customer"],
            plan_version=1,
            source=plan.source,
            destination=destination.model_copy(update=dialable(destination.type, destination.target)),
            destination_index=index,
            try_count=data.try_count,
            dial_timeout=data.dial_timeout,
            requested_at=now,
            not_after=data.not_after,
            expires_at=data.expires_at,
            name=personal.name,
            detail=personal.detail,
            data=personal.data,
            event_id=event_id("outdial", outdial["id"], outdial["version"]),
        )
        self._out.append((target["id"].encode(), encode(asked), True))
        tries[index] += 1
        target |= {"status": OPEN, "ordinal": ordinal, "not_dialed": 0, "attempt": attempt, "index": index, "expires": data.expires_at}
        heappush(self._waiting, (data.expires_at, outdial["id"], target["id"], attempt))
        outdial["open"] += 1
        if plan.calls_per_second is not None:
            outdial["recent"] = [*(at for at in outdial["recent"] if at > now - SECOND_US), now]
        self._cause, self._hash, self._actor = caused

    def _result(self, outdial: State, command: DialResult, now: int) -> None:
        place = f"{outdial['id']}/{command.target_id}"
        target = self._targets.get(place)
        if target is None:
            raise Rejected("target_unknown", "this outdial has no such target")
        outcome = outcome_in_force(command.plain_outcome, answered=bool(command.answered))
        if target["status"] == OPEN and target["attempt"] == command.attempt_id:
            self._end(outdial, target, outcome, now, said=command)
        else:
            self._word_for_closed(outdial, target, command.attempt_id, outcome, now)
        self._targets[place] = target

    def _word_for_closed(self, outdial: State, target: State, attempt: str, outcome: Outcome, now: int) -> None:
        ordinal = 0
        with suppress(StopIteration):
            ordinal = next(one for one in range(target["ordinal"], 0, -1) if attempt_id(outdial["id"], target["id"], one) == attempt)
        if not ordinal:
            raise Rejected("attempt_unknown", "this target never had such an attempt")
        ends = target["ends"]
        at = len(ends) - 1 - (target["ordinal"] - ordinal - (target["status"] == OPEN))
        end = ends[at] if 0 <= at < len(ends) else None
        if end is not None and end & LOST and outcome == "answered" and target["status"] in (IDLE, EXHAUSTED):
            self._emit(outdial, TargetFinished(target_id=target["id"], attempt_id=attempt, late=True), now)
            target["status"] = REACHED
            ends[at] = code_of("answered")
        elif end is None or end & ~LOST != code_of(outcome):
            reason: Any = "closed" if ordinal == target["ordinal"] else "superseded"
            self._emit(outdial, ResultIgnored(attempt_id=attempt, target_id=target["id"], outcome=outcome, reason=reason), now)

    def _end(
        self, outdial: State, target: State, outcome: Outcome, now: int, *, lost: bool = False, said: DialResult | None = None
    ) -> None:
        given_back = outcome == "not_dialed"
        self._emit(
            outdial,
            DialEnded(
                attempt_id=target["attempt"],
                target_id=target["id"],
                ordinal=target["ordinal"],
                destination_index=target["index"],
                outcome=outcome,
                lost=lost,
                given_back=given_back,
                started_at=None if said is None else said.started_at,
                ended_at=None if said is None else said.ended_at,
                call_id=None if said is None else said.call_id,
            ),
            now,
        )
        target["ends"] = [*target["ends"], code_of(outcome, lost=lost)][-REMEMBERED_ENDS:]
        if given_back:
            target["tries"][target["index"]] -= 1
            target["not_dialed"] += 1
        else:
            target["outcomes"] = sorted([*target["outcomes"], target["index"] * 8 + result_type(outcome)])
            target["not_dialed"] = 0
        target |= {"status": IDLE, "since": now, "wait": target["not_dialed"]}
        outdial["open"] -= 1
        outdial["silent"] = outdial["silent"] + 1 if lost or given_back else 0
        if outcome == "answered":
            self._emit(outdial, TargetFinished(target_id=target["id"], attempt_id=target["attempt"]), now)
            target["status"] = REACHED
        elif any(target["tries"]) and self._next(target, self._plan(outdial)) is None:
            self._emit(outdial, TargetExhausted(target_id=target["id"], plan_version=1), now)
            target["status"] = EXHAUSTED
        else:
            self._await(outdial, target, now)

    def _emit(self, outdial: State, data: EventData, now: int) -> None:
        outdial["version"] += 1
        outdial["last"] = now
        event = Event(outdial["id"], outdial["version"], now, self._cause, self._hash, data, self._actor)
        self._out.append((outdial["id"].encode(), encode_event(event), False))


async def make_changelogs(topology: Topology, bootstrap: str) -> None:
    """Make the topics of the tables before the group is joined; faust joins before a topic it made itself is known everywhere."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        names = [f"{topology.ledger_group}-{table}-changelog" for table in TABLES]
        there = set(await admin.list_topics())
        copies = replication(len((await admin.describe_cluster())["brokers"]))
        compacted = {"cleanup.policy": "compact"}
        new = [NewTopic(name, topology.partitions, copies, topic_configs=compacted) for name in names if name not in there]
        if new:
            await admin.create_topics(new)
        while True:
            described = await admin.describe_topics(names)
            partitions = [found for topic in described for found in topic["partitions"] if found["leader"] >= 0]
            if len(partitions) == topology.partitions * len(names):
                return
            await asyncio.sleep(POLL_S)
    finally:
        await admin.close()


def main() -> None:
    """Run as a faust worker until SIGTERM."""
    prefix, partitions, bootstrap, guarantee, store, datadir = sys.argv[1:]
    topology = Topology(prefix, int(partitions))
    asyncio.run(make_changelogs(topology, bootstrap))
    asyncio.set_event_loop(asyncio.new_event_loop())
    ledger = Ledger(topology, bootstrap, guarantee, store, datadir)
    faust.Worker(ledger.app, loglevel="INFO").execute_from_commandline()


if __name__ == "__main__":
    main()
