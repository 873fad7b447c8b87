"""Rows of the shared lists of hacks, as their services would give them."""

import ast
import csv
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

HACKS = "defillama_hacks_2016_2026-01.csv"
INCIDENTS = "defihacklabs_incidents.csv"


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    """The rows of a table of the shared data."""
    with (folder / "exploits" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def hacks(folder: Path) -> list[dict[str, object]]:
    """DefiLlama's rows in its own shape."""
    return [
        {
            "date": int(datetime.fromisoformat(row["date"]).replace(tzinfo=UTC).timestamp()),
            "name": row["name"],
            "classification": row["classification"] or None,
            "technique": row["technique"] or None,
            "amount": float(row["amount"]) if row["amount"] else None,
            "chain": ast.literal_eval(row["chain"]) if row["chain"] else None,
            "bridgeHack": row["bridgeHack"] == "True",
            "targetType": row["targetType"],
            "source": row["source"],
            "returnedFunds": float(row["returnedFunds"]) if row["returnedFunds"] else None,
            "defillamaId": row["defillamaId"] or None,
            "language": row["language"] or None,
        }
        for row in rows_of(folder, HACKS)
    ]


def section(row: dict[str, str]) -> str:
    """An incident as its page shows it, with a command whose comments look like a heading."""
    links = [link for name in ("tx_links", "social_links", "other_links") for link in row[name].split("|")]
    cause = f" - {row['root_cause']}" if row["root_cause"] else ""
    return "\n\n".join(
        (
            f"### {row['date'].replace('-', '')} {row['name']}{cause}",
            f"### Lost: {row['lost']}",
            "```sh\n### 20200101 No incident\nforge test -vvv\n```",
            "#### Contract\n\n[Example_exp.sol](src/test/Example_exp.sol)",
            "### Link reference",
            *(link for link in links if link),
            "---",
        )
    )


def pages(folder: Path) -> dict[str, str]:
    """DeFiHackLabs' pages: the newest year in the first, every other in its own."""
    years: dict[str, list[str]] = defaultdict(list)
    for row in rows_of(folder, INCIDENTS):
        years[row["date"][:4]].append(section(row))
    newest = max(years)
    past = [f"past/{year}/README.md" for year in sorted(years) if year != newest]
    first = [
        "# DeFi Hacks",
        "### OnChain transaction debugging",
        *(f"[{path}]({path}#a-heading)" for path in past),
        "### List of DeFi Hacks & POCs",
        *years[newest],
    ]
    return {"README.md": "\n\n".join(first)} | {path: "\n\n".join(years[path[5:9]]) for path in past}
