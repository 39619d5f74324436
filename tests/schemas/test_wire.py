"""Bytes to messages and back, and every way in which input is no command."""

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from messages import GOLDEN, ROOT, commands, event_data, events, golden, of, plain
from outdial import wire
from outdial.address import Address
from outdial.codec import decoder_of, text_of
from outdial.commands import COMMANDS, AddTarget, AddTargets, Command, CreateOutdial, DialResult, Kind, NewTarget
from outdial.envelope import CloudEvent, Event
from outdial.events import EVENTS, EventData
from outdial.plan import Plan
from outdial.requests import Answer, DialRequest
from outdial.scalars import FORMS

OUTDIAL = "7b1c2d3e-4f50-4a61-9b72-8c83d94ea5f6"
DELETE = {"type": "DeleteOutdial", "outdial_id": OUTDIAL}


def refused(text: bytes) -> wire.Malformed:
    """How a text is refused as a command."""
    with pytest.raises(wire.Malformed) as caught:
        wire.decode_command(text)
    return caught.value


# --- there and back -----------------------------------------------------------------------------


@given(commands)
def test_a_command_comes_back_from_the_wire_as_it_was(command: Command) -> None:
    assert wire.decode_command(wire.encode(command)) == command


@given(commands)
def test_a_command_comes_back_from_plain_values_as_it_was(command: Command) -> None:
    assert wire.command_from(wire.from_json(wire.encode(command))) == command


@given(events)
def test_an_event_comes_back_from_the_wire_as_it_was(event: Event) -> None:
    assert wire.decode_event(wire.encode_event(event)) == event


@given(events)
def test_the_envelope_written_by_hand_is_the_one_of_the_model(event: Event) -> None:
    envelope = CloudEvent.model_validate_json(wire.encode_event(event))

    assert wire.from_json(wire.encode(envelope)) == wire.from_json(wire.encode_event(event))
    assert (envelope.id, envelope.type, envelope.subject, envelope.time) == (event.id, event.type, event.stream, event.time)


@given(event_data)
def test_data_comes_back_from_its_text_as_it_was_and_what_is_absent_is_not_in_it(data: EventData) -> None:
    text = text_of(data)

    assert decoder_of(type(data)).decode(text) == data
    assert wire.from_json(text).keys() == {name for name in data.__struct_fields__ if getattr(data, name) is not None}


@given(of(Answer) | of(DialRequest))
def test_what_goes_out_is_read_by_its_model_as_it_was(message: Answer | DialRequest) -> None:
    assert type(message).model_validate_json(wire.encode(message)) == message


@given(plain)
def test_plain_values_come_back_as_they_were(value: Any) -> None:
    assert wire.from_json(wire.to_json(value)) == value


# --- golden files -------------------------------------------------------------------------------


def test_every_type_of_event_has_its_golden_file_and_none_is_ever_taken_away() -> None:
    assert {file.stem for file in GOLDEN.glob("*.json")} == EVENTS.keys()


@pytest.mark.parametrize("name", EVENTS)
def test_a_golden_event_is_read_for_ever(name: str) -> None:
    event = wire.decode_event(golden(name))

    assert event.type == name
    assert wire.decode_event(wire.encode_event(event)) == event


@pytest.mark.parametrize("name", EVENTS)
def test_nothing_of_a_golden_event_is_lost_on_the_way_through_the_program(name: str) -> None:
    before = json.loads(golden(name))

    after = json.loads(wire.encode_event(wire.decode_event(golden(name))))

    assert _kept(before, after) == before


def _kept(before: Any, after: Any) -> Any:
    """What of ``before`` is in ``after``: a later version may add fields, with defaults, and no more."""
    match before, after:
        case dict(), dict():
            return {key: _kept(inner, after[key]) for key, inner in before.items() if key in after}
        case list(), list() if len(before) == len(after):
            return [_kept(old, new) for old, new in zip(before, after, strict=True)]
        case _:
            return after


@pytest.mark.parametrize("name", EVENTS)
def test_a_reader_of_events_ignores_fields_it_does_not_know(name: str) -> None:
    event = json.loads(golden(name))
    event["later"] = event["data"]["later"] = {"much": "later"}

    assert wire.decode_event(json.dumps(event).encode()) == wire.decode_event(golden(name))


