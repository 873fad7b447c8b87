"""The labelled rows as the reports that the sources themselves make of them."""

import ast
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from kamiyo.aggregators.base import BaseAggregator
from kamiyo.aggregators.catalogue import load_cases, parse_case
from kamiyo.aggregators.defihacklabs import DeFiHackLabsAggregator, DeFiHackLabsSettings
from kamiyo.aggregators.defillama import DefiLlamaAggregator, DefiLlamaSettings
from kamiyo.core.ids import SourceName
from kamiyo.core.ports import Raw
from kamiyo.core.reports import Grade, Medium, Report, ReportId, ReportKind
from tests.fakes import tools
from tests.truth.labels import Key, Row, read_rows

FOUND: Final = datetime(2026, 11, 1, tzinfo=UTC)  # when what the catalogue cites was read again


def read_reports(shared_data: Path) -> dict[Key, Report]:
    """Turn every row that may be labelled into a report."""
    sources: Mapping[str, BaseAggregator] = {
        "defillama": DefiLlamaAggregator(DefiLlamaSettings(), tools()),
        "defihacklabs": DeFiHackLabsAggregator(DeFiHackLabsSettings(), tools()),
    }
    records = {
        event.report_id: event for event in map(_record, load_cases(None)) if isinstance(event, Report)
    }
    made: dict[Key, Report] = {}
    for key, (row, *_) in read_rows(shared_data).items():
        match key.source:
            case "catalogue":
                made[key] = records[ReportId(f"catalogue:{key.key}")]
            case "catalogue_report":
                made[key] = _cited(key, row)
            case _:
                made[key] = _read(sources[key.source], key, row)
    return made


def _record(payload: bytes) -> object:
    return parse_case(payload, FOUND)


def _read(source: BaseAggregator, key: Key, row: Row) -> Report:
    content = _cells_of(row) if key.source == "defillama" else _section_of(row)
    payload = msgspec.json.encode(
        {"report_id": f"{key.source}:{key.key}", "edited": False, "page": "README.md", "content": content}
    )
    raw = Raw(source=SourceName(key.source), stream="truth", payload=payload, received_at=FOUND)
    (report,) = source.normalize(raw).events
    assert isinstance(report, Report)
    return report


def _cells_of(row: Row) -> Mapping[str, object]:
    """Write a row as the service's JSON has it; the list at hand was flattened to text."""
    texts = ("name", "classification", "technique", "targetType", "source", "parentProtocolId")
    return {name: row[name] for name in texts} | {
        "date": int(datetime.fromisoformat(row["date"]).replace(tzinfo=UTC).timestamp()),
        "amount": float(row["amount"]) if row["amount"] else None,
        "returnedFunds": float(row["returnedFunds"]) if row["returnedFunds"] else None,
        "chain": ast.literal_eval(row["chain"]) if row["chain"].strip() else None,
        "bridgeHack": row["bridgeHack"] == "True",
    }


def _section_of(row: Row) -> str:
    """Write a row as the section it was cut from."""
    links = [
        url for cell in ("tx_links", "social_links", "other_links") for url in row[cell].split("|") if url
    ]
    heading = f"### {row['date'].replace('-', '')} {row['name'].removeprefix('- ')} - {row['root_cause']}"
    return "\n".join([heading, f"### Lost: {row['lost']}", "#### Link reference", *links])


def _cited(key: Key, row: Row) -> Report:
    """Know a page by its address and title alone, found long after."""
    return Report(
        report_id=ReportId(f"{key.source}:{key.key}"),
        source=SourceName("feeds"),
        medium=Medium.PRESS,
        origin=f"page:{key.key}",
        source_url=row["url"],
        title=row["title"],
        text="",
        grade=Grade(row["grade"]),
        kind=ReportKind.NEW,
        published_at=FOUND,
        received_at=FOUND,
    )
