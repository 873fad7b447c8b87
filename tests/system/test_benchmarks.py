"""Benchmarks still run: small, with their own checks of what is stored, and nothing said of speed.

Not those that take minutes however small: ``sockets``, ``wire`` and ``backfill``.
"""

import importlib
from collections.abc import Mapping

import pytest

from tests.system.harness import needs_engines

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow, needs_engines]

SMALL: Mapping[str, Mapping[str, object]] = {
    "decode": {"_FILLS": 200},
    "reading": {"_FILLS": 8_000},
    "path": {"_FILLS": 400, "_CCXT_FILLS": 40},
    "dedup": {"_FILLS": 10_000},
    "storing": {"_TRADES_A_BLOCK": 20, "_MANY": 1_000},
    "cascade": {"_ROUNDS": 1},
    "memory": {"_EVENTS": 8_000},
    "latency": {"_RATES": {10: (2, 5)}, "_SECONDS": 2},
    "matching": {"_TEXTS": 500, "_REPORTS": 500, "_SLICE": 100, "_KNOWN": 1_000, "_ADDED": 10},
}


@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_runs_and_says_what_it_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it measures of the product is still there, and each claim has a ratio of every round."""
    if name == "matching":
        pytest.importorskip("datasketch", reason="a peer that ./dev bench installs")
    benchmark = importlib.import_module(f"benchmarks.{name}")
    for size, value in SMALL[name].items():
        monkeypatch.setattr(benchmark, size, value)
    report = benchmark.run()
    assert report.claims or report.figures
    assert all(ratio > 0 for claim in report.claims for ratio in claim.ratios)


@pytest.mark.parametrize("name", ["archive", "exports"])
def test_a_benchmark_of_files_runs_as_small_as_it_is_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that take minutes take their size from the environment, for a first look."""
    monkeypatch.setenv("KAMIYO_BENCH_BYTES", str(1 << 20))
    monkeypatch.setenv("KAMIYO_BENCH_EXPORT_ROWS", "2000")
    report = importlib.import_module(f"benchmarks.{name}").run()
    assert all(ratio > 0 for claim in report.claims for ratio in claim.ratios)
