"""Did a race come out right? A reading of the topics against what those who pressed were told.

What holds within one partition is checked by the reading of the faults (:mod:`faults.chaos.checker`). Here is what holds
between streams on several of them: nothing is acknowledged before its effect stands in the log, nothing is requested
after an acknowledged stop or delete, one campaign owns an outdial, and campaigns and outdials agree once all is quiet.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from faults.chaos import checker as topics_checker
from faults.chaos.checker import faults_of
from faults.chaos.reading import Topics
from faults.checker import parts_of
from outdial.commands import (
    CreateCampaign,
    DeleteCampaign,
    DeleteOutdial,
    DeleteTarget,
    RunCampaign,
    SetCampaignResources,
    StartDialing,
    StopCampaign,
    StopDialing,
)
from outdial.scalars import ZERO_ID
from races.door import PATIENCE_S, Pressed
from races.running import Remembered

LONGEST_S: Final = PATIENCE_S + 0.5
"""So long a command waits for its answer: what is answered is looked at here, not how soon."""
ENDS: Final = ("DialingStopped", "DialingFinished")


@dataclass(frozen=True, slots=True)
class Ev:
    """An event, and where it stands."""

    partition: int
    offset: int
    input: bytes
    kind: str
    stream: str
    type: str
    cause: str
    data: dict[str, Any]


@dataclass(slots=True)
class Told:
    """The answers to one question, by the command they are about."""

    root: str
    records: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether all that was awaited has come."""
        return self.root in self.records and all(
            awaited in self.records for record in self.records.values() for awaited in record.get("awaits", ())
        )

    @property
    def refused(self) -> bool:
        """Whether one of them is a refusal."""
        return any(record["result"] == "rejected" for record in self.records.values())

    def of(self, stream: str) -> list[dict[str, Any]]:
        """Those about commands to a stream."""
        return [record for record in self.records.values() if record.get("stream") == stream]


class Log:
    """The log, stream by stream."""

    def __init__(self, topics: Topics) -> None:
        self.events: list[Ev] = []
        self.streams: dict[tuple[str, str], list[Ev]] = defaultdict(list)
        self.begins: dict[tuple[int, bytes], int] = {}
        """(partition, how far the commands were read) -> the first record of the transaction that read so far."""
        for record in topics.of("events"):
            told = record.headers.get("input", b"")
            self.begins.setdefault((record.partition, told), record.offset)
            if record.key is None:
                continue
            event = json.loads(record.value)
            kind, stream, _ = parts_of(event["id"])
            found = Ev(record.partition, record.offset, told, kind, stream, event["type"], event["causationid"], event["data"])
            self.events.append(found)
            self.streams[kind, stream].append(found)
        self.inputs = {(record.partition, record.offset): record.headers.get("input", b"") for record in topics.of("events")}
        self.caused: dict[str, list[Ev]] = defaultdict(list)
        for event in self.events:
            self.caused[event.cause].append(event)

    def outdial(self, stream: str) -> list[Ev]:
        """What happened to an outdial."""
        return self.streams.get(("outdial", stream), [])

    def campaign(self, stream: str) -> list[Ev]:
        """What happened to a campaign."""
        return self.streams.get(("campaign", stream), [])

    def begin_of(self, partition: int, offset: int) -> int:
        """The first record of the transaction that a record ends."""
        return self.begins.get((partition, self.inputs.get((partition, offset), b"")), offset)


def answers_of(topics: Topics) -> dict[str, list[Told]]:
    """By root: every question that was asked about it, with its answers."""
    asked: dict[tuple[str, str | None], Told] = {}
    for record in topics.of("answers"):
        told = json.loads(record.value)
        found = asked.setdefault((told["root_id"], told.get("asked")), Told(told["root_id"]))
        found.records.setdefault(told["command_id"], told)
    by_root: dict[str, list[Told]] = defaultdict(list)
    for (root, _), found in asked.items():
        by_root[root].append(found)
    return by_root


