"""Tests for tests.standstill, as pytest runs it: only a standstill excuses a failure, and not for ever."""

import subprocess
import sys

from tests.conftest import REPOSITORY, TRIES_AGAIN

_STANDS_STILL_ONCE = """
    import os, signal, subprocess
    from pathlib import Path

    def stand_still():
        subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -CONT {os.getpid()}"])
        os.kill(os.getpid(), signal.SIGSTOP)

    def times(name):
        with Path(__file__).with_name(name).open("a") as file:
            file.write("x")
        return Path(__file__).with_name(name).stat().st_size

    def test_stopped_once():
        if times("once") == 1:
            stand_still()
            assert False

    def test_stopped_whenever_it_runs():
        times("always")
        stand_still()
        assert False

    def test_wrong():
        times("wrong")
        assert False
"""


def test_only_a_standstill_excuses(tmp_path) -> None:
    """What fails in one is tried again, as often as is said; what fails without one is not."""
    file = tmp_path / "test_standing.py"
    file.write_text("\n".join(line[4:] for line in _STANDS_STILL_ONCE.splitlines()))
    options = ("-q", "-p", "tests.conftest", "-p", "no:cacheprovider", "-W", "ignore::ResourceWarning")
    command = (sys.executable, "-m", "pytest", *options, "-c", str(REPOSITORY / "pyproject.toml"), str(file))
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=50)
    tried = {name: (tmp_path / name).stat().st_size for name in ("once", "always", "wrong")}
    assert tried == {"once": 2, "always": 1 + TRIES_AGAIN, "wrong": 1}, done.stdout
    assert f"2 failed, 1 passed, {1 + TRIES_AGAIN} rerun" in done.stdout
