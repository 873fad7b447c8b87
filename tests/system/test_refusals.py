"""What `kamiyo run` refuses to start with, and what it says then."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.system.harness import (
    KAMIYO,
    PATIENCE,
    SOURCE_PATH,
    Ground,
    a_user,
    free_port,
    needs_engines,
    wait_for,
)

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow, needs_engines]
UNUSABLE = 3


def refusal(ground: Ground, *options: str, **environment: str) -> tuple[int, str]:
    """Give the exit code of `kamiyo run` and what it said."""
    ended = subprocess.run(
        (str(KAMIYO), "run", "--home", str(ground.home), *options),
        env=ground.environment(**environment),
        cwd=ground.root,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.returncode, ended.stderr


def test_an_address_beyond_this_machine_is_refused(ground: Ground) -> None:
    """Before anything is started, with what to do instead."""
    code, said = refusal(ground, "--host", "0.0.0.0")
    assert code == UNUSABLE
    assert "0.0.0.0" in said
    assert "loopback" in said
    assert not ground.home.exists()


def test_a_taken_port_is_refused_and_named(ground: Ground) -> None:
    """The engines started for it are stopped again."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = refusal(ground, "--port", str(port))
    assert code == UNUSABLE
    assert str(port) in said
    assert "--port" in said
    assert not ground.engines_live()


@pytest.mark.parametrize(
    ("variable", "named"),
    [
        ("KAMIYO__SOURCES__HYPERLIQUID_NODE__PATHS", "paths"),
        ("KAMIYO__SOURCES__HYPERLIQUID_NODE__SETTLE_SECONDS", "settle_seconds"),
        ("KAMIYO__SOURCES__HYPERLIQUID_NOD__PATH", "hyperliquid_nod"),
        ("KAMIYO_PORT", "port"),
    ],
)
def test_an_unusable_setting_is_refused_and_named(ground: Ground, variable: str, named: str) -> None:
    """Before anything is started: a misspelt setting must not be ignored."""
    code, said = refusal(ground, "--port", str(free_port()), **{variable: "-7x"})
    if variable == "KAMIYO_PORT":
        code, said = refusal(ground, **{variable: "-7x"})
    assert code == UNUSABLE, said
    assert named in said
    assert not ground.home.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="the other tests run as an ordinary user already")
def test_an_ordinary_user_can_run_it(ground: Ground) -> None:
    """With a home of their own and no right to anything else."""
    python = _python_for_everybody()
    if python is None:
        pytest.skip("no Python of this version can be run by another user")
    user = pwd.getpwnam("nobody")
    own = ground.root / "nobody"
    own.mkdir()
    os.chown(own, user.pw_uid, user.pw_gid)
    port = free_port()
    packages = sysconfig.get_path("purelib")
    start = f"import site; site.addsitedir({packages!r}); from kamiyo.cli.main import main; main()"
    as_user = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    environment = {"HOME": str(own), "PATH": os.environ["PATH"], SOURCE_PATH: str(ground.node.root)}
    command = (*as_user, python, "-c", start, "run", "--port", str(port))
    kamiyo = ground.start_command(command, environment, port)
    kamiyo.wait_until_serving()
    ground.node.write(a_user(1))
    wait_for(lambda: kamiyo.users() == [a_user(1)])
    assert (own / ".local/share/kamiyo/engines").stat().st_uid == user.pw_uid
    assert kamiyo.terminate() == 0


def _python_for_everybody() -> str | None:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    nobody = pwd.getpwnam("nobody")
    for candidate in (sys.executable, f"/usr/bin/{version}", shutil.which(version)):
        if candidate is None or not Path(candidate).exists():
            continue
        packages = sysconfig.get_path("purelib")
        looks = f"import site; site.addsitedir({packages!r}); from kamiyo.cli.main import build; build()"
        command = ("setpriv", f"--reuid={nobody.pw_uid}", "--clear-groups", candidate, "-c", looks)
        if subprocess.run(command, capture_output=True, cwd="/").returncode == 0:
            return candidate
    return None
