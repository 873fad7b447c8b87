"""The shapes of answers about backfills, for the documentation only."""

from __future__ import annotations

from pydantic import Field

from kamiyo.api.schemas import Digits, Instant, Shape
from kamiyo.core.backfills import BackfillReason, BackfillState, ObjectState


class BackfillShape(Shape):
    backfill_id: int
    requested_at: Instant
    requested_by: str
    source: str
    start: Instant
    end: Instant
    assets: list[str] = Field(description="Empty: everything")
    reason: BackfillReason
    state: BackfillState
    done_at: Instant | None
    cost_usd: Digits = Field(description="As estimated before it began")
    objects: int
    bytes: int = Field(description="As they are stored")
    objects_done: int
    objects_failed: int = Field(description="Given up, or no longer there")
    objects_running: int
    bytes_done: int = Field(description="Of objects that came to their end, as they are stored")
    bytes_read: int = Field(description="As they are once decompressed")
    payloads: int
    liquidated_fills: int
    new_fills: int = Field(
        description="Not known before the reading that finished; what a reading that was cut off "
        "had stored is known to the next one"
    )
    rejects: int
    seconds: int | None = Field(description="Since the first reading began; null before")
    rate_bytes_per_second: int | None
    seconds_left: int | None = Field(description="At that rate; null while nobody can say")


class BackfillObjectShape(Shape):
    object_id: int
    backfill_id: int
    source: str
    name: str
    etag: str
    stream: str
    start: Instant
    end: Instant
    size: int
    state: ObjectState
    detail: str = Field(description="Why it is not read")
    attempts: int
    failures: int
    bytes_read: int
    payloads: int
    liquidated_fills: int
    new_fills: int
    rejects: int
    started_at: Instant | None
    done_at: Instant | None


class BackfillDetailShape(BackfillShape):
    troubles: list[BackfillObjectShape] = Field(
        description="The first hundred objects that could not be read, or not yet"
    )
