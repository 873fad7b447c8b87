"""``kamiyo record`` in a process of its own, on the files of a node."""

import signal
import time
from pathlib import Path

import msgspec
import pytest

from kamiyo.kit.recordings import read_lines
from kamiyo.lab.recording import Kind, read_recording
from tests.integration.cli.server import PATIENCE_SECONDS, kamiyo, started

BLOCKS = [b'{"block_time":"2025-10-27T17:00:0%d.0","block_number":%d,"events":[]}' % (n, n) for n in range(5)]
PATH = "KAMIYO__SOURCES__HYPERLIQUID_NODE__PATH"


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A node's folder with five blocks."""
    hour = tmp_path / "node" / "node_fills_by_block" / "hourly" / "20251027" / "17"
    hour.parent.mkdir(parents=True)
    hour.write_bytes(b"".join(block + b"\n" for block in BLOCKS))
    return tmp_path / "node"


def lines(folder: Path) -> list[bytes]:
    """All that a recording holds."""
    return [line for path, _file in read_recording(folder).files for _offset, line in read_lines(path)]


def test_the_files_of_a_node_are_recorded_and_replayed(
    node: Path, tmp_path: Path, database_url: str, redis_url: str
) -> None:
    """As the lines they are; the end says why, and the recording is accounted for as the files are."""
    places = {"KAMIYO_DATABASE_URL": database_url, "KAMIYO_REDIS_URL": redis_url, PATH: str(node)}
    run = kamiyo("record", "mine", "--source", "hyperliquid_node", "--for", "3s", cwd=tmp_path, **places)
    assert (run.returncode, run.stdout) == (0, ""), run.stderr
    assert "recorded 5 payloads, " in run.stderr
    assert "ended: the time is over" in run.stderr
    assert lines(tmp_path / "mine") == BLOCKS
    [(_path, file)] = read_recording(tmp_path / "mine").files
    assert file.kind is Kind.NODE_FILLS
    replayed = kamiyo("replay", "mine", "--json", cwd=tmp_path, **places)
    assert replayed.returncode == 0, replayed.stderr
    assert msgspec.json.decode(replayed.stdout)["payloads"] == 5


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_however_it_ends_the_recording_can_be_read(
    node: Path, tmp_path: Path, database_url: str, redis_url: str, how: signal.Signals
) -> None:
    """Ctrl-C is a good end; after a kill what was written is whole, and its origin names it."""
    settings = {"KAMIYO_DATABASE_URL": database_url, "KAMIYO_REDIS_URL": redis_url, PATH: str(node)}
    told = tmp_path / "told"
    with started("record", "mine", "--source", "hyperliquid_node", output=told, settings=settings) as run:
        end = time.monotonic() + PATIENCE_SECONDS
        while not ((tmp_path / "mine" / "recording.toml").exists() and lines(tmp_path / "mine") == BLOCKS):
            assert time.monotonic() < end
            time.sleep(0.1)
        run.send_signal(how)
        code = run.wait(PATIENCE_SECONDS)
    assert lines(tmp_path / "mine") == BLOCKS
    assert code == (0 if how is signal.SIGINT else -how)
    assert ("ended: it was told to stop" in told.with_suffix(".err").read_text()) is (how is signal.SIGINT)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["mine", "--for", "ten"], "not a duration: 'ten'; write 90s, 10m, 2h or 1d"),
        (["mine", "--max-bytes", "0"], "not a size: '0'; write 500k, 500M or 2G"),
        (["taken"], "taken already holds a recording: choose another directory"),
    ],
)
def test_what_cannot_be_recorded_is_wrong_usage(tmp_path: Path, options: list[str], message: str) -> None:
    """One line says what would do, before any engine is started."""
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "recording.toml").touch()
    run = kamiyo("record", *options, cwd=tmp_path, KAMIYO_HOME=str(tmp_path / "home"))
    assert (run.returncode, run.stdout, run.stderr) == (2, "", f"kamiyo: {message}\n")
    assert not (tmp_path / "home").exists()


def test_only_live_sources_are_recorded(tmp_path: Path, database_url: str, redis_url: str) -> None:
    """The sentence lists them, and no recording is begun."""
    run = kamiyo(
        "record",
        "mine",
        "--source",
        "catalogue",
        cwd=tmp_path,
        KAMIYO_DATABASE_URL=database_url,
        KAMIYO_REDIS_URL=redis_url,
    )
    assert run.returncode == 2
    assert "catalogue cannot be recorded: live sources are " in run.stderr
    assert not (tmp_path / "mine").exists()
