"""Which reported hacks are the same case, as people labelled it, and the rows the labels are about."""

import csv
import io
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import zstandard

Row = Mapping[str, str]

LABELS: Final = Path(__file__).with_name("matching.csv.zst")
CATALOGUE: Final = Path(__file__).parents[2] / "src" / "kamiyo" / "aggregators" / "catalogue_data"
_LISTS: Final = {
    "defillama": "defillama_hacks_2016_2026-01.csv",
    "defihacklabs": "defihacklabs_incidents.csv",
}


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which row of which list. Rows of one day with one name are counted in the list's order, from 1."""

    source: str
    key: str


@dataclass(frozen=True, slots=True)
class Label:
    """What was decided of two rows."""

    left: Key
    right: Key
    same: str  # yes, no, unclear
    split: str  # tune, report
    decided_by: str
    note: str


def read_labels() -> tuple[Label, ...]:
    """Give the labelled pairs in the order of the file."""
    text = zstandard.ZstdDecompressor().decompress(LABELS.read_bytes()).decode()
    return tuple(
        Label(
            left=Key(row["left_source"], row["left_key"]),
            right=Key(row["right_source"], row["right_key"]),
            same=row["same"],
            split=row["split"],
            decided_by=row["decided_by"],
            note=row["note"],
        )
        for row in csv.DictReader(io.StringIO(text, newline=""))
    )


def read_rows(shared_data: Path) -> dict[Key, list[Row]]:
    """Find every row that a label may be about by its key, the shipped catalogue's among them."""
    found: defaultdict[Key, list[Row]] = defaultdict(list)
    for source, name in _LISTS.items():
        for named, row in _listed(shared_data / "exploits" / name):
            found[Key(source, named)].append(row)
    for key, row in _catalogue():
        found[key].append(row)
    return dict(found)


def _listed(path: Path) -> Iterator[tuple[str, Row]]:
    counted: Counter[str] = Counter()
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            stem = f"{row['date']}/{_normal(row['name'])}"
            counted[stem] += 1
            yield f"{stem}/{counted[stem]}", row


def read_cases() -> dict[str, dict[str, object]]:
    """Give the shipped catalogue's exploits by their names, as they stand in its files."""
    cases = [tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(CATALOGUE.glob("*.toml"))]
    return {case["id"]: case for case in cases if case["record"] == "exploit"}


def _catalogue() -> Iterator[tuple[Key, Row]]:
    for name, case in read_cases().items():
        yield Key("catalogue", name), {cell: str(value) for cell, value in case.items()}
        cited = msgspec.convert(case["reports"], list[dict[str, str]])
        for number, report in enumerate(cited, start=1):
            yield Key("catalogue_report", f"{name}/{number}"), report


def _normal(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
