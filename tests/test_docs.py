"""What is made from the code is as the code is now."""

import sys
from collections.abc import Iterator

import pytest

from messages import ROOT


@pytest.fixture
def _docs_importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    yield
    for name in ("generate", "pictures", "reasons", "whywords"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("_docs_importable")
def test_every_generated_file_is_as_the_code_would_write_it_now() -> None:
    from generate import generated  # noqa: PLC0415  the folder is on the path only here

    stale = [path.relative_to(ROOT).as_posix() for path, text in generated().items() if not path.exists() or path.read_bytes() != text]

    assert stale == [], "run `make docs`"