def faults_of_races(memory: Remembered) -> list[str]:
    """Everything that is wrong; nothing when all came out right."""
    log = Log(memory.topics)
    answers = answers_of(memory.topics)
    delivered = Counter(one.command.id or "" for one in memory.pressed)
    found = [*memory.ended, *memory.unread]
    found += faults_of(memory.topics, topics_checker.Remembered(delivered=delivered), all_must_end=False)
    for pressed in memory.pressed:
        found += [f"race {pressed.race} ({pressed.kind}), {_name(pressed)}: {fault}" for fault in _faults_of_press(pressed, log, answers)]
    found += _faults_of_repeats(memory.pressed, answers, log)
    found += _faults_of_owners(log)
    found += _faults_of_starts(log)
    found += _faults_of_rest(log)
    found += _faults_of_plans(log)
    found += _faults_of_phones(memory)
    if len(set(memory.digests)) != 1:
        found.append(f"the views of the API processes differ: {memory.digests}")
    return found


def _name(pressed: Pressed) -> str:
    return f"{type(pressed.command).__name__} {pressed.command.id} at {pressed.door}"


# --- what was acknowledged ------------------------------------------------------------------------------


def _faults_of_press(pressed: Pressed, log: Log, answers: dict[str, list[Told]]) -> Iterator[str]:
    """What is wrong with one answer: none of the questions about its command fits what was told."""
    if pressed.answer is None:
        yield f"not answered: {pressed.failure}"
        return
    if pressed.seconds > LONGEST_S:
        yield f"answered after {pressed.seconds:.1f} s"
    chains = [told for told in answers.get(pressed.command.id or "", []) if told.complete]
    if not chains:
        yield "the answers topic has no whole answer"
        return
    faults = [list(_faults_of_answer(pressed, told, log, once=len(chains) == 1)) for told in chains]
    if all(faults):
        yield from faults[0]


def _faults_of_answer(pressed: Pressed, told: Told, log: Log, *, once: bool) -> Iterator[str]:
    """``once``: nobody else sent this command."""
    answer, command = pressed.answer, pressed.command
    assert answer is not None
    for record in told.records.values():
        if pressed.shown[record["partition"]] <= record["last_offset"]:
            place = f"{record['partition']}/{record['last_offset']}"
            yield f"acknowledged at {answer.position}, before {record['type']} at {place} could be read"
    if (answer.result == "rejected") != told.refused:
        yield f"told {answer.result}, and the answers topic says otherwise"
    if answer.result == "events" and not any(log.caused.get(one) for one in told.records):
        yield "carried out by its answer, and not by the log"
    if answer.result == "rejected":
        return
    for command_id in told.records:
        for event in log.caused.get(command_id, ()):
            if once and event.offset >= pressed.shown[event.partition]:
                yield f"acknowledged at {answer.position}, before its {event.type} at {event.partition}/{event.offset}"
    match command:
        case StopDialing() | DeleteOutdial():
            yield from _faults_of_stop(pressed, told, log)
        case StopCampaign() | DeleteCampaign():
            yield from _faults_of_campaign_stop(pressed, told, log)
        case RunCampaign():
            yield from _faults_of_campaign_run(pressed, told, log)
        case StartDialing():
            yield from _faults_of_start(pressed, told, log)
        case SetCampaignResources(outdial_id=str()):
            yield from _faults_of_claim(pressed, log)
        case DeleteTarget():
            yield from _faults_of_deleted_target(pressed, log)
        case _:
            pass


def _decided(pressed: Pressed, told: Told, log: Log, types: Iterable[str]) -> tuple[int, int]:
    """What stood in its partition for certain when a command was decided (all before an offset), and the end of its transaction.

    By its own event of one of these types, which is the first's when it was sent again; else
    not before its transaction began, nor before what was shown when it was sent.
    """
    record = told.records[told.root]
    partition, last = record["partition"], record["last_offset"]
    begin = log.begin_of(partition, last)
    own = [event.offset for event in log.caused.get(told.root, ()) if event.type in types and event.offset <= last]
    return own[0] + 1 if own else max(begin, pressed.since[partition]), last


