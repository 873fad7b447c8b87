"""Reports that say nothing but what a test gives them."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from kamiyo.core.exploits import CaseKind, Confidence, ExploitStatus, exploit_id
from kamiyo.core.ids import SourceName
from kamiyo.core.reports import Citation, Curated, Facts, Grade, Medium, Report, ReportId, ReportKind

DAY = datetime(2025, 3, 26, tzinfo=UTC)

_CLAIM = Report(
    report_id=ReportId("posts:1"),
    source=SourceName("posts"),
    medium=Medium.SOCIAL,
    origin="posts:somebody",
    source_url="",
    title="",
    text="",
    grade=Grade.CLAIM,
    kind=ReportKind.NEW,
    published_at=DAY,
    received_at=DAY,
)


def a_claim(**changes: Any) -> Report:
    """A post of ``DAY`` without a word; changes of ``Facts`` change its facts."""
    facts = {name: changes.pop(name) for name in tuple(changes) if name in Facts.__struct_fields__}
    return msgspec.structs.replace(_CLAIM, facts=Facts(**facts), **changes)


def a_row(**changes: Any) -> Report:
    """A row of a list, without a word."""
    listed = {"source": SourceName("list"), "medium": Medium.DATABASE, "report_id": ReportId("list:1")}
    return a_claim(**listed | changes)


def a_curated_claim(case: str, *cited: str, **changes: Any) -> Report:
    """The curated record of a case that cites some pages."""
    curated = Curated(
        tx_hash=exploit_id(case),
        kind=CaseKind.INCIDENT,
        status=ExploitStatus.CONFIRMED,
        confidence=Confidence.HIGH,
        description="",
        amount_note="",
        recovery_status="",
        timeline=(),
        conflicts=(),
        aliases=(),
    )
    citations = tuple(Citation(title="", source_url=url, grade=Grade.PRESS) for url in cited)
    record = {
        "source": SourceName("catalogue"),
        "medium": Medium.CURATED,
        "report_id": ReportId(f"catalogue:{case}"),
    }
    return a_claim(**record | {"curated": curated, "citations": citations} | changes)
