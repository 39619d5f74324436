"""A command may say which version of its stream it is about; the ledger takes it at that version only."""

import pytest

from given import a, given
from outdial.commands import Command, DeleteOutdial, UpdateCampaign, UpdateOutdial, UpdateOutplan
from outdial.events import CampaignUpdated, DialingStopped, OutdialDeleted, OutdialUpdated, OutplanUpdated
from saying import OUTDIAL, OUTPLAN, PLAN, add, campaign, campaign_id, create, delete, outplan
from sim import an_id

ID = an_id("a command")


def rename(name: str, version: int | None, command_id: str | None = None) -> UpdateOutdial:
    return UpdateOutdial(id=command_id, outdial_id=OUTDIAL, name=name, if_version=version)


def test_the_version_a_stream_stands_at_is_taken_and_any_other_refused() -> None:
    there = given(create()).when(rename("a", 1)).then(a(OutdialUpdated, name="a"))
    there.when(rename("b", 1)).then_nothing().then_rejects("version_differs")
    there.when(rename("b", 3)).then_nothing().then_rejects("version_differs")
    there.when(rename("b", 2)).then(a(OutdialUpdated, name="b"))
    there.when(rename("c", None)).then(a(OutdialUpdated, name="c"))


def test_each_kind_of_stream_has_its_own_version() -> None:
    there = given(create(), outplan(), campaign())
    versions = {event.kind: event.sequence for event in there.sim.log}
    there.when(UpdateOutplan(outplan_id=OUTPLAN, name="x", if_version=versions["outplan"])).then(OutplanUpdated)
    there.when(UpdateCampaign(campaign_id=campaign_id(), name="x", if_version=versions["campaign"])).then(CampaignUpdated)


def test_an_outdial_changes_its_version_with_every_event_of_its_targets() -> None:
    there = given(create(PLAN), add())
    seen = there.sim.log[-1].sequence
    there.when(0, DeleteOutdial(outdial_id=OUTDIAL, if_version=seen)).then_nothing().then_rejects("version_differs")
    there.when(DeleteOutdial(outdial_id=OUTDIAL, if_version=seen + 1)).then(DialingStopped, OutdialDeleted)


def test_a_repeat_is_the_same_answer_whatever_the_version_is_by_then() -> None:
    there = given(create()).when(rename("a", 1, ID)).then(OutdialUpdated)
    there.when(rename("a", 1, ID)).then_nothing()
    assert there.answer is not None
    assert there.answer.result == "events"
    there.sim.restart()
    there.when(rename("a", 1, ID)).then_nothing()
    assert there.answer.result == "events"


def test_the_same_command_at_another_version_is_another_command() -> None:
    given(create()).when(rename("a", 1, ID)).when(rename("a", 2, ID)).then_nothing().then_rejects("id_reused")


@pytest.mark.parametrize("command", [rename("a", 1), delete().model_copy(update={"if_version": 1})], ids=["update", "delete"])
def test_what_is_not_there_is_unknown_at_every_version(command: Command) -> None:
    given().when(command).then_nothing().then_rejects("outdial_unknown")
