"""The labelled rows as reports, read off the lists in the plainest way."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec

from kamiyo.core.exploits import CaseKind, Confidence, ExploitStatus, exploit_id
from kamiyo.core.ids import SourceName
from kamiyo.core.money import Usd
from kamiyo.core.reports import (
    AssetAmount,
    Citation,
    Curated,
    Facts,
    Grade,
    Medium,
    Precision,
    Report,
    ReportId,
    ReportKind,
)
from tests.truth.labels import Key, Row, read_cases, read_rows

_UNITS = {"": 1, "k": 10**3, "thousand": 10**3, "m": 10**6, "million": 10**6, "b": 10**9, "billion": 10**9}
_NUMBER = r"([\d,.]*\d)\s*(?:(k|m|b|thousand|million|billion)\b)?"
_NO_ASSET = r"(?![\d.,]|\s*\$?w?(?:eth|bnb|btc))"
# A sum in dollars stands before its parts in other currencies, wherever it is written.
_DOLLARS = (
    re.compile(rf"\$\s*{_NUMBER}{_NO_ASSET}", re.IGNORECASE),
    re.compile(rf"{_NUMBER}\s*(?:\$(?!\s*\w)|us\$|\$?(?:usd[tc]?|busd|dai)\b|bsc-usd)", re.IGNORECASE),
    re.compile(rf"^[~>$\s]*{_NUMBER}[.+\s]*$", re.IGNORECASE),
)
_ASSETS = re.compile(r"([\d,]*\.?\d+)\s*\$?(w?eth|w?bnb|w?btc|w?avax|matic|steth)\b", re.IGNORECASE)
_HASH = re.compile(r"/tx/(?:\w+/)?(0x[0-9a-fA-F]{64})(?![0-9a-fA-F])")


def read_reports(shared_data: Path) -> dict[Key, Report]:
    """Turn every row that may be labelled into a report."""
    cases = read_cases()
    made: dict[Key, Report] = {}
    for key, (row, *_) in read_rows(shared_data).items():
        match key.source:
            case "defillama":
                made[key] = _of_defillama(key, row)
            case "defihacklabs":
                made[key] = _of_defihacklabs(key, row)
            case "catalogue":
                made[key] = _of_case(key, cases[key.key])
            case _:
                made[key] = _of_citation(key, row)
    return made


def _of_defillama(key: Key, row: Row) -> Report:
    facts = Facts(
        name=row["name"].strip(),
        chains=tuple(_chain(name) for name in re.findall(r"'([^']+)'", row["chain"])),
        amount_usd=Usd(Decimal(row["amount"])) if row["amount"] else None,
        occurred_at=_day(row["date"]),
        precision=Precision.DAY,
        category=row["technique"].strip() or None,
    )
    return _report(
        key, Medium.DATABASE, facts, url=row["source"], links=[row["source"]], text=row["technique"]
    )


def _of_defihacklabs(key: Key, row: Row) -> Report:
    links = [
        url for cell in ("tx_links", "social_links", "other_links") for url in row[cell].split("|") if url
    ]
    lost = row["lost"].replace("\N{FULLWIDTH TILDE}", "~")
    facts = Facts(
        name=row["name"].lstrip("- "),
        amount_usd=_dollars(lost),
        amounts=tuple(
            AssetAmount(amount.replace(",", ""), asset.upper()) for amount, asset in _ASSETS.findall(lost)
        ),
        transactions=tuple(found.lower() for found in _HASH.findall(row["tx_links"])),
        occurred_at=_day(row["date"]),
        precision=Precision.DAY,
    )
    return _report(key, Medium.REPOSITORY, facts, links=links, text=row["root_cause"])


def _of_case(key: Key, case: dict[str, object]) -> Report:
    amounts = {name: _known(case[name]) for name in ("amount_usd", "amount_usd_low", "amount_usd_high")}
    case_id = exploit_id(key.key)
    facts = msgspec.convert(
        {
            "name": case["name"],
            "protocol": case["protocol"],
            "chains": [case["chain"]],
            "assets": case["assets"],
            "transactions": case["transactions"],
            "occurred_at": case["timestamp"],
            "precision": case["timestamp_precision"],
            "ended_at": case["ended_at"],
            "category": case["category"],
        }
        | amounts,
        Facts,
    )
    curated = Curated(
        tx_hash=case_id,
        kind=CaseKind(str(case["kind"])),
        status=ExploitStatus(str(case["status"])),
        confidence=Confidence(str(case["confidence"])),
        description=str(case["description"]),
        amount_note="",
        recovery_status="",
        timeline=(),
        conflicts=(),
        aliases=(),
    )
    cited = msgspec.convert(case["reports"], list[dict[str, str]])
    citations = tuple(
        Citation(title=each["title"], source_url=each["url"], grade=Grade(each["grade"])) for each in cited
    )
    report = _report(key, Medium.CURATED, facts, text=str(case["description"]))
    return msgspec.structs.replace(report, curated=curated, citations=citations, title=str(case["name"]))


def _of_citation(key: Key, row: Row) -> Report:
    """A page that is told of by its title alone, found long after."""
    report = _report(key, Medium.PRESS, Facts(), url=row["url"], text="")
    found = datetime(2026, 11, 1, tzinfo=UTC)
    return msgspec.structs.replace(report, title=row["title"], published_at=found, received_at=found)


def _report(
    key: Key, medium: Medium, facts: Facts, *, url: str = "", links: Iterable[str] = (), text: str
) -> Report:
    told = (facts.occurred_at or datetime(2026, 1, 1, tzinfo=UTC)) + timedelta(days=1)
    return Report(
        report_id=ReportId(f"{key.source}:{key.key}"),
        source=SourceName(key.source),
        medium=medium,
        origin=key.source,
        source_url=url,
        title=facts.name or "",
        text=text,
        grade=Grade.REPOSITORY,
        kind=ReportKind.NEW,
        published_at=told,
        received_at=told,
        facts=facts,
        citations=tuple(Citation(title="", source_url=link, grade=Grade.CLAIM) for link in links if link),
    )


def _dollars(lost: str) -> Usd | None:
    found = next((match for pattern in _DOLLARS if (match := pattern.search(lost))), None)
    if found is None:
        return None
    number, unit = found[1], (found[2] or "").lower()
    grouped = re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", number)
    digits = number.replace(",", "" if grouped else ".")
    return Usd(Decimal(digits) * _UNITS[unit]) if digits.count(".") <= 1 else None


def _known(told: object) -> str | None:
    return None if told == "unknown" else str(told)


def _chain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower())


def _day(date: str) -> datetime:
    return datetime.fromisoformat(date).replace(tzinfo=UTC)