def test_an_event_of_an_unknown_type_or_version_is_refused() -> None:
    for schema in ("outdial/Unheard/1", "outdial/OutdialCreated/2", "elsewhere/OutdialCreated/1"):
        event = json.loads(golden("OutdialCreated")) | {"dataschema": schema}

        with pytest.raises(wire.Malformed, match=schema) as caught:
            wire.decode_event(json.dumps(event).encode())

        assert caught.value.reason == "event_unknown"


# --- every way of being no command --------------------------------------------------------------


@pytest.mark.parametrize("text", [b"", b"{", b"nonsense", b'{"type":"DeleteOutdial",', b"\xff\xfe{}", b'{"type":"\xc3\x28"}', b"[1,2"])
def test_what_is_not_json_is_refused_as_json_invalid(text: bytes) -> None:
    assert refused(text).reason == "json_invalid"


def test_json_of_plain_values_that_is_none_is_refused_as_json_invalid() -> None:
    for text in (b"{", b"[NaN]", b"Infinity", b"\xff"):
        with pytest.raises(wire.Malformed) as caught:
            wire.from_json(text)

        assert caught.value.reason == "json_invalid"


def test_a_command_over_the_limit_is_refused_as_too_large_and_one_at_the_limit_is_not() -> None:
    frame = len(json.dumps(DELETE | {"x_pad": ""}))
    fits = json.dumps(DELETE | {"x_pad": "x" * (wire.MAX_COMMAND_BYTES - frame)}).encode()

    assert len(fits) == wire.MAX_COMMAND_BYTES
    assert wire.decode_command(fits) == wire.command_from(DELETE)
    assert refused(fits + b" ").reason == "too_large"
    assert str(wire.MAX_COMMAND_BYTES) in refused(fits + b" ").message


@pytest.mark.parametrize("value", [{}, {"type": "Unheard"}, {"type": 1}, {"type": None}, {"outdial_id": OUTDIAL}])
def test_a_command_of_no_known_type_is_refused_as_type_unknown_and_the_types_are_named(value: object) -> None:
    found = refused(json.dumps(value).encode())

    assert found.reason == "type_unknown"
    assert "CreateOutdial" in found.message
    assert "RequestDial" not in found.message


@pytest.mark.parametrize("value", [1, [], "DeleteOutdial", None, True, [DELETE]])
def test_json_that_is_no_object_is_refused_as_field_invalid(value: object) -> None:
    assert refused(json.dumps(value).encode()).reason == "field_invalid"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_without_its_stream_is_refused_as_field_missing(name: str) -> None:
    found = refused(json.dumps({"type": name}).encode())

    assert found.reason == "field_missing"
    assert found.message.endswith("is missing")


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (DELETE | {"note": 1}, "note"),
        (DELETE | {"X_note": 1}, "X_note"),
        ({"type": "CreateOutdial", "outdial_id": OUTDIAL, "plan": {"window": []}}, "plan.window"),
        ({"type": "AddTargets", "outdial_id": OUTDIAL, "targets": [{}, {"number": "1"}]}, "targets.1.number"),
    ],
)
def test_a_field_that_a_command_does_not_have_is_refused_by_name(value: object, path: str) -> None:
    found = refused(json.dumps(value).encode())

    assert (found.reason, found.message) == ("unknown_field", f"{path} is not a field here")


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (DELETE | {"outdial_id": "7b1c"}, "outdial_id"),
        (DELETE | {"outdial_id": 7}, "outdial_id"),
        (DELETE | {"id": OUTDIAL + "0"}, "id"),
        (DELETE | {"id": OUTDIAL + "\n"}, "id"),
        (DELETE | {"actor": "a\0b"}, "actor"),
        (DELETE | {"actor": "a" * 256}, "actor"),
        (DELETE | {"time": "yesterday"}, "time"),
        (DELETE | {"time": 1e300}, "time"),
        (DELETE | {"time": 10**30}, "time"),
        ({"type": "CreateOutdial", "outdial_id": OUTDIAL, "detail": "x" * 65_537}, "detail"),
        ({"type": "CreateOutdial", "outdial_id": OUTDIAL, "plan": {"dial_timeout": -1}}, "plan.dial_timeout"),
        ({"type": "CreateOutdial", "outdial_id": OUTDIAL, "plan": {"try_interval": "60000"}}, "plan.try_interval"),
        ({"type": "CreateOutdial", "outdial_id": OUTDIAL, "plan": {"try_interval": 10**40}}, "plan.try_interval"),
        ({"type": "CreateOutdial", "outdial_id": OUTDIAL, "plan": {"max_try_count_0": True}}, "plan.max_try_count_0"),
        ({"type": "CreateOutdial", "outdial_id": OUTDIAL, "plan": {"max_try_count_0": 1.5}}, "plan.max_try_count_0"),
        ({"type": "CreateOutdial", "outdial_id": OUTDIAL, "plan": {"retry_mode": "both"}}, "plan.retry_mode"),
        ({"type": "AddTarget", "outdial_id": OUTDIAL, "destination_0": "+15551230001"}, "destination_0"),
        ({"type": "AddTarget", "outdial_id": OUTDIAL, "priority": 101}, "priority"),
        ({"type": "AddTargets", "outdial_id": OUTDIAL, "targets": [{}] * 501}, "targets"),
        ({"type": "SetCampaignResources", "campaign_id": OUTDIAL}, "the command"),
    ],
)
def test_a_value_that_a_field_cannot_have_is_refused_with_the_path_of_the_field(value: object, path: str) -> None:
    found = refused(json.dumps(value).encode())

    assert found.reason == "field_invalid"
    assert found.message.startswith(f"{path}: ")


