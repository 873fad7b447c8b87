"""The database and the cache a newcomer need not install: started unless their URLs are given."""

from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from kamiyo.runtime.embedded_place import SYSTEM_DIRECTORY, find_place, only_one
from kamiyo.runtime.embedded_postgres import Postgres
from kamiyo.runtime.embedded_process import START_PATIENCE, EngineProcess, Server, patience
from kamiyo.runtime.embedded_valkey import Valkey


@dataclass(frozen=True, slots=True)
class Engines:
    """What the rest of the code sees: two URLs; `postgres` and `valkey` are None where a URL was given.

    A given URL may contain a password, so neither is part of the representation.
    """

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    postgres: Server | None
    valkey: Server | None


class RunningEngines:
    """Guards the engines of one home for one process; made by start_engines().

    Any number of processes may use the same home. The first to come starts the engines and owns them; the
    others adopt them and leave them running when they stop. An engine ends in good order with its owner, even
    if that is killed: on Linux the kernel sees to it, elsewhere the engine goes on, to be adopted. Adopters
    then lose their connections until one of them calls ensure(), which starts the engine again, as a rule
    under the same URL, and makes the caller its owner. Where processes come and go, let the one that lives
    longest start first.

    Starting belongs into the main thread: the kernel ends an engine with the *thread* that started it.
    """

    def __init__(
        self, home: Path, *, database_url: str | None, redis_url: str | None, fallback: Path
    ) -> None:
        self._home = home.resolve()
        self._fallback = fallback
        self._database_url = database_url
        self._redis_url = redis_url
        self._postgres: EngineProcess | None = None
        self._valkey: EngineProcess | None = None
        self.engines = self.ensure()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def alive(self) -> bool:
        """Tell whether every embedded engine accepts work; cheap, and allowed in any thread."""
        return all(process.answers() for process in self._processes())

    def ensure(self) -> Engines:
        """Start again what has ended, whoever had started it; blocks until it accepts work."""
        if self._database_url is None or self._redis_url is None:
            with only_one(self._home, patience(START_PATIENCE)):
                self._find()
                self.engines = self._ensure()
        else:
            self.engines = Engines(self._database_url, self._redis_url, postgres=None, valkey=None)
        return self.engines

    def stop(self) -> None:
        """End the engines this process started; close the connections to them first."""
        for process in self._processes():
            process.stop()

    def _processes(self) -> tuple[EngineProcess, ...]:
        return tuple(process for process in (self._valkey, self._postgres) if process)

    def _find(self) -> None:
        if self._processes():
            return
        place = find_place(self._home, self._fallback)
        if self._database_url is None:
            self._postgres = EngineProcess(Postgres(place))
        if self._redis_url is None:
            self._valkey = EngineProcess(Valkey(place))

    def _ensure(self) -> Engines:
        try:
            postgres = self._postgres.ensure() if self._postgres else None
            valkey = self._valkey.ensure() if self._valkey else None
        except BaseException:
            self.stop()
            raise
        return Engines(
            database_url=self._database_url or (self._postgres.url() if self._postgres else ""),
            redis_url=self._redis_url or (self._valkey.url() if self._valkey else ""),
            postgres=postgres,
            valkey=valkey,
        )


def start_engines(
    home: Path, *, database_url: str | None, redis_url: str | None, fallback: Path = SYSTEM_DIRECTORY
) -> RunningEngines:
    """Start or adopt, below `home`, each engine whose URL is None; use the answer as a context manager.

    `fallback` is where root's engines live if the account that runs them cannot enter `home`.
    Raises InvalidSettings or EngineFailed with what to do about it.
    """
    return RunningEngines(home, database_url=database_url, redis_url=redis_url, fallback=fallback)
