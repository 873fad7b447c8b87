"""Exports: a filtered list written to a file, what is asked for and what is said of it."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from kamiyo.core.time import rfc3339

MOST_DEATHS: Final = 3  # of those who wrote it, before nobody tries again
LONGEST_KEY: Final = 255
_WAITS: Final = (timedelta(seconds=2), timedelta(seconds=15), timedelta(minutes=1))


class ExportDataset(enum.StrEnum):
    """Which list is written."""

    LIQUIDATIONS = "liquidations"
    EXPLOITS = "exploits"
    HONEST_CASES = "honest_cases"
    REPORTS = "reports"
    MARKETS = "markets"
    VAULTS = "vaults"
    POSITIONS = "positions"
    CLAIMS = "claims"
    CLAIMED_TOTALS = "claimed_totals"
    CLAIMED_POSITIONS = "claimed_positions"


class ExportFormat(enum.StrEnum):
    """What sort of file it becomes; the value is the ending of its name."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


class ExportState(enum.StrEnum):
    """How far an export is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


OPEN: Final = frozenset({ExportState.QUEUED, ExportState.RUNNING})


class ExportPolicy(msgspec.Struct, frozen=True):
    """Where files of exports are, how long they are kept, and how much of all that there may be."""

    folder: Path
    keep: timedelta
    most_bytes: int
    most_open: int


class ExportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. ``filters`` is the dataset's filter as JSON, ``key`` the caller's own name of it."""

    dataset: ExportDataset
    format: ExportFormat
    filters: bytes
    key: str | None = None


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """An export as whoever writes it knows it. ``folder`` is the name of its own below all exports'."""

    export_id: int
    requested_at: datetime
    dataset: ExportDataset
    format: ExportFormat
    filters: bytes
    folder: str
    state: ExportState
    attempts: int
    failures: int

    @property
    def file_name(self) -> str:
        """What its file is called."""
        return f"{self.dataset}.{self.format}"


class ExportPart(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that are on disk for good. ``last`` is the place of the last one; None where there was none.

    ``size`` in bytes and ``sha256`` are of the part alone. ``final`` says that nothing follows it.
    """

    number: int
    rows: int
    size: int
    sha256: str
    last: bytes | None
    final: bool
    read_at: datetime


class ExportFile(msgspec.Struct, frozen=True, kw_only=True):
    """A whole file."""

    rows: int
    size: int
    sha256: str
    metadata: bytes


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be believed of rows, as far as that was known at ``as_of``.

    ``gaps`` are the newest open ones that may concern what was asked for, as text.
    """

    as_of: datetime
    stale: bool
    coverage: dict[str, object]
    warnings: Sequence[str]
    gaps: Sequence[dict[str, object]]


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in, or beside, a file about its rows.

    They were read between ``read_from`` and ``read_until``, in parts, each as it was at one moment.
    """

    dataset: str
    format: str
    filters: msgspec.Raw
    rows: int
    version: str
    mode: str
    recording: str | None
    read_from: str
    read_until: str
    as_of: str
    stale: bool
    coverage: dict[str, object]
    warnings: Sequence[str]
    gaps: Sequence[dict[str, object]]
    numbers_as_text: Sequence[str]


def lease_name(export_id: int) -> str:
    """The right to write an export."""
    return f"export/{export_id}"


def is_deadly(export: Export) -> bool:
    """Whether those who wrote it ended so often without saying why that nobody should try again."""
    return export.attempts - export.failures >= MOST_DEATHS


def wait_before_attempt(failures: int) -> timedelta | None:
    """How long to wait after the so manieth failure that may pass by itself; None: no longer."""
    return _WAITS[failures - 1] if failures <= len(_WAITS) else None


def joined(first: About, last: About) -> About:
    """What to say of rows read between two moments: no more than was true at both."""
    warnings = list(dict.fromkeys([*first.warnings, *last.warnings]))
    if first.coverage["label"] != last.coverage["label"]:
        warnings.append(
            f"when the reading ended, {rfc3339(last.as_of)}, coverage was {last.coverage['label']}"
        )
    gaps = [*first.gaps, *(gap for gap in last.gaps if gap not in first.gaps)]
    stale = first.stale or last.stale
    return msgspec.structs.replace(first, stale=stale, warnings=warnings, gaps=gaps)
