"""A worker killed with no warning, at every stage: the next one finishes its work and nobody can tell."""

import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import msgspec
import pytest

from kamiyo.storage.pool import Pool
from tests.conftest import REPOSITORY
from tests.fakes import Stored
from tests.replaying import check, payloads
from tests.stored import stored_in

SIZE = 3
STAGES = [
    ("read", 1),
    ("read", 8),
    ("normalize", 5),
    ("before_write", 1),
    ("before_write", 3),
    ("statement", 1),  # while partitions are made
    ("statement", 25),
    ("statement", 50),
    ("statement", 75),
    ("commit", 3),
    ("commit", 5),
    ("committed", 3),
    ("committed", 5),
    ("before_remember", 2),
    ("between_batches", 3),
]


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """Give the folder of a node that has written two hours."""
    folder = tmp_path / "node_fills_by_block" / "hourly" / "20251010"
    folder.mkdir(parents=True)
    lines = [line for seed in range(4) for line in payloads(Random(seed))]
    half = len(lines) // 2
    for hour, part in ((20, lines[:half]), (21, lines[half:])):
        (folder / str(hour)).write_bytes(b"".join(line + b"\n" for line in part))
    return tmp_path


def drive(database_url: str, home: Path, stage: str, nth: int) -> int:
    command = [sys.executable, "-m", "tests.faults.driver", "--database", database_url, "--home", str(home)]
    done = subprocess.run(
        [*command, "--stage", stage, "--nth", str(nth), "--size", str(SIZE)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_worker_killed_at_any_stage_leaves_no_trace(
    pool: Pool, database_url: str, node: Path
) -> None:
    """Killed at each stage and begun again, the worker ends in the rows of an uninterrupted run."""
    assert drive(database_url, node, "never", 1) == 0
    expected = await stored_in(pool)
    assert len(expected.liquidations) > 5
    for stage, nth in STAGES:
        await _empty(pool)
        assert drive(database_url, node, stage, nth) == -signal.SIGKILL, stage
        assert await stored_in(pool) != expected
        assert drive(database_url, node, "never", 1) == 0
        check(_without_clocks(await stored_in(pool)), _without_clocks(expected))


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_worker_killed_again_and_again_gets_there(pool: Pool, database_url: str, node: Path) -> None:
    """A worker that lives for one batch at a time still reaches the end, and the same rows."""
    assert drive(database_url, node, "never", 1) == 0
    expected = await stored_in(pool)
    await _empty(pool)
    for _ in range(30):
        if drive(database_url, node, "before_remember", 2) == 0:
            break
    else:
        pytest.fail("it never got to the end")
    check(_without_clocks(await stored_in(pool)), _without_clocks(expected))


async def _empty(pool: Pool) -> None:
    async with pool.acquire() as connection:
        await connection.execute(
            "TRUNCATE liquidation_fills, liquidations, rejects, gaps, spans, sources, outbox"
        )


def _without_clocks(stored: Stored) -> Stored:
    """When the source was heard differs from run to run: these are real processes with a real clock."""
    cursors = {
        name: (cursor, block, event) for name, (cursor, block, _heard, event) in stored.cursors.items()
    }
    return msgspec.structs.replace(stored, cursors=cursors)
