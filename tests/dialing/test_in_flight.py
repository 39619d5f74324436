"""Follow-ups that are under way: between two streams they keep their order, and nothing else is promised.

Commands come while others are still in flight. Whatever the order, no invariant breaks meanwhile, and once all
have arrived, campaigns, outdials and outplans agree on who runs what, by which plan.
"""

from collections import deque
from typing import Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from invariants import Invariants
from outdial.address import Address
from outdial.commands import (
    AddTarget,
    Command,
    CreateCampaign,
    CreateOutdial,
    CreateOutplan,
    DeleteCampaign,
    DeleteOutdial,
    DeleteOutplan,
    DialResult,
    DrainDialing,
    GrantSlots,
    PauseDialing,
    Resources,
    ResumeDialing,
    RunCampaign,
    SetCampaignResources,
    SetDialInfo,
    SetOutdialCampaign,
    StartDialing,
    StopCampaign,
    StopDialing,
    UpdateCampaign,
)
from outdial.dialing.ledger import Effects
from outdial.envelope import Event
from outdial.plan import Plan
from outdial.scalars import ZERO_ID
from sim import MINUTE, SECOND, START, an_id, new_ledger

LISTS: Final = (an_id("a"), an_id("b"))
OUTPLANS: Final = (an_id("p"), an_id("q"))
CAMPAIGNS: Final = (an_id("c"), an_id("d"), an_id("e"))
PLANS: Final = (Plan(max_try_count_0=2, try_interval=1_000), Plan(max_try_count_0=1, max_concurrent=1), Plan())
KINDS: Final = "zZennqddddddddddddddddddddRRRRHHHHSsPPpCCWWDXYFTTTTTrrrr!"
Channel = tuple[str, str]
"""From one stream to another."""


