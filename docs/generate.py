"""Write again every file that is made from the code. `make docs` runs this; tests compare."""

from pathlib import Path

from outdial import export

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Write them all and say how many."""
    written = export.write(ROOT / "schemas" / "json")
    print(f"schemas/json: {len(written)} files")


if __name__ == "__main__":
    main()
