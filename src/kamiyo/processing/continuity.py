"""Notice what was skipped: block numbers without a hole, or a gap that says which are missing."""

from __future__ import annotations

from datetime import datetime

from kamiyo.core.archives import BlockRun
from kamiyo.core.events import Gap
from kamiyo.core.ids import SourceName
from kamiyo.core.ports import Normalized
from kamiyo.core.time import HOUR
from kamiyo.core.validation import not_from_the_future


class Continuity:
    """The highest block seen of one source, and when. Blocks behind it are old news, not gaps.

    Beside them the blocks of the batch that is being put together, as runs without a hole.
    """

    def __init__(self, source: SourceName, newest_block: int | None) -> None:
        self._source = source
        self._stored = newest_block
        self._newest = newest_block
        self._newest_at: datetime | None = None
        self._runs: list[BlockRun] = []

    @property
    def newest_block(self) -> int | None:
        """The highest block so far."""
        return self._newest

    @property
    def block_runs(self) -> tuple[BlockRun, ...]:
        """The blocks followed since the last stored batch that were understood whole."""
        return tuple(self._runs)

    def follow(self, normalized: Normalized, now: datetime, *, sound: bool = True) -> list[Gap]:
        """Take the payload's blocks; what is missing between them and the highest before.

        Not all is known of the blocks of a payload that was not ``sound``, or of a block with a row that
        was refused: they count as read, but not as understood whole.
        """
        if normalized.block is not None:
            return self._follow_block(normalized, normalized.block, now, sound=sound)
        gaps: list[Gap] = []
        for run in normalized.block_runs:
            gaps += self._go_on(run.first, run.first_at, run.last, run.last_at, now)
            if sound:
                self._add(run, now)
        return gaps

    def batch_stored(self) -> None:
        """What was followed is stored."""
        self._stored = self._newest
        self._runs.clear()

    def batch_failed(self) -> None:
        """What was followed since the last stored batch will be read again."""
        self._newest, self._newest_at = self._stored, None
        self._runs.clear()

    def _follow_block(self, normalized: Normalized, block: int, now: datetime, *, sound: bool) -> list[Gap]:
        at = normalized.last_event_at
        if at is not None and sound and not normalized.rejects:
            self._add(BlockRun(first=block, last=block, first_at=at, last_at=at), now)
        return self._go_on(block, at, block, at, now)

    def _go_on(
        self, first: int, first_at: datetime | None, last: int, last_at: datetime | None, now: datetime
    ) -> list[Gap]:
        before, before_at = self._newest, self._newest_at
        if before is not None and last <= before:
            return []
        self._newest, self._newest_at = last, last_at
        if before is None or first <= before + 1:
            return []
        return [
            Gap(
                source=self._source,
                scale="block",
                scope="",
                first=before + 1,
                after_last=first,
                reason="blocks are missing between two that were read",
                detected_at=now,
                started_at=before_at,
                ended_at=first_at,
            )
        ]

    def _add(self, run: BlockRun, now: datetime) -> None:
        if not not_from_the_future(run.last_at, now):
            return  # nobody knows of which hour it is
        if self._runs and _continues(self._runs[-1], run):
            before = self._runs.pop()
            run = BlockRun(first=before.first, last=run.last, first_at=before.first_at, last_at=run.last_at)
        self._runs.append(run)


def _continues(before: BlockRun, run: BlockRun) -> bool:
    """Whether the run goes on where the other ended, within the same hour."""
    return (
        run.first == before.last + 1
        and before.first_at.hour == run.last_at.hour
        and before.last_at <= run.first_at
        and run.last_at - before.first_at < HOUR
    )
