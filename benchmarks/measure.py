"""How everything is measured: contenders take turns, CPU seconds count, the median of the ratios is told."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROUNDS = 7

Work = Callable[[], int]
WorkAtServer = Callable[[int], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Claim:
    """One promise: ours by a peer's, round by round. Passed if the median reaches the target."""

    what: str
    target: float | None
    ratios: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)

    @property
    def passed(self) -> bool | None:
        return None if self.target is None else self.median >= self.target

    def as_data(self) -> dict[str, object]:
        return {
            "what": self.what,
            "target": self.target,
            "median": round(self.median, 3),
            "lowest": round(min(self.ratios), 3),
            "highest": round(max(self.ratios), 3),
            "rounds": len(self.ratios),
            "passed": self.passed,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What one benchmark found: promises kept or not, and figures that promise nothing."""

    claims: Sequence[Claim]
    figures: Mapping[str, object] = field(default_factory=dict[str, object])


Rates = dict[str, list[float]]  # of each contender: units of work per CPU-second, one a round


def take_turns(contenders: Mapping[str, Work], rounds: int = ROUNDS) -> Rates:
    """Run all of them in turn, ``rounds`` times after one warm-up."""
    rates: Rates = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, work in contenders.items():
            _settle()
            started = time.process_time()
            done = work()
            spent = time.process_time() - started
            if number:
                rates[name].append(done / spent)
    gc.unfreeze()
    return rates


async def take_turns_at_server(
    contenders: Mapping[str, WorkAtServer], backends: Mapping[str, int], rounds: int = ROUNDS
) -> Rates:
    """The same for work at a database: its backend's CPU counts like ours. Work is told its round.

    The backend's alone is kept too, for what prepared rows cost: a file's reader has not to make them.
    """
    rates: Rates = {each: [] for name in contenders for each in (name, f"{name}, server alone")}
    for number in range(rounds + 1):
        for name, work in contenders.items():
            _settle()
            started, server_started = time.process_time(), cpu_seconds(backends[name])
            done = await work(number)
            server_spent = cpu_seconds(backends[name]) - server_started
            if number:
                rates[name].append(done / (time.process_time() - started + server_spent))
                rates[f"{name}, server alone"].append(done / server_spent)
    gc.unfreeze()
    return rates


def _settle() -> None:
    """Leave no garbage of the last turn to the next, and what is loaded out of every look for more.

    The program does the latter too once it is loaded, see ``kamiyo.cli.main``.
    """
    gc.collect()
    gc.freeze()


def claim(what: str, rates: Rates, ours: str, peer: str, target: float | None) -> Claim:
    """How many times the peer's rate ours is, in each round."""
    return Claim(what, target, tuple(a / b for a, b in zip(rates[ours], rates[peer], strict=True)))


def medians(rates: Rates) -> dict[str, object]:
    """The rates themselves: they drift with the machine and are no promise."""
    return {f"{name}, per CPU-second": round(statistics.median(each)) for name, each in rates.items()}


def cpu_seconds(pid: int) -> float:
    """What a process has spent on the CPU, to the nanosecond (Linux)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1e9
