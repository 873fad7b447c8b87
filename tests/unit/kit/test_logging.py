import json
import subprocess
import sys

import pytest

PROGRAM = """
import structlog
from kamiyo.kit.logging import configure
from kamiyo.kit.secret import Secret
configure(json={json})
log = structlog.get_logger().bind(source="node")
log.info("block_stored", fills=3, key=Secret("hunter2"))
try:
    1 / 0
except ZeroDivisionError:
    log.exception("batch_failed")
"""


@pytest.mark.parametrize("as_json", [True, False])
def test_a_log_goes_to_standard_error_with_its_data(as_json: bool) -> None:
    """Machines get one JSON object a line, people text; a secret shows in neither."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(json=as_json)], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert "hunter2" not in done.stderr
    assert "ZeroDivisionError" in done.stderr
    first, second = done.stderr.splitlines()[:2]
    if as_json:
        told = json.loads(first)
        assert (told["event"], told["level"], told["source"], told["fills"]) == (
            "block_stored",
            "info",
            "node",
            3,
        )
        assert told["timestamp"].endswith("Z")
        assert "ZeroDivisionError" in json.loads(second)["exception"]
    else:
        assert "block_stored" in first
        assert "\x1b" not in first
