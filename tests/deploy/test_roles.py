"""What the services of docker-compose.yml are called with: verbs and settings of this program."""

import pytest
import typer

from deploy.files import OURS, command, image_environment
from outdial.doors.cli.main import application
from outdial.doors.cli.names import unknown_names


def verb(words: list[str]) -> object:
    """The verb some words call, or None."""
    found: object = typer.main.get_command(application())
    for word in words:
        found = getattr(found, "commands", {}).get(word)
    return found


@pytest.mark.parametrize("name", OURS)
def test_a_service_calls_a_verb_there_is(name: str) -> None:
    assert verb(command(name)) is not None


@pytest.mark.parametrize("name", OURS)
def test_a_service_is_told_settings_there_are(name: str) -> None:
    assert unknown_names(OURS[name]["environment"] | image_environment()) == {}
