"""Write again every file that is made from the code. `make docs` runs this; tests/test_docs.py compares."""

import json
from pathlib import Path

import reasons
import whywords
from outdial import asyncapi, export
from outdial.doors.api import openapi
from outdial.doors.api.app import routes_alone
from pictures import target_picture

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden" / "events"
EXAMPLES = ROOT / "schemas" / "outdial" / "examples.json"
TARGET = """# The life of a target

Made by `make docs`: a target is walked through its life some hundred times, and every step the ledger
was seen to take is drawn. The rules stand at the top of `services/outdial/dialing/target.py`.

```mermaid
{picture}
```
"""


def generated() -> dict[Path, bytes]:
    """Every generated file with what it should hold."""
    files = {ROOT / "schemas" / "json" / path: text for path, text in export.documents().items()}
    files[EXAMPLES] = _examples()
    files[ROOT / "schemas" / "json" / "asyncapi.json"] = asyncapi.asyncapi_document()
    files[ROOT / "schemas" / "json" / "openapi.json"] = openapi.text(routes_alone())
    files[ROOT / "docs" / "target.md"] = TARGET.format(picture=target_picture()).encode()
    files[ROOT / "docs" / "reasons.md"] = reasons.page().encode()
    files[ROOT / "docs" / "why.md"] = whywords.page().encode()
    return files


def _examples() -> bytes:
    """The golden event of every type, one a line: what the program shows of them must not stand among the tests alone."""
    events = {file.stem: json.loads(file.read_text("utf-8")) for file in sorted(GOLDEN.glob("*.json"))}
    lines = (f"{json.dumps(name)}: {json.dumps(event, ensure_ascii=False, separators=(',', ':'))}" for name, event in events.items())
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def main() -> None:
    """Write them all and say how many changed."""
    EXAMPLES.write_bytes(_examples())  # the documents are made from it
    files = generated()
    changed = [path for path, text in files.items() if not path.exists() or path.read_bytes() != text]
    export.write(ROOT / "schemas" / "json")
    for path in changed:
        path.write_bytes(files[path])
    for path in changed:
        print(path.relative_to(ROOT))
    print(f"{len(files)} generated files, {len(changed)} changed")


if __name__ == "__main__":
    main()
