"""Write again every file that is made from the code. `make docs` runs this; tests/test_docs.py compares."""

from pathlib import Path

import reasons
from outdial import export
from pictures import target_picture

ROOT = Path(__file__).parents[1]
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
    files[ROOT / "docs" / "target.md"] = TARGET.format(picture=target_picture()).encode()
    files[ROOT / "docs" / "reasons.md"] = reasons.page().encode()
    return files


def main() -> None:
    """Write them all and say how many changed."""
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
