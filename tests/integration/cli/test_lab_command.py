"""``kamiyo lab venue`` as people start it."""

import re
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.integration.cli.server import COMMAND
from tests.venues import a_block, a_trade

_PATIENCE = 20


@pytest.fixture
def blocks(tmp_path: Path) -> Path:
    """A recording of two blocks."""
    path = tmp_path / "blocks.jsonl"
    path.write_bytes(a_block(0, a_trade(tid=1)) + b"\n" + a_block(600, a_trade(tid=2)) + b"\n")
    return path


def test_the_command_says_what_it_plays_and_serves_it(blocks: Path) -> None:
    """It tells mode, content and address, answers there as the venue would, and ends when it is told to."""
    arguments = ("lab", "venue", str(blocks), "--speed", "100", "--fault", "busy=60", "--seed", "4")
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        lines = [started.stdout.readline().strip() for _each in range(5)]
        found = re.search(r"POST (http://\S+/info)", lines[-1])
        assert found, lines
        deadline, statuses = time.monotonic() + _PATIENCE, set[int]()
        while statuses != {200, 429} and time.monotonic() < deadline:
            statuses.add(httpx.post(found[1], json={"type": "exchangeStatus"}, trust_env=False).status_code)
            time.sleep(0.05)
        started.send_signal(signal.SIGINT)
        assert started.wait(_PATIENCE) == 0
    assert lines[0] == "REPLAY: blocks.jsonl"
    assert lines[2] == "holds: 2 blocks with 4 fills, 2 trades (0 by liquidation) of 1 assets"
    assert statuses == {200, 429}


def test_a_recording_that_is_none_is_refused(tmp_path: Path) -> None:
    """A path without a recording ends with the exit code of wrong usage and a line that says what to do."""
    done = subprocess.run(
        [*COMMAND, "lab", "venue", str(tmp_path / "nothing")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "there is no recording" in done.stderr