def _silent(outdial: list[Ev], runs: set[int], end: int) -> Iterator[str]:
    """Requests of runs at or after an offset."""
    for event in outdial:
        if event.type == "DialRequested" and event.data["run"] in runs and event.offset >= end:
            place = f"{event.partition}/{event.offset}"
            yield f"requested again after it, at {place}, in run {event.data['run']} of {event.stream} (silent from {end})"


def _unlisted(pressed: Pressed, outdial: list[Ev], decided: int, last: int) -> Iterator[str]:
    """Attempts that were open all the time and are not in the answer."""
    assert pressed.answer is not None
    asked = {event.data["attempt_id"] for event in outdial if event.type == "DialRequested" and event.offset < decided}
    ended = {event.data["attempt_id"] for event in outdial if event.type == "DialEnded" and event.offset <= last}
    for attempt in asked - ended - set(pressed.answer.open):
        yield f"attempt {attempt} is open and not in the answer"


def _faults_of_stop(pressed: Pressed, told: Told, log: Log) -> Iterator[str]:
    """After the stop or delete of an outdial: no request of a run that had begun."""
    outdial = log.outdial(pressed.command.stream)
    decided, last = _decided(pressed, told, log, (*ENDS, "OutdialDeleted"))
    partition = told.records[told.root]["partition"]
    runs = {event.data["run"] for event in outdial if event.type == "DialingStarted" and event.offset < decided}
    yield from _silent(outdial, runs, min(last + 1, pressed.shown[partition]))
    yield from _unlisted(pressed, outdial, decided, last)


def _faults_of_campaign_stop(pressed: Pressed, told: Told, log: Log) -> Iterator[str]:
    """After the stop or delete of a campaign: no request of any run of its that had begun."""
    campaign = pressed.command.stream
    decided, _ = _decided(pressed, told, log, ("CampaignStopping", "CampaignDeleted"))
    begun = [event for event in log.campaign(campaign) if event.type == "CampaignStarted" and event.offset < decided]
    for outdial_id in {event.data["outdial_id"] for event in begun}:
        outdial, records = log.outdial(outdial_id), told.of(outdial_id)
        if not outdial:
            continue
        last = max((record["last_offset"] for record in records), default=None)
        shown = pressed.shown[outdial[0].partition]
        latest = max(event.data["run"] for event in begun)
        runs = {
            event.data["run"]
            for event in outdial
            if event.type == "DialingStarted" and event.data.get("campaign_id") == campaign and event.data["campaign_run"] <= latest
        }
        yield from _silent(outdial, runs, shown if last is None else min(last + 1, shown))
        stop = next((record for record in records if record["type"] == "StopDialing"), None)
        if stop is not None:
            last = stop["last_offset"]
            since = log.begin_of(stop["partition"], last)
            own = [event.offset for event in log.caused.get(stop["command_id"], ()) if event.type in ENDS and since <= event.offset <= last]
            yield from _unlisted(pressed, outdial, own[0] if own else since, last)


def _faults_of_campaign_run(pressed: Pressed, told: Told, log: Log) -> Iterator[str]:
    """A run is acknowledged when its outdial has begun it, and has its plan or has ended again."""
    campaign = pressed.command.stream
    decided, _ = _decided(pressed, told, log, ("CampaignStarted", "CampaignCommandNoted"))
    begun = [event for event in log.campaign(campaign) if event.type == "CampaignStarted" and event.offset < decided]
    if not begun:
        return
    run, outdial_id = begun[-1].data["run"], begun[-1].data["outdial_id"]
    ended = [
        event for event in log.campaign(campaign) if event.type == "CampaignStopped" and event.data["run"] == run and event.offset < decided
    ]
    if ended:
        return
    outdial = log.outdial(outdial_id)
    started = [event for event in outdial if event.type == "DialingStarted" and event.data.get("campaign_id") == campaign]
    yield from _not_yet(outdial, [event for event in started if event.data["campaign_run"] == run], pressed, f"run {run} of its outdial")


