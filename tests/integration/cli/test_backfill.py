"""``kamiyo backfill``, in a process of its own, on a real database and a real service that keeps objects."""

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import asyncpg
import lz4.frame
import msgspec
import pytest

from kamiyo.core.backfills import lease_name
from tests.archives import BLOCKS, MemoryArchive, hour, lines_of_hour
from tests.integration.cli.server import COMMAND, environment, kamiyo, started
from tests.services.s3 import Buckets, open_buckets

BUCKET = "hl-mainnet-node-data"
HELD = """
INSERT INTO source_leases (name, token, holder, expires_at)
VALUES ($1, 1, 'another', now() + interval '1 h')
"""


@pytest.fixture(scope="module")
def buckets() -> Iterator[Buckets]:
    """Serve two hours, and one that is cut off."""
    with open_buckets() as opened:
        opened.create(BUCKET)
        for number in range(2):
            put(opened, number, packed(number))
        put(opened, 2, packed(2)[:-20])
        yield opened


def packed(number: int) -> bytes:
    return lz4.frame.compress(b"\n".join(lines_of_hour(number)) + b"\n")


def key_of(number: int) -> str:
    return f"node_fills_by_block/hourly/{hour(number):%Y%m%d}/{hour(number).hour}.lz4"


def put(buckets: Buckets, number: int, content: bytes) -> None:
    buckets.put(BUCKET, key_of(number), content)


@pytest.fixture
def settings(buckets: Buckets, database_url: str) -> Mapping[str, str]:
    """Give the settings of a process that may read the archive."""
    prefix = "KAMIYO__SOURCES__HYPERLIQUID_ARCHIVE__"
    return {
        "KAMIYO_DATABASE_URL": database_url,
        f"{prefix}ENDPOINT": buckets.url,
        f"{prefix}ACCESS_KEY_ID": "key",
        f"{prefix}SECRET_ACCESS_KEY": "canary-secret",
        f"{prefix}STREAMS": "node_fills_by_block",
    }


def asked(hours: int, *more: str) -> tuple[str, ...]:
    first, after_last = (f"{hour(number):%Y-%m-%dT%H}" for number in (0, hours))
    return ("backfill", "--from", first, "--to", after_last, *more)


def question(database_url: str, query: str, *values: object) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(database_url)
        try:
            return await connection.fetchval(query, *values)
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_the_past_is_read_and_accounted_for(settings, database_url: str, tmp_path: Path) -> None:
    """Without another worker; a second time there is nothing to read, and all is listed."""
    first = kamiyo(*asked(2, "--yes", "--json"), cwd=tmp_path, **settings)
    assert first.returncode == 0, first.stderr
    account = msgspec.json.decode(first.stdout)
    assert (account["state"], account["objects_done"], account["troubles"]) == ("done", 2, [])
    assert (account["liquidated_fills"], account["new_fills"]) == (2 * BLOCKS, 2 * BLOCKS)
    assert "2 objects, " in first.stderr
    assert question(database_url, "SELECT count(*) FROM liquidation_fills") == 2 * BLOCKS
    second = kamiyo(*asked(2, "--yes"), cwd=tmp_path, **settings)
    assert second.returncode == 0
    assert "2 of 2 objects were read before" in second.stdout
    listed = kamiyo("backfill", "--list", "--json", cwd=tmp_path, **settings)
    (row,) = msgspec.json.decode(listed.stdout)
    assert (row["backfill_id"], row["state"]) == (account["backfill_id"], "done")
    table = kamiyo("backfill", "--list", cwd=tmp_path, **settings)
    assert table.returncode == 0
    assert "2/2" in table.stdout
    assert "canary" not in first.stdout + first.stderr + second.stdout


def test_an_object_that_cannot_be_read_is_named(settings, database_url: str, tmp_path: Path) -> None:
    """It fails the command and stops nothing else."""
    run = kamiyo(*asked(3, "--yes"), cwd=tmp_path, **settings)
    assert run.returncode == 1
    assert "2 of 3 objects read" in run.stdout
    assert f"s3://{BUCKET}/{key_of(2)}: failed: CorruptObject: " in run.stdout
    assert int(str(question(database_url, "SELECT count(*) FROM liquidation_fills"))) >= 2 * BLOCKS


def test_nothing_is_read_unless_somebody_agrees(settings, database_url: str, tmp_path: Path) -> None:
    """The price is said, and the answer no costs nothing."""
    run = subprocess.run(
        (*COMMAND, *asked(2)),
        cwd=tmp_path,
        env=environment(**settings),
        input="n\n",
        capture_output=True,
        text=True,
        timeout=40,
    )
    assert run.returncode == 1
    assert " objects, " in run.stdout
    assert " USD" in run.stdout
    assert "Read them?" in run.stdout
    assert question(database_url, "SELECT count(*) FROM backfills") == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("backfill",), "--from 2025-10-10T20"),
        (asked(2, "--source", "feeds", "--yes"), "what does: hyperliquid_archive"),
        (asked(2, "--json"), "add --yes"),
        (asked(0, "--yes"), "is not before"),
    ],
)
def test_what_cannot_be_asked_is_said(settings, tmp_path: Path, arguments, said: str) -> None:
    """As wrong usage, in one line beside what the log tells."""
    run = kamiyo(*arguments, cwd=tmp_path, **settings)
    assert run.returncode == 2
    assert said in run.stderr
    [_line] = [line for line in run.stderr.splitlines() if " [info " not in line]


def test_an_archive_without_keys_says_what_it_needs(database_url: str, tmp_path: Path) -> None:
    """By the names of the settings."""
    run = kamiyo(*asked(2, "--yes"), cwd=tmp_path, KAMIYO_DATABASE_URL=database_url)
    assert run.returncode == 4
    assert "sources.hyperliquid_archive.access_key_id" in run.stderr


def test_who_ends_it_leaves_the_rest_to_workers(settings, database_url: str, tmp_path: Path) -> None:
    """It says who goes on, and what was not read is still to be read."""
    found = MemoryArchive().keep(0)
    etag = kept_etag(settings, database_url, tmp_path)
    name = lease_name(msgspec.structs.replace(found, bucket=BUCKET, key=key_of(0), etag=etag))
    question(database_url, HELD, name)
    output = tmp_path / "said"
    with started(*asked(1, "--yes"), output=output, settings=settings) as process:
        deadline = time.monotonic() + 30
        while "backfill " not in output.read_text() or not question(
            database_url, "SELECT count(*) FROM backfill_objects WHERE state = 'queued'"
        ):
            assert time.monotonic() < deadline, output.with_suffix(".err").read_text()
            time.sleep(0.1)
        time.sleep(0.5)
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(15) == 130
    assert "the rest is read as soon as a worker runs" in output.read_text()
    assert question(database_url, "SELECT count(*) FROM backfill_objects WHERE state = 'queued'") == 1
    assert question(database_url, "SELECT count(*) FROM pgqueuer") == 1


def kept_etag(settings, database_url: str, tmp_path: Path) -> str:
    """Read the hour once, to learn what its content is called, and forget that."""
    assert kamiyo(*asked(1, "--yes"), cwd=tmp_path, **settings).returncode == 0
    etag = question(database_url, "SELECT etag FROM backfill_objects")
    question(database_url, "TRUNCATE backfills, source_leases CASCADE")
    return str(etag)
