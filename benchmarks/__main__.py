"""``python -m benchmarks [NAME…]``: run them, print the table, keep the results with their versions."""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import Report
from benchmarks.table import write_readme
from kamiyo.core.money import install_context

NAMES = (
    "decode",
    "reading",
    "archive",
    "path",
    "dedup",
    "sockets",
    "storing",
    "cascade",
    "memory",
    "latency",
    "wire",
    "backfill",
    "matching",
    "exports",
)
RESULTS = Path(__file__).parent / "results"
_LIBRARIES = (
    "kamiyo",
    "msgspec",
    "asyncpg",
    "ccxt",
    "pydantic",
    "orjson",
    "uvloop",
    "rapidfuzz",
    "rensa",
    "datasketch",
    "duckdb",
    "polars",
    "lz4",
)


def main(names: list[str]) -> int:
    """The exit status tells whether every promise that was measured was kept."""
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        print(f"no benchmark is called {unknown[0]}; known: {', '.join(NAMES)}", file=sys.stderr)
        return 2
    install_context()
    kept = True
    for name in names or NAMES:
        report: Report = importlib.import_module(f"benchmarks.{name}").run()
        _print(name, report)
        _keep(name, report)
        kept = kept and all(claim.passed is not False for claim in report.claims)
    write_readme(RESULTS)
    return 0 if kept else 1


def _print(name: str, report: Report) -> None:
    print(f"{name}")
    for claim in report.claims:
        verdict = {True: "pass", False: "FAIL", None: ""}[claim.passed]
        target = "" if claim.target is None else f"target {claim.target:g}"
        spread = f"{min(claim.ratios):.2f} to {max(claim.ratios):.2f}"
        print(f"  {claim.what:<72} {claim.median:7.2f}x  ({spread})  {target} {verdict}")
    for what, figure in report.figures.items():
        print(f"  {what:<72} {figure}")
    sys.stdout.flush()


def _keep(name: str, report: Report) -> None:
    content = {
        "benchmark": name,
        "measured_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "machine": {"cpus": os.cpu_count(), "system": platform.system(), "kernel": platform.release()},
        "versions": {"python": platform.python_version()} | {each: version(each) for each in _LIBRARIES},
        "claims": [claim.as_data() for claim in report.claims],
        "figures": dict(report.figures),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
