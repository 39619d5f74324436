from pathlib import Path

import aiosqlite
import pytest

from outdial.views.rows import MAX_PARAMETERS, MAX_ROWS, run, writes

STATEMENT = "INSERT INTO number (value, width) SELECT * FROM {rows} WHERE column1 IS NOT NULL"


@pytest.mark.parametrize("many", [0, 1, 2, 3, 5, 64, 1_000, 1_024, 1_025, 3_000])
async def test_every_row_is_written_and_none_of_the_padding(tmp_path: Path, many: int) -> None:
    async with aiosqlite.connect(tmp_path / "rows.db", isolation_level=None) as db:
        await db.execute("CREATE TABLE number (value INTEGER, width INTEGER)")

        await run(db, [*writes(STATEMENT, 2, [(value, None) for value in range(many)])])

        [(count, total)] = await db.execute_fetchall("SELECT count(*), coalesce(sum(value), 0) FROM number")
    assert (count, total) == (many, many * (many - 1) // 2)


async def test_wide_rows_stay_below_what_sqlite_takes(tmp_path: Path) -> None:
    width = 40
    columns = ",".join(f"c{column}" for column in range(width))
    async with aiosqlite.connect(tmp_path / "rows.db", isolation_level=None) as db:
        await db.execute(f"CREATE TABLE wide ({columns})")
        assert width * MAX_ROWS > MAX_PARAMETERS

        await run(db, [*writes("INSERT INTO wide SELECT * FROM {rows} WHERE column1 IS NOT NULL", width, [(1,) * width] * 1_500)])

        [(count,)] = await db.execute_fetchall("SELECT count(*) FROM wide")
    assert count == 1_500
