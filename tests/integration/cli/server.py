"""KAMIYO as a user runs it: in processes of its own, on the session's engines."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

COMMAND = (sys.executable, "-c", "from kamiyo.cli.main import main; main()")
PATIENCE_SECONDS = 40


def environment(**settings: str) -> dict[str, str]:
    """This process's environment with only these settings of KAMIYO."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KAMIYO_")}
    return kept | settings


def kamiyo(*arguments: str, cwd: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    return subprocess.run(
        (*COMMAND, *arguments),
        cwd=cwd,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


@contextmanager
def started(
    *arguments: str, output: Path, settings: Mapping[str, str]
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command beside the test; what it says is in ``output`` and, beside it, in ``output``.err."""
    with output.open("ab") as out, output.with_suffix(".err").open("ab") as errors:
        process = subprocess.Popen(
            (*COMMAND, *arguments), cwd=output.parent, env=environment(**settings), stdout=out, stderr=errors
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)


def wait_until_serving(server: str) -> None:
    """Wait for the first answer."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if httpx.get(f"{server}/health/ready", trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, f"{server} does not serve"
        time.sleep(0.1)


def wait_for_line(file: Path, **expected: Any) -> dict[str, Any]:
    """Wait for a line of JSON with these values and give it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        for line in lines(file):
            if expected.items() <= line.items():
                return line
        assert time.monotonic() < deadline, f"no line with {expected} in {file.read_text()}"
        time.sleep(0.1)


def lines(file: Path) -> list[dict[str, Any]]:
    """Every whole line, read as JSON."""
    return [msgspec.json.decode(line) for line in file.read_text().split("\n")[:-1]]


def a_free_port() -> int:
    """Give a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