def _faults_of_start(pressed: Pressed, told: Told, log: Log) -> Iterator[str]:
    """A start is acknowledged when the outdial runs by a plan, or has ended again."""
    outdial = log.outdial(pressed.command.stream)
    decided, _ = _decided(pressed, told, log, ("DialingStarted", "PlanAsked", "PlanApplied", "CommandNoted"))
    begun = [event for event in outdial if event.offset < decided and event.type == "DialingStarted"]
    yield from _not_yet(outdial, begun[-1:], pressed, "a run")


def _not_yet(outdial: list[Ev], started: list[Ev], pressed: Pressed, what: str) -> Iterator[str]:
    if not started or started[0].offset >= pressed.shown[started[0].partition]:
        yield f"acknowledged before {what} began"
        return
    shown = pressed.shown[started[0].partition]
    after = [event for event in outdial if started[0].offset < event.offset < shown and event.type in ("PlanApplied", "PlanAsked", *ENDS)]
    if not after:
        yield f"acknowledged before {what} had a plan"


def _faults_of_claim(pressed: Pressed, log: Log) -> Iterator[str]:
    """A claim is acknowledged when the campaign has it, and the outdial says so too; or when the campaign is there no more."""
    command = pressed.command
    assert isinstance(command, SetCampaignResources)
    campaign = log.campaign(command.campaign_id)
    if any(event.type == "CampaignDeleted" and event.offset < pressed.shown[event.partition] for event in campaign):
        return
    set_ = [event for event in campaign if event.type == "CampaignResourcesSet"]
    mine = [event for event in set_ if event.data["resources"]["outdial_id"] == command.outdial_id]
    if not any(event.offset < pressed.shown[event.partition] for event in mine):
        yield "acknowledged before the campaign had its outdial"
    owned = [event for event in log.outdial(command.outdial_id or "") if event.data.get("campaign_id") == command.campaign_id]
    if not any(event.offset < pressed.shown[event.partition] for event in owned):
        yield "acknowledged before the outdial was the campaign's"


def _faults_of_deleted_target(pressed: Pressed, log: Log) -> Iterator[str]:
    """After the delete of a target: no request of it."""
    command = pressed.command
    assert isinstance(command, DeleteTarget)
    for event in log.outdial(command.outdial_id):
        if (
            event.type == "DialRequested"
            and event.data["target_id"] == command.target_id
            and event.offset >= pressed.shown[event.partition]
        ):
            yield f"requested after it, at {event.partition}/{event.offset}"


def _faults_of_repeats(pressed: list[Pressed], answers: dict[str, list[Told]], log: Log) -> Iterator[str]:
    """What was asked of other streams is granted to all who sent the same, or refused to all; unless its campaign is gone meanwhile."""
    commands = {one.command.id or "": one.command for one in pressed if isinstance(one.command, CreateCampaign | SetCampaignResources)}
    for root, command in commands.items():
        asked = [told for told in answers.get(root, []) if told.complete and told.records[root]["result"] == "events"]
        deleted = any(event.type == "CampaignDeleted" and event.data.get("reason") is None for event in log.campaign(command.stream))
        if len({told.refused for told in asked}) > 1 and not deleted:
            yield f"command {root} was granted to one who sent it, and refused to another"


# --- what holds between streams -------------------------------------------------------------------------


