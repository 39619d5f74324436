"""What goes out for a call: every field of a dial request, as the published shape has it."""

import pytest

from outdial.address import Address
from outdial.commands import AddTarget, Command, CreateOutdial
from outdial.dialing.fingerprints import fingerprint_of
from outdial.dialing.ledger import Ledger
from outdial.ids import derived
from outdial.plan import Plan
from outdial.requests import DialRequest
from outdial.wire import encode

NOW = 1_795_238_000_000_000
NAMES = "6c1f0e0a-0000-4000-8000-000000000000"
OUTDIAL, TARGET, CUSTOMER = (derived(NAMES, name) for name in ("outdial", "target", "customer"))
SOURCE = Address(type="tel", target="+15550009999", target_name="Us", name="Line 1", detail='our "own"')


def requested(target: AddTarget, plan: Plan) -> tuple[str, bytes]:
    """The request of the first call to a target."""
    ledger = Ledger(fingerprint_of(b"key"), "key")
    create: Command = CreateOutdial(id=derived(NAMES, "1"), outdial_id=OUTDIAL, customer_id=CUSTOMER, plan=plan)
    for command in (create, target.model_copy(update={"id": derived(NAMES, "2"), "customer_id": CUSTOMER})):
        ledger.decide(command, NOW)
    [effects] = ledger.tick(NOW, NOW, 10)
    [request] = effects.requests
    return request


@pytest.mark.parametrize(
    "fields",
    [
        {"destination_0": Address(type="tel", target="+15550000001")},
        {"destination_0": Address(type="tel", target="+1 (555) 000-0002", target_name="Ann", name="mobile", detail="after 5")},
        {
            "destination_1": Address(type="sip", target="sip:ann@example.com"),
            "name": "Ann \u00d6 \U0001f600",
            "detail": 'a "quote"',
            "data": '{"a": 1}',
        },
        {"destination_0": Address(type="email", target="Ann@Example.COM"), "name": "line\nbreak"},
    ],
)
@pytest.mark.parametrize("plan", [Plan(max_try_count_0=1, max_try_count_1=1), Plan(max_try_count_0=2, max_try_count_1=2, source=SOURCE)])
def test_a_request_on_the_wire_is_its_published_shape_to_the_byte(fields: dict[str, object], plan: Plan) -> None:
    target_id, text = requested(AddTarget.model_validate({"outdial_id": OUTDIAL, "target_id": TARGET, **fields}), plan)
    told = DialRequest.model_validate_json(text)
    assert encode(told) == text
    assert (target_id, told.outdial_id, told.customer_id, told.source) == (TARGET, OUTDIAL, CUSTOMER, plan.source)
    assert (told.name, told.detail, told.data) == tuple(fields.get(name, "") for name in ("name", "detail", "data"))
    given = next(address for address in fields.values() if isinstance(address, Address))
    assert told.destination.model_copy(update={"target": given.target}) == given


def test_a_request_names_a_number_in_its_normal_form() -> None:
    target = AddTarget(outdial_id=OUTDIAL, target_id=TARGET, destination_0=Address(type="tel", target="+1 (555) 000-0002"))
    assert DialRequest.model_validate_json(requested(target, Plan(max_try_count_0=1))[1]).destination.target == "+15550000002"
