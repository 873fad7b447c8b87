"""Runs independent programs side by side and tells how each of them ended."""

import os
import subprocess
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Step:
    """One program; it passes when it returns zero."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step ended, with everything it printed."""

    step: Step
    status: int
    seconds: float
    output: str

    @property
    def line(self) -> str:
        verdict = "ok    " if self.status == 0 else "FAILED"
        return f"{verdict} {self.step.name:<16} {self.seconds:6.1f} s"


def run_all(steps: Iterable[Step], folder: Path, environment: Mapping[str, str]) -> list[Outcome]:
    """Run the steps, as many at a time as there are processors (at least two); return those that failed."""
    failures: list[Outcome] = []
    with ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1)) as pool:
        running = [pool.submit(_run, step, folder, environment) for step in steps]
        for finished in as_completed(running):
            outcome = finished.result()
            print(outcome.line, flush=True)
            if outcome.status != 0:
                failures.append(outcome)
    return failures


def explain(failures: Iterable[Outcome]) -> None:
    """Print what each failed step had to say."""
    for outcome in failures:
        print(f"\n--- {outcome.step.name} (status {outcome.status}): {' '.join(outcome.step.command)}")
        print(outcome.output.rstrip() or "(it printed nothing)", flush=True)


def _run(step: Step, folder: Path, environment: Mapping[str, str]) -> Outcome:
    started = time.perf_counter()
    try:
        done = subprocess.run(
            step.command,
            check=False,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except OSError as error:
        return Outcome(step, 127, time.perf_counter() - started, f"it could not be started: {error}")
    return Outcome(step, done.returncode, time.perf_counter() - started, done.stdout)
