import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools import environment

REPOSITORY = environment.REPOSITORY


@pytest.fixture
def repository(tmp_path) -> Path:
    (tmp_path / "uv.lock").write_text("lock", "utf-8")
    (tmp_path / "pyproject.toml").write_text("project", "utf-8")
    return tmp_path


def stamp(repository: Path, profile: str) -> None:
    """Make what a finished set-up leaves behind."""
    (repository / ".venv" / "bin").mkdir(parents=True, exist_ok=True)
    python = environment.python_of(repository)
    if not python.exists():
        python.symlink_to(sys.executable)
    text = f"{environment.fingerprint(repository)} {profile}"
    (repository / ".venv" / ".kamiyo-stamp").write_text(text, "utf-8")


def test_nothing_is_current_before_the_first_set_up(repository) -> None:
    """An empty checkout has no environment."""
    assert not environment.is_current(repository, "run")


@pytest.mark.parametrize(
    ("stamped", "enough_for"), [("run", {"run"}), ("dev", {"run", "dev"}), ("bench", {"run", "dev", "bench"})]
)
def test_an_environment_serves_every_smaller_profile(repository, stamped: str, enough_for: set[str]) -> None:
    """The profiles contain each other, so starting the program never removes the tools."""
    stamp(repository, stamped)
    current = {profile for profile in environment.PROFILES if environment.is_current(repository, profile)}
    assert current == enough_for


@pytest.mark.parametrize("name", ["uv.lock", "pyproject.toml"])
def test_a_changed_lock_makes_it_stale(repository, name: str) -> None:
    """What was installed no longer is what is asked for."""
    stamp(repository, "bench")
    (repository / name).write_text("changed", "utf-8")
    assert not environment.is_current(repository, "run")


def test_a_moved_repository_makes_it_stale(repository, tmp_path_factory) -> None:
    """The scripts inside name the place where they were made."""
    stamp(repository, "dev")
    moved = tmp_path_factory.mktemp("elsewhere") / "moved"
    repository.rename(moved)
    assert not environment.is_current(moved, "run")


def test_an_environment_without_its_python_is_stale(repository) -> None:
    """A stamp is not believed when the interpreter it speaks of is gone."""
    stamp(repository, "dev")
    environment.python_of(repository).unlink()
    environment.python_of(repository).symlink_to("/nonexistent/python3")
    assert not environment.is_current(repository, "run")


def test_an_interrupted_set_up_is_stale(repository) -> None:
    """The stamp is the last thing written; half a stamp counts as none."""
    stamp(repository, "dev")
    (repository / ".venv" / ".kamiyo-stamp").write_text("half", "utf-8")
    assert not environment.is_current(repository, "run")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(repository) -> None:
    """The message says which folder and what to do."""
    repository.chmod(0o500)
    try:
        with pytest.raises(environment.EnvironmentUnusableError, match="cannot be written"):
            environment.prepare("run", repository)
    finally:
        repository.chmod(0o700)


def test_a_python_without_ensurepip_is_told_what_to_install(repository) -> None:
    """Debian splits venv off; the message names its package instead of showing a traceback."""
    program = """
import importlib.util, sys
sys.path.insert(0, sys.argv[1])
found = importlib.util.find_spec
importlib.util.find_spec = lambda name: None if name == "ensurepip" else found(name)
from pathlib import Path
from tools.environment import EnvironmentUnusableError, prepare
try:
    prepare("run", Path(sys.argv[2]))
except EnvironmentUnusableError as error:
    print(error)
"""
    command = [sys.executable, "-c", program, str(REPOSITORY), str(repository)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "apt-get install python3-venv" in done.stdout
    assert "Traceback" not in done.stderr


def test_children_see_the_environment_as_if_it_were_activated(repository) -> None:
    """Its programs are found first, and what belongs to another Python is not passed on."""
    given = environment.variables(repository)
    assert given["PATH"].split(os.pathsep)[0] == str(repository / ".venv" / "bin")
    assert given["VIRTUAL_ENV"] == str(repository / ".venv")
    assert "PYTHONHOME" not in given


def test_the_entry_point_parses_on_an_old_python() -> None:
    """./dev must be able to say that Python is too old, so it may use no new syntax."""
    ast.parse((REPOSITORY / "dev").read_text("utf-8"), feature_version=(3, 6))


@pytest.mark.parametrize(("arguments", "status"), [([], 0), (["--help"], 0), (["nonsense"], 2)])
def test_usage_needs_no_environment(arguments: list[str], status: int) -> None:
    """Asking what there is downloads nothing; a mistake is an error."""
    done = subprocess.run([sys.executable, REPOSITORY / "dev", *arguments], capture_output=True, text=True)
    assert done.returncode == status
    printed = done.stdout if status == 0 else done.stderr
    for command in ("run", "kamiyo", "test", "check", "fix", "fuzz", "docs", "bench"):
        assert f"\n  {command} " in printed