def _faults_of_owners(log: Log) -> Iterator[str]:
    """An outdial goes from nobody to one campaign and back to nobody; only that one runs it."""
    for (kind, stream), events in log.streams.items():
        if kind != "outdial":
            continue
        owner, run = ZERO_ID, 0
        for event in events:
            if event.type == "OutdialUpdated" and event.data.get("campaign_id") is not None:
                if ZERO_ID not in (owner, event.data["campaign_id"]):
                    yield f"outdial {stream} goes from {owner} to {event.data['campaign_id']} at {event.partition}/{event.offset}"
                owner = event.data["campaign_id"]
            elif event.type == "DialingStarted":
                run = event.data["run"]
                if event.data.get("campaign_id", ZERO_ID) not in (ZERO_ID, owner):
                    yield f"outdial {stream} is run by {event.data['campaign_id']} and belongs to {owner}"
            elif event.type == "DialRequested" and event.data["run"] != run:
                yield f"outdial {stream}: a request of run {event.data['run']} in run {run}"


def _faults_of_starts(log: Log) -> Iterator[str]:
    """Only a run that was finished, in a campaign that was not asked to stop, starts the next campaign."""
    finished: Counter[str] = Counter()
    chained: Counter[str] = Counter()
    for (kind, stream), events in log.streams.items():
        if kind != "campaign":
            continue
        asked = False
        for event in events:
            match event.type:
                case "CampaignStarted":
                    asked = False
                    for before in event.data.get("chain", ())[-1:]:
                        chained[before] += 1
                case "CampaignStopping":
                    asked = True
                case "CampaignStopped" if event.data["how"] == "finished" and not asked:
                    finished[stream] += 1
                case _:
                    pass
    for campaign, times in chained.items():
        if times > finished[campaign]:
            yield f"campaign {campaign} finished {finished[campaign]} times and started the next {times} times"


@dataclass(slots=True)
class Campaign:
    """A campaign when all is quiet."""

    status: str = "stop"
    run: int = 0
    outdial: str = ZERO_ID
    owns: str = ZERO_ID
    deleted: bool = False
    changing: bool = False


@dataclass(slots=True)
class Outdial:
    """An outdial when all is quiet."""

    owner: str = ZERO_ID
    run: Ev | None = None
    ask: int | None = None
    outplan: str = ZERO_ID
    outplan_version: int = 0
    waits: bool = False
    open: set[str] = field(default_factory=set)


def _campaign(events: list[Ev]) -> Campaign:
    found = Campaign()
    for event in events:
        match event.type:
            case "CampaignStarted":
                found.status, found.run, found.outdial = "run", event.data["run"], event.data["outdial_id"]
            case "CampaignStopping":
                found.status = "stopping"
            case "CampaignStopped":
                found.status = "stop"
            case "CampaignResourcesAsked":
                found.changing = True
            case "CampaignResourcesSet":
                found.changing, found.owns = False, event.data["resources"]["outdial_id"]
            case "CampaignResourcesRefused":
                found.changing = False
            case "CampaignDeleted":
                found.deleted, found.owns, found.changing = True, ZERO_ID, False
            case _:
                pass
    return found


def _outdial(events: list[Ev]) -> Outdial:
    found = Outdial()
    for event in events:
        data = event.data
        match event.type:
            case "OutdialUpdated" if data.get("campaign_id") is not None:
                found.owner = data["campaign_id"]
            case "DialingStarted":
                found.run, found.ask, found.outplan = event, data.get("ask"), data.get("outplan_id", ZERO_ID)
                found.waits = found.ask is not None
            case "PlanAsked":
                found.ask, found.outplan, found.waits = data["ask"], data["outplan_id"], True
            case "PlanApplied":
                found.ask, found.outplan, found.waits = data.get("ask"), data.get("outplan_id", ZERO_ID), False
                found.outplan_version = data.get("outplan_version") or 0
            case "DialingStopped" | "DialingFinished":
                found.run = found.ask = None
                found.waits = False
            case "DialRequested":
                found.open.add(data["attempt_id"])
            case "DialEnded":
                found.open.discard(data["attempt_id"])
            case _:
                pass
    return found


