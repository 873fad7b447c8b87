"""The shapes of answers about exports, for the documentation only."""

from __future__ import annotations

from pydantic import Field

from kamiyo.api.coverage_schemas import GapShape
from kamiyo.api.schemas import CoverageShape, Instant, Shape
from kamiyo.core.exports import ExportDataset, ExportFormat, ExportState
from kamiyo.core.modes import Mode


class ExportMetadataShape(Shape):
    """What stands in a Parquet file, and beside the others, of their rows."""

    dataset: ExportDataset
    format: ExportFormat
    filters: dict[str, str | int | bool]
    rows: int
    version: str
    mode: Mode
    recording: str | None
    read_from: Instant = Field(description="When the first part was read, as it was at that moment")
    read_until: Instant = Field(description="When the last part was read")
    as_of: Instant
    stale: bool
    coverage: CoverageShape
    warnings: list[str]
    gaps: list[GapShape] = Field(
        description="Open gaps that may concern what was asked for, the newest thousand of all"
    )
    numbers_as_text: list[str] = Field(
        description="Columns of a Parquet file whose numbers have more digits than a decimal has"
    )


class ExportShape(Shape):
    export_id: int
    requested_at: Instant
    dataset: ExportDataset
    format: ExportFormat
    filters: dict[str, str | int | bool]
    state: ExportState
    detail: str = Field(description="Why it is not written")
    rows: int = Field(description="On disk for good")
    bytes: int
    parts: int
    sha256: str | None = Field(description="Of the file; null until it is whole")
    started_at: Instant | None
    done_at: Instant | None
    expires_at: Instant | None = Field(description="When it is deleted")
    metadata: ExportMetadataShape | None
