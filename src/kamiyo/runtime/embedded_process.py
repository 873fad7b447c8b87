"""One embedded engine as a process: found alive or started, watched, and stopped by who started it."""

import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from io import BufferedWriter
from pathlib import Path
from typing import Protocol

from kamiyo.core.errors import EngineFailed
from kamiyo.runtime.embedded_place import PLAIN_ENVIRONMENT, Account, Place

START_PATIENCE = timedelta(minutes=5)  # PostgreSQL may have to replay up to max_wal_size after a power cut
STOP_PATIENCE_SECONDS = 60.0
LOG_LIMIT_BYTES = 10_000_000
LOG_TAIL_BYTES = 3_000
MOST_STARTS = 3
PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of linux/prctl.h


@dataclass(frozen=True, slots=True)
class Server:
    """An engine in use; `owned` means that this process started it and that it ends with this process."""

    pid: int
    owned: bool
    directory: Path
    log: Path


class Engine(Protocol):
    """What differs between the engines."""

    name: str
    place: Place
    stop_signal: signal.Signals
    """Ends it in good order; also sent by the kernel when the process that started it dies."""

    def url(self) -> str:
        """Give what a client needs to reach it."""
        ...

    def answers(self) -> bool:
        """Tell whether it is up and accepts work."""
        ...

    def prepare(self, alive: int) -> tuple[str, ...]:
        """Make everything ready and give the command; helpers it runs must inherit the descriptor `alive`."""
        ...

    def repair(self, log: str) -> bool:
        """Look at the log of a failed start; True if something was changed and starting again may work."""
        ...


class EngineProcess:
    """Guards one engine's process.

    Every process of an engine inherits a locked file (`<name>.alive`), so the lock says whether any of them
    still runs: unlike a pid it cannot pass to another program, and a zombie does not hold it.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._process: subprocess.Popen[bytes] | None = None
        self._log = engine.place.directory / f"{engine.name}.log"
        self._alive = engine.place.directory / f"{engine.name}.alive"
        self._log_start = 0

    def url(self) -> str:
        return self._engine.url()

    def answers(self) -> bool:
        return self._engine.answers()

    def ensure(self) -> Server:
        """Find the engine alive or start it; the caller holds the lock of the home."""
        bound_log(self._log)
        starts = 0
        for _ in patience(START_PATIENCE):
            if self._engine.answers():
                return self._server()
            if self._process and self._process.poll() is not None:
                self._process = None
                if starts:
                    self._repair(last=starts == MOST_STARTS)
            with hold_if_free(self._alive) as alive:
                if alive is not None:
                    self._start(alive)
                    starts += 1
        raise EngineFailed(
            f"{self._engine.name} (process {_read_pid(self._alive)}) does not answer after "
            f"{START_PATIENCE.seconds} s: look at {self._log}, stop that process and start again"
        )

    def stop(self) -> None:
        """End the engine in good order if this process started it; one that was adopted is left alone."""
        process, self._process = self._process, None
        if process is None:
            return
        for number, seconds in ((self._engine.stop_signal, STOP_PATIENCE_SECONDS), (signal.SIGQUIT, 10.0)):
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)
                return
        process.kill()
        process.wait()

    def _server(self) -> Server:
        return Server(
            pid=_read_pid(self._alive),
            owned=self._process is not None,
            directory=self._engine.place.directory,
            log=self._log,
        )

    def _start(self, alive: int) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise EngineFailed(
                "an engine ends with the thread that started it: start engines from the main thread"
            )
        command = self._engine.prepare(alive)
        with open_log(self._log) as log:
            self._log_start = log.tell()
            self._process = launch(
                command,
                self._engine.place.account,
                alive=alive,
                end=self._engine.stop_signal,
                output=log.fileno(),
            )
        os.truncate(alive, 0)
        os.pwrite(alive, f"{self._process.pid}\n".encode(), 0)

    def _repair(self, *, last: bool) -> None:
        tail = read_tail(self._log, self._log_start)
        if last or not self._engine.repair(tail):
            raise EngineFailed(f"{self._engine.name} did not start; the end of {self._log} says why:\n{tail}")


def launch(
    command: tuple[str, ...],
    account: Account | None,
    *,
    alive: int,
    end: signal.Signals,
    stdin: int = subprocess.DEVNULL,
    output: int,
) -> subprocess.Popen[bytes]:
    """Start a program that Ctrl-C does not reach, but that the kernel sends `end` when this process dies."""
    with _interrupt_held_back():
        try:
            return subprocess.Popen(  # noqa: S603  # the command is our own
                command,
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=PLAIN_ENVIRONMENT,
                start_new_session=True,
                pass_fds=(alive,),
                preexec_fn=_ends_with_parent(end),  # noqa: PLW1509  # two system calls; they take no lock
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
            )
        except OSError as error:
            raise EngineFailed(f"cannot run {command[0]}: {error.strerror}") from error


@contextmanager
def _interrupt_held_back() -> Generator[None]:
    """Let Ctrl-C wait: what Python runs right after a fork would swallow it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def run_helper(command: tuple[str, ...], account: Account | None, *, alive: int, text: str = "") -> None:
    """Run a program of the engine to its end."""
    pipe = subprocess.PIPE
    process = launch(command, account, alive=alive, end=signal.SIGKILL, stdin=pipe, output=pipe)
    output, _ = process.communicate(text.encode())
    if process.returncode != 0:
        raise EngineFailed(f"{command[0]} failed:\n{output[-LOG_TAIL_BYTES:].decode(errors='replace')}")


@contextmanager
def hold_if_free(path: Path) -> Generator[int | None]:
    """Lock a file until this descriptor and all inherited ones are closed; None if another holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        yield descriptor if _lock(descriptor) else None
    finally:
        os.close(descriptor)


def patience(duration: timedelta) -> Iterator[None]:
    """Yield at once and then every few milliseconds until the time is over."""
    end = time.monotonic() + duration.total_seconds()  # noqa: TID251  # before there is an event loop there is no Clock
    while True:
        yield
        if time.monotonic() > end:  # noqa: TID251
            return
        time.sleep(0.005)  # noqa: TID251


def open_log(path: Path) -> BufferedWriter:
    """Open a log for appending, readable by its owner only."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600), "ab")


def bound_log(path: Path) -> None:
    """Keep at most one full log beside the current one; the engine goes on writing to the emptied file."""
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        shutil.copyfile(path, path.with_suffix(".log.1"))
        os.truncate(path, 0)


def read_tail(path: Path, start: int) -> str:
    """Give the end of what was written to the log after the position `start`."""
    with path.open("rb") as log:
        log.seek(start)
        return log.read()[-LOG_TAIL_BYTES:].decode(errors="replace")


def _ends_with_parent(number: signal.Signals) -> Callable[[], None]:
    """Give what the child does before it becomes the engine; only Linux can tie it to its parent."""
    library, parent = ctypes.CDLL(None), os.getpid()

    def bind() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        if sys.platform != "linux":
            return
        library.prctl(PARENT_DEATH_SIGNAL, int(number))
        if os.getppid() != parent:  # it died before the call above
            os._exit(1)

    return bind


def _lock(descriptor: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _read_pid(alive: Path) -> int:
    with suppress(ValueError, OSError):
        return int(alive.read_text(encoding="utf-8"))
    return 0
