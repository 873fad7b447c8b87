"""Makes the virtual environment that every command runs in, and leaves it alone while it is right."""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[1]
UV_VERSION: Final = "0.13.9"
PROFILES: Final = ("run", "dev", "bench")  # each contains the one before it
GROUPS: Final = {
    "run": ("--no-default-groups",),
    "dev": ("--no-default-groups", "--group", "dev"),
    "bench": ("--no-default-groups", "--group", "dev", "--group", "bench"),
}
NO_VENV: Final = """\
This Python ({python}) cannot make virtual environments: its module ensurepip is missing.
Debian and Ubuntu keep it in a package of its own; as root: apt-get install python3-venv"""
NOT_WRITABLE: Final = """\
{folder} cannot be written by user id {user}, and the environment in .venv has to be made or renewed there.
Run ./dev as the owner of the folder, or make a copy that belongs to you."""


class EnvironmentUnusableError(Exception):
    """The environment cannot be made; the message says what to do about it."""


def prepare(profile: str, repository: Path = REPOSITORY) -> None:
    """Bring .venv to at least this profile; when nothing changed this costs one read."""
    if is_current(repository, profile):
        return
    _require_writable(repository)
    with _only_one(repository):
        if not is_current(repository, profile):
            _renew(repository, _widest(profile, _stamped_profile(repository)))


def python_of(repository: Path = REPOSITORY) -> Path:
    return repository / ".venv" / "bin" / "python"


def variables(repository: Path = REPOSITORY) -> dict[str, str]:
    """Name the environment for child processes as activating it would."""
    folder = repository / ".venv"
    path = f"{folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    given = {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}
    return {**given, "VIRTUAL_ENV": str(folder), "PATH": path, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}


def fingerprint(repository: Path) -> str:
    """Change whenever the environment must: other locks, another uv, another place on the disk."""
    parts = [UV_VERSION.encode(), str(repository).encode()]
    parts += [(repository / name).read_bytes() for name in ("uv.lock", "pyproject.toml")]
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def is_current(repository: Path, profile: str) -> bool:
    stamped = _stamped_profile(repository)
    return (
        stamped is not None
        and PROFILES.index(stamped) >= PROFILES.index(profile)
        and _stamp(repository) == f"{fingerprint(repository)} {stamped}"
        and _runs(python_of(repository))
    )


def _stamp_file(repository: Path) -> Path:
    return repository / ".venv" / ".kamiyo-stamp"


def _stamp(repository: Path) -> str:
    try:
        return _stamp_file(repository).read_text("utf-8")
    except OSError:
        return ""


def _stamped_profile(repository: Path) -> str | None:
    profile = _stamp(repository).rpartition(" ")[2]
    return profile if profile in PROFILES else None


def _widest(*profiles: str | None) -> str:
    return max((profile for profile in profiles if profile), key=PROFILES.index)


def _runs(python: Path) -> bool:
    return os.access(python, os.X_OK)


def _require_writable(repository: Path) -> None:
    folder = repository / ".venv" if (repository / ".venv").is_dir() else repository
    if not os.access(folder, os.W_OK | os.X_OK):
        raise EnvironmentUnusableError(NOT_WRITABLE.format(folder=folder, user=os.getuid()))


@contextlib.contextmanager
def _only_one(repository: Path) -> Generator[None]:
    """Let a second ./dev wait instead of writing into the same environment."""
    folder = os.open(repository, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _renew(repository: Path, profile: str) -> None:
    started = time.perf_counter()
    _say("preparing .venv (the first time this downloads packages) ...")
    try:
        if not _usable(repository):
            _create(repository / ".venv")
        _stamp_file(repository).unlink(missing_ok=True)
        _install_uv(repository)
        _synchronize(repository, profile)
        _stamp_file(repository).write_text(f"{fingerprint(repository)} {profile}", "utf-8")
    except subprocess.CalledProcessError as error:
        step = " ".join(str(part) for part in error.cmd)
        raise EnvironmentUnusableError(
            f"setting up .venv failed (status {error.returncode}): {step}"
        ) from error
    except OSError as error:
        raise EnvironmentUnusableError(f"setting up .venv failed: {error}") from error
    _say(f".venv is ready ({profile}, {time.perf_counter() - started:.1f} s)")


def _usable(repository: Path) -> bool:
    """Tell a whole environment from one whose making was interrupted, or that was moved here."""
    uv = repository / ".venv" / "bin" / "uv"
    if not _runs(python_of(repository)) or (uv.exists() and not _belongs_here(repository)):
        return False
    probe = "import pip, sys; sys.exit(sys.version_info < (3, 11) or sys.prefix == sys.base_prefix)"
    answer = subprocess.run([python_of(repository), "-I", "-c", probe], check=False, capture_output=True)
    return answer.returncode == 0


def _belongs_here(repository: Path) -> bool:
    """Scripts carry the absolute path of their environment, so one that was moved starts the wrong Python."""
    pip = repository / ".venv" / "bin" / "pip"
    return pip.exists() and str(repository).encode() in pip.read_bytes()


def _create(folder: Path) -> None:
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        raise EnvironmentUnusableError(NO_VENV.format(python=sys.executable))
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)


def _install_uv(repository: Path) -> None:
    uv = repository / ".venv" / "bin" / "uv"
    if _runs(uv) and _uv_version(uv) == UV_VERSION:
        return
    pip = [
        str(python_of(repository)),
        "-m",
        "pip",
        "install",
        "-q",
        "--disable-pip-version-check",
        "--no-input",
    ]
    quiet = {**variables(repository), "PIP_ROOT_USER_ACTION": "ignore"}
    subprocess.run([*pip, f"uv=={UV_VERSION}"], check=True, env=quiet, cwd=repository)


def _uv_version(uv: Path) -> str:
    answer = subprocess.run([uv, "--version"], check=False, capture_output=True, text=True)
    return answer.stdout.removeprefix("uv ").partition(" ")[0].strip()


def _synchronize(repository: Path, profile: str) -> None:
    uv, python = str(repository / ".venv" / "bin" / "uv"), str(python_of(repository))
    command = [uv, "sync", "-q", "--locked", "--extra", "embedded", *GROUPS[profile], "--python", python]
    # Compiled here once: where Python may not write its caches, every start would compile everything anew.
    command += ["--compile-bytecode"]
    subprocess.run(command, check=True, cwd=repository, env=_uv_variables(repository))
    subprocess.run([python, "-m", "compileall", "-q", "src"], check=True, cwd=repository)


def _uv_variables(repository: Path) -> dict[str, str]:
    given = variables(repository)
    given |= {"UV_PYTHON_DOWNLOADS": "never", "UV_PROJECT_ENVIRONMENT": str(repository / ".venv")}
    if not os.access(Path(given.get("HOME", "/nonexistent")), os.W_OK):
        given.setdefault("UV_CACHE_DIR", str(Path(tempfile.gettempdir()) / f"kamiyo-uv-{os.getuid()}"))
    return given


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
