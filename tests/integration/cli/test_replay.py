"""``kamiyo replay`` on real recordings, in a process of its own, on a real database."""

import asyncio
import gzip
from pathlib import Path

import asyncpg
import msgspec
import pytest

from kamiyo.kit.recordings import read_lines
from tests.integration.cli.server import kamiyo

BLOCKS = "hl-node-fills-2025-10-27"
RECORDING = "node_fills_by_block_20251027_1700.jsonl.zst"
FILLS = {"total": 4924, "ordinary": 4922, "liquidated": 2, "underwater": 0, "refused": 0, "duplicate": 0}


def test_the_recorded_blocks_are_accounted_for(shared_data: Path, postgres_url: str, tmp_path: Path) -> None:
    """The folder gives 700 payloads, 4,924 fills and one liquidation, as one JSON object."""
    run = kamiyo(
        "replay", str(shared_data / BLOCKS), "--json", cwd=tmp_path, KAMIYO_DATABASE_URL=postgres_url
    )
    assert (run.returncode, run.stderr) == (0, "")
    answer = msgspec.json.decode(run.stdout)
    assert (answer["payloads"], answer["fills"], answer["duplicates"]) == (700, FILLS, 0)
    assert (answer["events"], answer["rejects"]) == ({"LiquidatedFill": 2}, {})
    assert (answer["findings"], answer["gaps"]) == ([], 0)
    [liquidation] = answer["liquidations"]
    assert (liquidation["asset"], liquidation["side"], liquidation["method"]) == ("WLFI", "short", "market")
    assert (liquidation["size"], liquidation["liquidation_price"]) == ("890", "0.15327")
    assert liquidation["metadata"]["fill_directions"] == ["Close Short"]


def test_packing_and_batch_size_change_nothing(shared_data: Path, postgres_url: str, tmp_path: Path) -> None:
    """The same blocks packed by gzip, in batches of 7, say the same; the store is gone afterwards."""
    found = [line for _offset, line in read_lines(shared_data / BLOCKS / RECORDING)]
    recording = tmp_path / "blocks.gz"
    recording.write_bytes(gzip.compress(b"\n".join(found)))
    runs = [
        kamiyo(
            "replay",
            str(recording),
            "--json",
            "--batch",
            batch,
            cwd=tmp_path,
            KAMIYO_DATABASE_URL=postgres_url,
        )
        for batch in ("7", "1000")
    ]
    answers = [msgspec.json.decode(run.stdout) for run in runs]
    for answer in answers:
        del answer["seconds"]
    assert answers[0] == answers[1]
    assert answers[0]["fills"] == FILLS
    assert asyncio.run(_throwaway_databases(postgres_url)) == []


async def _throwaway_databases(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT datname FROM pg_database WHERE datname LIKE 'kamiyo_throwaway%'")
    await connection.close()
    return [row[0] for row in rows]


def test_people_get_tables(postgres_url: str, tmp_path: Path) -> None:
    """Sums that add up, rejects by rule, and a total for each method."""
    recording = tmp_path / "recording.jsonl"
    recording.write_bytes(b'{"block_number":1,"events":[]}\nnot a payload\n')
    run = kamiyo("replay", str(recording), cwd=tmp_path, KAMIYO_DATABASE_URL=postgres_url)
    assert (run.returncode, run.stderr) == (0, "")
    assert "Fills, all accounted for:" in run.stdout
    assert "unknown_stream" in run.stdout
    assert all(f"\n{method} " in run.stdout for method in ("market", "backstop", "adl"))


@pytest.mark.parametrize(
    ("name", "message"), [("missing", "there is no "), ("folder", "there is no recording in ")]
)
def test_nothing_to_replay_is_wrong_usage(name: str, message: str, tmp_path: Path) -> None:
    """One line says what is not there, and the code is 2, before any engine is started."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "SOURCE.md").touch()
    run = kamiyo("replay", str(tmp_path / name), cwd=tmp_path, KAMIYO_HOME=str(tmp_path / "home"))
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == f"kamiyo: {message}{tmp_path / name}\n"
    assert not (tmp_path / "home").exists()


def test_a_damaged_recording_is_one_line(postgres_url: str, tmp_path: Path) -> None:
    """It names the file, and the code is 1."""
    recording = tmp_path / "cut.gz"
    recording.write_bytes(gzip.compress(b"x" * 1000)[:-8])
    run = kamiyo("replay", str(recording), "--json", cwd=tmp_path, KAMIYO_DATABASE_URL=postgres_url)
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == "kamiyo: cut.gz ends in the middle of its packing\n"


def test_a_database_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """The code is 4: trying again may work."""
    recording = tmp_path / "recording"
    recording.touch()
    url = "postgresql://kamiyo@127.0.0.1:1/x"
    run = kamiyo("replay", str(recording), cwd=tmp_path, KAMIYO_DATABASE_URL=url)
    assert (run.returncode, run.stdout) == (4, "")
    assert run.stderr.startswith("kamiyo: ")
    assert run.stderr.count("\n") == 1