def test_a_refusal_never_repeats_the_input() -> None:
    for value in ({"destination_0": {"type": "tel", "target": 15551230001}}, {"name": "Zoë\0"}, {"data": {"secret": "Zoë 15551230001"}}):
        message = refused(json.dumps({"type": "AddTarget", "outdial_id": OUTDIAL} | value).encode()).message

        assert "1555" not in message
        assert "Zo" not in message
        assert "://" not in message


@given(st.binary(max_size=60))
@example(b'{"type":"DeleteOutdial","outdial_id":"' + b"9" * 20 + b'"}')
def test_any_bytes_are_a_command_or_a_refusal_and_never_a_fault(text: bytes) -> None:
    assert refused(text).reason in {"json_invalid", "type_unknown", "field_missing", "field_invalid", "unknown_field"}


@given(st.dictionaries(st.sampled_from(["type", "outdial_id", "targets", "plan", "x_a"]), plain))
def test_any_object_is_a_command_or_a_refusal_and_never_a_fault(value: dict[str, Any]) -> None:
    with suppress(wire.Malformed):
        assert wire.decode_command(json.dumps(value).encode()).stream


# --- reading a command --------------------------------------------------------------------------


@given(commands, plain)
def test_fields_of_ones_own_are_allowed_at_every_depth_and_dropped(command: Command, value: Any) -> None:
    sent = wire.from_json(wire.encode(command)) | {"x_own": value}
    for part in (sent.get("plan"), sent.get("resources"), *sent.get("targets", ())):
        if part is not None:
            part["x_own"] = value

    assert wire.decode_command(json.dumps(sent).encode()) == command


def test_an_id_in_capitals_is_the_same_id() -> None:
    assert wire.command_from(DELETE | {"outdial_id": OUTDIAL.upper()}) == wire.command_from(DELETE)


def test_an_empty_address_is_no_address() -> None:
    for empty in ({}, {"type": "", "target": ""}, {"name": "nobody"}, None):
        command = wire.command_from({"type": "AddTarget", "outdial_id": OUTDIAL, "destination_0": empty})

        assert command == AddTarget(outdial_id=OUTDIAL)


def test_duplicates_are_accepted_one_at_a_time_and_skipped_in_bulk() -> None:
    one = wire.command_from({"type": "AddTarget", "outdial_id": OUTDIAL})
    many = wire.command_from({"type": "AddTargets", "outdial_id": OUTDIAL, "targets": [{}]})

    assert isinstance(one, AddTarget)
    assert one.on_duplicate == "accept"
    assert isinstance(many, AddTargets)
    assert (many.on_duplicate, many.targets, many.dry_run) == ("skip", (NewTarget(),), False)


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("normal", "other"),
        ("noanswer", "no_answer"),
        ("dialout", "no_answer"),
        ("amd", "machine"),
        ("cancel", "canceled"),
        ("timeout", "answered"),
        ("busy", "busy"),
        ("not_dialed", "not_dialed"),
    ],
)
def test_a_hangup_reason_of_voipbin_is_an_outcome(word: str, outcome: str) -> None:
    command = wire.command_from({"type": "DialResult", "outdial_id": OUTDIAL, "target_id": OUTDIAL, "attempt_id": OUTDIAL, "outcome": word})

    assert isinstance(command, DialResult)
    assert command.plain_outcome == outcome


