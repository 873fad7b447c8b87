"""What both parts of the fuzzer share: the summary, and how long a payload may take."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

# A slow machine and a full collection of garbage are no stall; what grows faster than its length is one.
SLOWEST_START: Final = timedelta(milliseconds=250)
SLOWEST_PER_MEGABYTE: Final = timedelta(seconds=1)


@dataclass
class Summary:
    """What came of the payloads."""

    payloads: int = 0
    size: int = 0
    outcomes: Counter[str] = field(default_factory=Counter[str])
    rules: Counter[str] = field(default_factory=Counter[str])
    faults: list[str] = field(default_factory=list[str])
    slowest: timedelta = timedelta()

    def add(self, other: "Summary") -> None:
        self.payloads += other.payloads
        self.size += other.size
        self.outcomes.update(other.outcomes)
        self.rules.update(other.rules)
        self.faults += other.faults
        self.slowest = max(self.slowest, other.slowest)

    def note(self, label: str, payload: bytes, taken: timedelta, fault: str | None) -> None:
        """Count a payload, and keep what was wrong with it."""
        self.payloads += 1
        self.size += len(payload)
        self.slowest = max(self.slowest, taken)
        if fault is not None:
            self.faults.append(f"{fault}\n    {label}: {payload[:400]!r}")


def stalled(payload: bytes, taken: timedelta, again: Callable[[], object]) -> bool:
    """Whether it took too long because of itself.

    What seems to have is run again, by the processor's time, as a busy machine is no stall.
    """
    bound = SLOWEST_START + SLOWEST_PER_MEGABYTE * (len(payload) / 1e6)
    if taken <= bound:
        return False
    started = time.thread_time()
    again()
    return timedelta(seconds=time.thread_time() - started) > bound