class InFlight:
    """Streams whose words to one another take their time."""

    def __init__(self) -> None:
        self.ledger = new_ledger()
        self.now = START
        self.invariants = Invariants()
        self.channels: dict[Channel, deque[Command]] = {}
        self.sent = 0
        self.log: list[Event] = []
        for outdial in LISTS:
            self.send(CreateOutdial(outdial_id=outdial))
            self.send(AddTarget(outdial_id=outdial, destination_0=Address(type="tel", target="+15550000001")))
            self.send(AddTarget(outdial_id=outdial, destination_0=Address(type="tel", target="+15550000002")))
        for outplan, plan in zip(OUTPLANS, PLANS, strict=False):
            self.send(CreateOutplan(outplan_id=outplan, plan=plan))
        for campaign, outdial in zip(CAMPAIGNS, LISTS, strict=False):
            self.send(
                CreateCampaign(campaign_id=campaign, end_handle="stop", resources=Resources(outplan_id=OUTPLANS[0], outdial_id=outdial))
            )
        self.arrive()

    def step(self, kind: str, one: int, two: int) -> None:
        match kind:
            case "d" if self.channels:
                self.deliver(sorted(self.channels)[one % len(self.channels)])
            case "T":
                self.now += (0, SECOND, MINUTE)[one % 3]
                self.tick()
            case "!":
                self.restart()
            case _:
                command = self.command(kind, one, two)
                if command is not None:
                    self.send(command)

    def command(self, kind: str, one: int, two: int) -> Command | None:
        outdial, outplan, campaign = LISTS[one % 2], OUTPLANS[two % 2], CAMPAIGNS[one % 3]
        match kind:
            case "R":
                return RunCampaign(campaign_id=campaign)
            case "H":
                return StopCampaign(campaign_id=campaign)
            case "S":
                return StartDialing(outdial_id=outdial, plan=PLANS[two % 3])
            case "s":
                return StopDialing(outdial_id=outdial)
            case "P":
                return StartDialing(outdial_id=outdial, outplan_id=outplan)
            case "p":
                return SetDialInfo(outplan_id=outplan, plan=PLANS[one % 3])
            case "C":
                following = CAMPAIGNS[two % 3] if two % 2 else ZERO_ID
                named = Resources(outplan_id=outplan, outdial_id=outdial, next_campaign_id=following)
                return CreateCampaign(campaign_id=campaign, end_handle="stop", resources=named)
            case "W":
                return SetCampaignResources(
                    campaign_id=campaign, outdial_id=(*LISTS, ZERO_ID)[two % 3], next_campaign_id=CAMPAIGNS[two % 2]
                )
            case "q":
                return SetCampaignResources(campaign_id=campaign, queue_id=(ZERO_ID, an_id("queue"))[two % 2])
            case "z":
                return PauseDialing(outdial_id=outdial)
            case "Z":
                return ResumeDialing(outdial_id=outdial)
            case "e":
                return DrainDialing(outdial_id=outdial)
            case "n" if two % 2:
                return GrantSlots(campaign_id=campaign, agents=two % 5)
            case "n":
                return UpdateCampaign(
                    campaign_id=campaign, service_level=(0, 60, 100)[two % 3], end_handle=(None, "stop", "continue")[two % 3]
                )
            case "D":
                return DeleteCampaign(campaign_id=campaign)
            case "F":
                return SetOutdialCampaign(outdial_id=outdial, campaign_id=ZERO_ID)
            case "X" if two % 4 == 0:
                return DeleteOutdial(outdial_id=outdial)
            case "Y" if two % 4 == 0:
                return DeleteOutplan(outplan_id=outplan)
            case "r":
                opened = [(each.id, target, attempt) for each in self.ledger.outdials.values() for target, attempt in each.open.items()]
                if opened:
                    outdial_id, target_id, attempt_id = opened[one % len(opened)]
                    outcome = ("busy", "answered")[two % 2]
                    return DialResult(outdial_id=outdial_id, target_id=target_id, attempt_id=attempt_id, outcome=outcome)  # type: ignore[arg-type]
        return None

    def send(self, command: Command, *, internal: bool = False) -> None:
        if not internal:
            self.sent += 1
            command = command.model_copy(update={"id": f"00000000-0000-4000-9000-{self.sent:012x}"})
        self.take(self.ledger.decide(command, self.now, internal=internal))

    def take(self, effects: Effects) -> None:
        self.log += effects.events
        for event in effects.events:
            self.invariants.see(event)
        for told in effects.follow_ups:
            channel = (effects.answer.stream, told.command.stream)
            self.channels.setdefault(channel, deque()).append(told.command)

    def deliver(self, channel: Channel) -> None:
        command = self.channels[channel].popleft()
        if not self.channels[channel]:
            del self.channels[channel]
        self.send(command, internal=True)

    def tick(self) -> None:
        for effects in self.ledger.tick(self.now, self.now, 1_000):
            self.take(effects)

    def restart(self) -> None:
        self.ledger = new_ledger()
        for event in self.log:
            self.ledger.replay(event)
        self.ledger.arm(self.now)

    def arrive(self) -> None:
        while self.channels:
            self.deliver(min(self.channels))

    def agree(self) -> None:
        """Everybody says the same about who runs what."""
        for campaign in self.ledger.campaigns.values():
            assert campaign.change is None, "a change that never ends"
            runs = [
                outdial for outdial in self.ledger.outdials.values() if outdial.run is not None and outdial.run.campaign_id == campaign.id
            ]
            outdial = self.ledger.outdials.get(campaign.run_outdial)
            match campaign.status:
                case "run":
                    assert runs == [outdial], "a campaign that thinks it runs"
                    assert runs[0].run is not None
                    assert runs[0].run.campaign_run == campaign.run
                    assert runs[0].run.end_handle == campaign.end_handle, "it ends in another way than it was told"
                    assert runs[0].run.ringing_limit == campaign.ringing_limit, "it rings for others than it was told"
                case "stopping":
                    assert outdial is not None
                    assert (campaign.id, campaign.run) in [(run.campaign_id, run.campaign_run) for run in outdial.ended], (
                        "stopping for ever"
                    )
                    assert runs == []
                case _:
                    assert runs == [], "it dials although the campaign says stop"
        for outdial in self.ledger.outdials.values():
            if outdial.campaign_id != ZERO_ID:
                owner = self.ledger.campaigns[outdial.campaign_id]
                assert not owner.deleted, "claimed by who is gone"
                assert owner.resources.outdial_id == outdial.id, "claimed by who does not want it"
            assert outdial.run is None or not outdial.run.waits, "an answer that never came"
        for outplan in self.ledger.outplans.values():
            for outdial_id, ask in outplan.followers.items():
                run = self.ledger.outdials[outdial_id].run
                assert run is not None, "a follower that stopped"
                assert run.ask == ask, "a follower that follows another"
        for outdial in self.ledger.outdials.values():
            if outdial.run is not None and outdial.run.ask is not None:
                assert self.ledger.outplans[outdial.run.outplan_id].followers.get(outdial.id) == outdial.run.ask, (
                    "nobody tells it of a change"
                )


@settings(deadline=None, database=None, max_examples=1_000, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(min_size=150, max_size=150))
def test_whatever_overtakes_what_the_streams_agree_in_the_end(history: bytes) -> None:
    lived = InFlight()
    for place in range(0, len(history) - 2, 3):
        lived.step(KINDS[history[place] % len(KINDS)], history[place + 1], history[place + 2])
    lived.arrive()
    lived.agree()