# --- who may send what --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        {"type": "StartDialing", "outdial_id": OUTDIAL, "campaign_id": OUTDIAL},
        {"type": "StartDialing", "outdial_id": OUTDIAL, "run": 1},
        {"type": "StartDialing", "outdial_id": OUTDIAL, "chain": [OUTDIAL]},
        {"type": "StartDialing", "outdial_id": OUTDIAL, "campaign_type": "call"},
        {"type": "StopDialing", "outdial_id": OUTDIAL, "campaign_id": OUTDIAL},
        {"type": "StopDialing", "outdial_id": OUTDIAL, "run": 1},
        {"type": "RunCampaign", "campaign_id": OUTDIAL, "chain": []},
        {"type": "RequestDial", "outdial_id": OUTDIAL, "target_id": OUTDIAL},
    ],
)
def test_the_form_a_command_has_between_streams_is_the_ledgers_own(value: dict[str, Any]) -> None:
    assert wire.command_from(value).from_ledger_only


@pytest.mark.parametrize(
    "value", [{"type": "StartDialing", "outdial_id": OUTDIAL}, {"type": "RunCampaign", "campaign_id": OUTDIAL}, DELETE]
)
def test_a_plain_command_is_anybodys(value: dict[str, Any]) -> None:
    assert not wire.command_from(value).from_ledger_only


def test_the_types_a_user_may_send_are_those_the_ledger_does_not_keep_to_itself() -> None:
    assert {name for name, model in COMMANDS.items() if not model.internal} == set(wire.public_types())


@given(commands)
def test_a_command_names_its_stream_and_the_kind_of_it(command: Command) -> None:
    assert command.kind in get_args(Kind)
    assert len(command.subject) == len(OUTDIAL)
    assert command.stream.startswith(command.subject)


# --- what makes a repeat ------------------------------------------------------------------------


@given(commands)
def test_the_content_of_a_command_is_the_same_whoever_sends_it_and_when(command: Command) -> None:
    sender = {"id": None, "actor": "somebody else", "time": 0, "customer_id": None}
    again = command.model_copy(update={field: value for field, value in sender.items() if field != getattr(command, "stream_field", "")})

    assert wire.content_hash(again) == wire.content_hash(command)
    assert len(wire.content_hash(command)) == len("0f1e2d3c4b5a6978")


def test_other_content_is_another_hash() -> None:
    hashes = {
        wire.content_hash(command)
        for command in (
            CreateOutdial(outdial_id=OUTDIAL),
            CreateOutdial(outdial_id=OUTDIAL, name="June"),
            CreateOutdial(outdial_id=OUTDIAL, detail="June"),
            CreateOutdial(outdial_id=OUTDIAL, plan=Plan()),
            CreateOutdial(outdial_id=OUTDIAL, plan=Plan(max_try_count_0=1)),
            AddTarget(outdial_id=OUTDIAL),
            AddTarget(outdial_id=OUTDIAL, destination_0=Address(type="tel", target="+15551230001")),
        )
    }

    assert len(hashes) == 7


def test_a_default_that_is_written_out_is_the_same_content() -> None:
    bare = wire.command_from({"type": "CreateOutdial", "outdial_id": OUTDIAL})

    assert wire.content_hash(bare) == wire.content_hash(wire.command_from({"type": "CreateOutdial", "outdial_id": OUTDIAL, "name": ""}))


def patterns_in(schema: Any) -> set[str]:
    """Every pattern in a JSON Schema."""
    match schema:
        case dict():
            own = {schema["pattern"]} if isinstance(schema.get("pattern"), str) else set()
            return own.union(*map(patterns_in, schema.values()))
        case list():
            return set().union(*map(patterns_in, schema))
        case _:
            return set()


@pytest.mark.parametrize("name", wire.public_types())
def test_nobody_is_shown_a_pattern(name: str) -> None:
    """What a text must be is said in words."""
    assert patterns_in(COMMANDS[name].model_json_schema()) <= {*FORMS}


