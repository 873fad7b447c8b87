"""The table of the newest results, in the README beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_BEGIN, _END = "<!-- results: written by python -m benchmarks -->", "<!-- end of results -->"


def write_readme(results: Path) -> None:
    """Put the newest results between the two marks."""
    readme = results.parent / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(_BEGIN)
    after = rest.split(_END)[1]
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob("*.json"))]
    readme.write_text(f"{before}{_BEGIN}\n{table(found)}\n{_END}{after}", encoding="utf-8")


def table(found: list[dict[str, Any]]) -> str:
    """One row for each claim, with its spread and whether it was kept."""
    rows = ["| Benchmark | Ratio | Median | Spread | Target | Kept |", "|---|---|---|---|---|---|"]
    for each in found:
        rows += [_row(each["benchmark"], claim) for claim in each["claims"]]
    return "\n".join(rows)


def _row(benchmark: str, claim: dict[str, Any]) -> str:
    kept = {True: "yes", False: "**no**", None: ""}[claim["passed"]]
    target = "" if claim["target"] is None else f"{claim['target']:g}"
    spread = f"{claim['lowest']} to {claim['highest']}"
    return f"| {benchmark} | {claim['what']} | {claim['median']} | {spread} | {target} | {kept} |"
