"""``kamiyo export`` against a KAMIYO that runs as a user runs it: the worker is a process of its own."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import msgspec
import pytest

from kamiyo.kit.parquet import metadata_of
from tests.integration.cli.server import started, wait_until_serving
from tests.integration.cli.test_server_commands import Site

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow]


@pytest.fixture
def serving(tmp_path: Path, empty_database_url: str, redis_url: str) -> Iterator[Site]:
    """Give an installation that serves the catalogue."""
    site = Site(tmp_path, empty_database_url, redis_url)
    with started("run", output=site.folder / "run.log", settings=site.settings):
        wait_until_serving(site.server)
        yield site


def test_a_list_becomes_a_file(serving: Site) -> None:
    """In every format, checked, with what is known of its rows, and nothing is left on the server."""
    done = serving.ask("export", "exploits", "--output", "cases.parquet", "--filter", "kind=incident")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("cases.parquet: ")
    assert "coverage: curated" in done.stdout
    path = serving.folder / "cases.parquet"
    with duckdb.connect() as connection:
        count, kinds, kind = connection.execute(
            f"SELECT count(*), list(DISTINCT kind), typeof(max(amount_usd)) FROM '{path}'"
        ).fetchone() or (0, [], "")
    assert (count > 10, kinds, kind) == (True, ["incident"], "DECIMAL(38,18)")
    assert metadata_of(path)["kamiyo.filters"] == '{"kind":"incident"}'

    done = serving.ask(
        "export", "exploits", "--format", "csv", "--filter", "kind=incident", "--keep", "--json"
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = msgspec.json.decode(done.stdout)
    assert (told["file"], told["rows"], told["state"]) == ("exploits.csv", count, "done")
    beside = msgspec.json.decode((serving.folder / "exploits.csv.metadata.json").read_bytes())
    assert beside == told["metadata"]
    kept = [each.name for each in (serving.folder / "home" / "exports").rglob("*.*")]
    assert kept == ["exploits.csv"]  # of the two exports the one that was to be kept
    left = {each.name for each in serving.folder.glob("*exploits*")} | {"cases.parquet"}
    assert left == {"cases.parquet", "exploits.csv", "exploits.csv.metadata.json"}

    check_what_cannot_be_exported(serving)
    none = serving.ask("export", "liquidations", "--format", "ndjson", "--overwrite")
    assert (none.returncode, (serving.folder / "liquidations.ndjson").read_bytes()) == (0, b"")
    assert "warning: no source of liquidations" in none.stdout


def check_what_cannot_be_exported(serving: Site) -> None:
    again = serving.ask("export", "exploits", "--format", "csv")
    assert (again.returncode, "is there" in again.stderr) == (2, True)
    wrong = serving.ask("export", "liquidations", "--min-usd", "much")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert not (serving.folder / "liquidations.parquet").exists()