def test_an_id_that_is_none_is_refused_in_words() -> None:
    why = refused(b'{"type":"StartDialing","outdial_id":"%s","outplan_id":"nope"}' % OUTDIAL.encode())
    assert (why.reason, why.pointer) == ("field_invalid", "/outplan_id")
    assert why.message == "outplan_id: must be a UUID, like 7f1b1c5e-0000-4000-8000-000000000001"


# --- where it is wrong --------------------------------------------------------------------------


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value within a message, but for its type."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        if (*way, key) != ("type",):
            yield (*way, key)
            yield from places(one, (*way, key))


def put(value: Any, way: tuple[Any, ...], new: Any) -> Any:
    """The message with another value at a place."""
    if not way:
        return new
    if isinstance(value, dict):
        return {**value, way[0]: put(value.get(way[0]), way[1:], new)}
    return [put(one, way[1:], new) if index == way[0] else one for index, one in enumerate(value)]


def pointer(way: tuple[Any, ...]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in way)


WRONG: tuple[Any, ...] = (True, 5, -1, 1.5, "", "literal['x']", [], ["x"], [-1], {}, {"x": 1}, {"literal[x]": 1}, {"DialResult": 1}, "\0")


def wrong_at(sent: Any) -> str | None:
    """Where a message is wrong, by its refusal."""
    with suppress(wire.Malformed):
        wire.decode_command(json.dumps(sent).encode())
        return None
    why = refused(json.dumps(sent).encode())
    return why.pointer if why.pointer is None or why.reason != "field_missing" else why.pointer.rpartition("/")[0]


@pytest.mark.parametrize("name", sorted(wire.public_types()))
def test_the_pointer_leads_to_what_is_wrong_in_every_field_of_every_command(name: str) -> None:
    messages = json.loads((ROOT / "schemas" / "json" / "asyncapi.json").read_text(encoding="utf-8"))["components"]["messages"]
    sent = messages[f"commands.{name}"]["examples"][0]["payload"]
    for way in [*places(sent), *((field,) for field in COMMANDS[name].model_fields if field not in ("type", *sent))]:
        for wrong in WRONG:
            changed = put(sent, way, wrong)
            assert wrong_at(changed) in {None, "", *map(pointer, places(changed))}, way


def test_an_outcome_that_is_none_is_named_by_its_field() -> None:
    why = refused(
        json.dumps({"type": "DialResult", "attempt_id": OUTDIAL, "outdial_id": OUTDIAL, "target_id": OUTDIAL, "outcome": "x"}).encode()
    )

    assert (why.reason, why.pointer) == ("field_invalid", "/outcome")
    assert why.message.startswith("outcome: Input should be 'answered'")


def test_an_unknown_field_is_named_as_it_was_sent() -> None:
    for name in ("literal['x']", "DeleteOutdial", "a/b~c"):
        why = refused(json.dumps({**DELETE, name: 1}).encode())
        assert (why.reason, why.pointer) == ("unknown_field", "/" + name.replace("~", "~0").replace("/", "~1"))


@pytest.mark.parametrize(
    "text", [b"", b"\xff\xfe", b"[]", b"{}", b'{"subject":"\xff"}', b"[" * 100_000, b'{"data":' * 5_000, b'{"subject":1}', b"null"]
)
def test_what_is_no_event_is_refused_and_not_taken_for_a_newer_one(text: bytes) -> None:
    with pytest.raises(wire.Malformed) as refused:
        wire.decode_event(text)
    assert refused.value.reason == "event_invalid"


@pytest.mark.parametrize("time", ["5", "[]", "{}", "null", "true", '"x"', '"2026-13-01T00:00:00Z"', "1e400"])
def test_an_instant_of_an_event_is_the_text_of_one(time: str) -> None:
    event = json.loads(golden("DialAnswered"))
    for part in (event, event["data"]):
        name = "time" if part is event else "expires_at"
        text = json.dumps({**event, "data": {**event["data"], name: "?"}} if part is not event else {**event, name: "?"})
        with pytest.raises(wire.Malformed) as refused:
            wire.decode_event(text.replace('"?"', time).encode())
        assert refused.value.reason == "event_invalid"