def _faults_of_rest(log: Log) -> Iterator[str]:
    """When all is quiet, campaigns and outdials say the same."""
    campaigns = {stream: _campaign(events) for (kind, stream), events in log.streams.items() if kind == "campaign"}
    outdials = {stream: _outdial(events) for (kind, stream), events in log.streams.items() if kind == "outdial"}
    for stream, outdial in outdials.items():
        owners = [campaign for campaign, found in campaigns.items() if found.owns == stream]
        if owners != ([] if outdial.owner == ZERO_ID else [outdial.owner]):
            yield f"outdial {stream} belongs to {outdial.owner}, and campaigns have it: {owners}"
        if outdial.open:
            yield f"outdial {stream} has open attempts for ever"
        if outdial.waits:
            yield f"outdial {stream} waits for a plan for ever"
        if outdial.run is not None and (campaign := outdial.run.data.get("campaign_id", ZERO_ID)) != ZERO_ID:
            found = campaigns.get(campaign, Campaign())
            if (found.status, found.run, found.outdial) != ("run", outdial.run.data["campaign_run"], stream):
                yield f"outdial {stream} runs for campaign {campaign}, which is {found}"
    for stream, campaign_ in campaigns.items():
        if campaign_.changing:
            yield f"campaign {stream} changes its resources for ever"
        if campaign_.status == "stopping":
            yield f"campaign {stream} is stopping for ever"
        if campaign_.status == "run":
            if campaign_.deleted:
                yield f"campaign {stream} is deleted and runs"
            run = outdials.get(campaign_.outdial, Outdial()).run
            if run is None or (run.data.get("campaign_id"), run.data.get("campaign_run")) != (stream, campaign_.run):
                yield f"campaign {stream} runs, and outdial {campaign_.outdial} does not run for it"


def _faults_of_plans(log: Log) -> Iterator[str]:
    """When all is quiet, an outplan has those followers that go by it, and they have its last plan."""
    versions: dict[str, int] = {}
    deleted: set[str] = set()
    followers: dict[str, dict[str, int]] = defaultdict(dict)
    for event in log.events:
        match event.type:
            case "OutplanCreated":
                versions[event.stream] = 1
            case "OutplanDialInfoSet":
                versions[event.stream] = event.data["version"]
            case "OutplanDeleted":
                deleted.add(event.stream)
            case "OutplanFollowed":
                followers[event.stream][event.data["outdial_id"]] = event.data["ask"]
            case "OutplanUnfollowed":
                followers[event.stream].pop(event.data["outdial_id"], None)
            case _:
                pass
    going: dict[str, dict[str, int]] = defaultdict(dict)
    for (kind, stream), events in log.streams.items():
        outdial = _outdial(events) if kind == "outdial" else Outdial()
        if outdial.run is not None and outdial.ask is not None:
            going[outdial.outplan][stream] = outdial.ask
            newest = versions.get(outdial.outplan)
            if outdial.outplan not in deleted and outdial.outplan_version != newest:
                yield f"outdial {stream} goes by version {outdial.outplan_version} of {outdial.outplan}, which has {newest}"
    for outplan in followers.keys() | going.keys():
        if followers[outplan] != going[outplan]:
            yield f"outplan {outplan} has followers {followers[outplan]}, and {going[outplan]} go by it"


def _faults_of_phones(memory: Remembered) -> Iterator[str]:
    """A phone rings once for each attempt, and for no other."""
    rung = Counter(json.loads(record.value)["attempt_id"] for record in memory.seen)
    yield from (f"attempt {attempt} rang {times} times" for attempt, times in rung.items() if times > 1)
    requested = Counter(
        json.loads(record.value)["data"]["attempt_id"] for record in memory.topics.of("events") if b'"type":"DialRequested"' in record.value
    )
    yield from (f"attempt {attempt} was requested {times} times" for attempt, times in requested.items() if times > 1)
    for attempt in rung.keys() ^ requested.keys():
        yield f"attempt {attempt} is in the log or was shown to the phones, not both"
