"""The questions the pages put to an exported file are answered."""

import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from kamiyo.kit.clock import SystemClock
from kamiyo.storage.exports import PostgresExports
from tests.exporting import ask, policy, store_fills, write

REPOSITORY = Path(__file__).resolve().parents[3]
PAGES = ("docs/index.md", "docs/howto/export-and-query.md")


def questions(page: str) -> list[str]:
    text = (REPOSITORY / page).read_text()
    assert "./dev kamiyo export liquidations --output liquidations.parquet" in text
    return re.findall(r"^```sql\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture
async def answers(pool, tmp_path, monkeypatch) -> dict[str, list[list[tuple[Any, ...]]]]:
    """Give what DuckDB answers to each page, in the folder of an exported file."""
    await store_fills(pool, 9)
    exports = PostgresExports(pool, SystemClock(), policy(tmp_path))
    done = await write(pool, exports, SystemClock(), await ask(exports, "liquidations", "parquet"))
    done.path.rename(tmp_path / "liquidations.parquet")
    monkeypatch.chdir(tmp_path)
    with duckdb.connect() as connection:
        return {
            page: [connection.execute(question).fetchall() for question in questions(page)] for page in PAGES
        }


async def test_every_question_has_an_answer(answers, pool) -> None:
    """The first ones are the same, and their sums are the database's own, to the last digit."""
    [first] = answers["docs/index.md"]
    same, known = answers["docs/howto/export-and-query.md"]
    assert first == same
    async with pool.acquire() as connection:
        total = await connection.fetchrow(
            "SELECT method, count(*), sum(amount_usd) FROM liquidations GROUP BY 1"
        )
    assert [tuple(row[1:]) for row in first] == [tuple(total)]
    assert {key for key, _value in known} == {
        "kamiyo.coverage_label", "kamiyo.as_of", "kamiyo.filters", "kamiyo.warnings", "kamiyo.gaps",
    }  # fmt: skip
