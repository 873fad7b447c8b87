"""Notice what was skipped: block numbers without a hole, or a gap that says which are missing."""

from __future__ import annotations

from datetime import datetime

from kamiyo.core.events import Gap
from kamiyo.core.ids import SourceName
from kamiyo.core.ports import Normalized


class Continuity:
    """The highest block seen of one source, and when. Blocks behind it are old news, not gaps."""

    def __init__(self, source: SourceName, newest_block: int | None) -> None:
        self._source = source
        self._stored = newest_block
        self._newest = newest_block
        self._newest_at: datetime | None = None

    @property
    def newest_block(self) -> int | None:
        """The highest block so far."""
        return self._newest

    def follow(self, normalized: Normalized, now: datetime) -> Gap | None:
        """Take the payload's block; the gap between it and the highest before, if there is one."""
        block, before, before_at = normalized.block, self._newest, self._newest_at
        if block is None or (before is not None and block <= before):
            return None
        self._newest, self._newest_at = block, normalized.last_event_at
        if before is None or block == before + 1:
            return None
        return Gap(
            source=self._source,
            scale="block",
            scope="",
            first=before + 1,
            after_last=block,
            reason="blocks are missing between two that were read",
            detected_at=now,
            started_at=before_at,
            ended_at=normalized.last_event_at,
        )

    def batch_stored(self) -> None:
        """What was followed is stored."""
        self._stored = self._newest

    def batch_failed(self) -> None:
        """What was followed since the last stored batch will be read again."""
        self._newest, self._newest_at = self._stored, None
