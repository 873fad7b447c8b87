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


LIBRARY = """
import logging
from kamiyo.kit.logging import configure
configure(json=True)
try:
    raise ConnectionRefusedError("nobody there")
except ConnectionRefusedError:
    logging.getLogger("somebody").warning("retrying", exc_info=True)
    logging.getLogger("somebody").error("gave up", exc_info=True)
    logging.getLogger("somebody").info("chatting")
"""


def test_what_libraries_log_has_our_form() -> None:
    """One line each: a warning with its cause in a word, an error with its stack, nothing less."""
    done = subprocess.run([sys.executable, "-c", LIBRARY], capture_output=True, text=True, check=True)
    warning, error = map(json.loads, done.stderr.splitlines())
    assert (warning["level"], warning["library"], warning["detail"]) == ("warning", "somebody", "retrying")
    assert warning["error"] == "ConnectionRefusedError: nobody there"
    assert "exception" not in warning
    assert error["level"] == "error"
    assert "Traceback" in error["exception"]
