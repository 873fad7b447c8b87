"""``kamiyo retention``, in a process of its own, on a real database."""

from pathlib import Path

import msgspec

from kamiyo.storage.journal import PostgresJournal
from kamiyo.storage.pool import open_pool
from tests.builders import a_batch, a_liquidated_fill
from tests.integration.cli.server import kamiyo


async def test_it_says_what_goes_next_and_changes_nothing(own_database_url: str, tmp_path: Path) -> None:
    """For people as a table, for machines as JSON, by the settings in force."""
    async with open_pool(own_database_url, size=1) as pool:
        await PostgresJournal(pool).write(a_batch(events=(a_liquidated_fill(),)))
    (tmp_path / "kamiyo.toml").write_text(
        '[retention.liquidations]\nkeep = "24 months"\nexport_to = "/archive"\n', encoding="utf-8"
    )
    told = kamiyo("retention", "--json", cwd=tmp_path, KAMIYO_DATABASE_URL=own_database_url)
    assert (told.returncode, told.stderr) == (0, "")
    found = {each["dataset"]: each for each in msgspec.json.decode(told.stdout)}
    liquidations = found["liquidations"]
    assert {name: liquidations[name] for name in ("keep", "export_to", "oldest_month", "goes_at")} == {
        "keep": "24 months",
        "export_to": "/archive",
        "oldest_month": "2025-10-01T00:00:00Z",
        "goes_at": "2027-11-01T00:00:00Z",
    }
    assert found["ledger_movements"]["goes_at"] is None
    table = kamiyo("retention", cwd=tmp_path, KAMIYO_DATABASE_URL=own_database_url, COLUMNS="200")
    assert table.returncode == 0
    assert "2027-11-01" in table.stdout
    async with open_pool(own_database_url, size=1) as pool:
        assert await pool.fetchval("SELECT count(*) FROM liquidations") == 1
        assert await pool.fetchval("SELECT count(*) FROM retained") == 0


def test_a_policy_that_cannot_be_followed_is_named(tmp_path: Path) -> None:
    """It ends with 3 before any database is asked."""
    run = kamiyo(
        "retention",
        cwd=tmp_path,
        KAMIYO_DATABASE_URL="postgresql://x@127.0.0.1:9/x",
        KAMIYO__RETENTION__LIQUIDATIONS__KEEP="1 month",
    )
    assert run.returncode == 3
    assert "retention.liquidations.keep" in run.stderr
