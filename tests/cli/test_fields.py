"""Fields as they are typed."""

import pytest
import typer

from outdial.doors.cli.fields import address, caps, milliseconds
from outdial.doors.cli.output import cell


@pytest.mark.parametrize(
    ("text", "duration"),
    [("1500", 1_500), ("250ms", 250), ("30s", 30_000), ("1.5m", 90_000), ("2h", 7_200_000), ("1d", 86_400_000), ("0", 0)],
)
def test_a_duration_has_a_unit_or_is_milliseconds(text: str, duration: int) -> None:
    assert milliseconds(text) == duration


@pytest.mark.parametrize("text", ["", "soon", "-1", "1w", "1 2", "1e3", "s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="duration"):
        milliseconds(text)


def test_tries_fill_the_destinations_in_order() -> None:
    assert list(caps("3,2").values()) == [3, 2, 0, 0, 0]
    for text in ("", "a", "1,,2", "-1", "1,2,3,4,5,6"):
        with pytest.raises(typer.BadParameter):
            caps(text)


@pytest.mark.parametrize(
    ("text", "kind", "target"),
    [
        ("+12025550123", "tel", "+12025550123"),
        ("sip:ann@example.org", "sip", "sip:ann@example.org"),
        ("ann@example.org", "email", "ann@example.org"),
        ("extension:40bea034-1d17-474d-a5de-da00d0861c69", "extension", "40bea034-1d17-474d-a5de-da00d0861c69"),
        ("tel:+12025550123", "tel", "+12025550123"),
    ],
)
def test_an_address_is_known_by_its_look_or_its_type(text: str, kind: str, target: str) -> None:
    assert address(text) == {"type": kind, "target": target}


def test_an_address_that_cannot_be_told_is_refused() -> None:
    with pytest.raises(typer.BadParameter):
        address("ann")


def test_cells_show_nothing_as_a_dash_and_an_address_as_its_endpoint() -> None:
    nothing: list[object] = [None, "", "00000000-0000-0000-0000-000000000000", []]
    values = [*nothing, True, 0, {"type": "tel", "target": "+1", "name": ""}, {"a": 1}]
    assert [cell(value) for value in values] == ["-", "-", "-", "-", "yes", "0", "+1", '{"a":1}']
