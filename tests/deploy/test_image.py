"""The image: locked, small, and run by nobody in particular."""

import re
from pathlib import Path

from deploy.files import DOCKERFILE, image_environment
from messages import ROOT
from outdial.doors.cli.names import unknown_names

STAGES = re.split(r"^FROM ", DOCKERFILE, flags=re.MULTILINE)[1:]


def test_it_is_built_in_one_stage_and_run_in_another() -> None:
    build, final = STAGES

    assert "pip" in build
    assert "pip" not in final
    assert len({stage.split()[0] for stage in STAGES}) == 1


def test_the_python_is_one_the_project_allows_and_slim() -> None:
    found = re.search(r"^ARG PYTHON=(\d+)\.(\d+)-slim-[a-z]+$", DOCKERFILE, re.MULTILINE)

    assert found is not None
    assert (int(found[1]), int(found[2])) >= (3, 11)


def test_only_locked_wheels_come_in_and_nothing_is_compiled() -> None:
    installs = [line for line in STAGES[0].splitlines() if " install " in line]

    assert len(installs) == 2
    assert "--require-hashes -r requirements.lock" in installs[0]
    assert "--only-binary :all:" in installs[0]
    assert "--no-deps dist/outdial-*.whl" in installs[1]
    assert "apt-get" not in DOCKERFILE
    assert DOCKERFILE.count("pip --python /opt/outdial/bin/python wheel") == 1


def test_it_runs_as_a_number_that_is_not_root() -> None:
    users = re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE)

    assert len(users) == 1
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", users[0])
    assert f"install -d -o {users[0].partition(':')[0]} " in DOCKERFILE


def test_it_starts_the_program_and_compose_asks_for_its_health() -> None:
    assert 'ENTRYPOINT ["outdial"]' in DOCKERFILE
    assert "HEALTHCHECK" not in DOCKERFILE


def test_what_it_sets_are_settings() -> None:
    assert unknown_names(image_environment()) == {}
    assert image_environment()["OUTDIAL_DATA"] == "/data"
    assert "VOLUME /data" in DOCKERFILE


def test_what_it_copies_is_there_and_is_let_through() -> None:
    copied = [source for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE) for source in line.split()[:-1]]
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = [line[1:] for line in ignored if line.startswith("!")]

    assert "*" in ignored
    assert set(copied) == {Path(name).parts[0] for name in allowed}
    assert all((ROOT / name).exists() for name in allowed)
    assert not any(name.startswith(".env") for name in allowed)
