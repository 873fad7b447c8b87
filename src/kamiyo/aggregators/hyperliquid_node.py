"""The files a node of one's own writes: every fill and ledger event of the venue, as they happen."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec

from kamiyo.aggregators._node_files import NodeFiles, read_cursor
from kamiyo.aggregators._node_payloads import normalize, stream_of
from kamiyo.aggregators.base import (
    AggregatorSettings,
    AggregatorSpec,
    BaseAggregator,
    NotConfigured,
    StreamItem,
    Toolbox,
    Waiting,
)
from kamiyo.core.events import Gap
from kamiyo.core.ids import Chain, Cursor, SourceName
from kamiyo.core.ports import Normalized, Raw
from kamiyo.core.sources import CoverageLabel, SourceDescription, SourceType, Subject

__all__ = ["AGGREGATOR", "HyperliquidNodeAggregator", "HyperliquidNodeSettings", "stream_of"]

NAME = SourceName("hyperliquid_node")
_RETRY = timedelta(seconds=1)
_Milliseconds = Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class HyperliquidNodeSettings(AggregatorSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[sources.hyperliquid_node]``.

    ``settle_seconds`` is how long an hour's file must have been at its end, with a newer one there,
    before reading goes on to that.
    """

    path: str = "~/hl/data"
    chain: str = "hyperliquid"
    poll_milliseconds: _Milliseconds = 20
    idle_poll_milliseconds: _Milliseconds = 100
    settle_seconds: Annotated[int, msgspec.Meta(ge=0, le=3600)] = 2


class HyperliquidNodeAggregator(BaseAggregator):
    """Follows the node's hourly files. Reads block: at most 4 MiB of a file, or one unfinished line."""

    def __init__(self, settings: HyperliquidNodeSettings, tools: Toolbox) -> None:
        self.root = Path(settings.path).expanduser()
        self.description = SourceDescription(
            name=NAME,
            type=SourceType.STREAM,
            url=f"file:{self.root}",
            priority=20,
            label=CoverageLabel.COMPLETE,
            silence_limit=timedelta(seconds=10),
            lag_limit=timedelta(seconds=60),
            subject=Subject.VENUE,
        )
        super().__init__(tools)
        self._settings = settings
        self.chain = Chain(settings.chain)
        self._told_ignored: tuple[str, ...] = ()

    async def stream(self, cursor: Cursor | None, *, follow: bool = True) -> AsyncGenerator[StreamItem, None]:
        """Every line after ``cursor``; a ``Waiting`` each second while there is nothing to read from."""
        files = NodeFiles(
            source=self.name,
            root=self.root,
            resume=read_cursor(cursor),
            settle=timedelta(seconds=self._settings.settle_seconds if follow else 0),
        )
        looked_at: datetime | None = None
        pause = _RETRY
        try:
            while True:
                now = self.clock.now()
                problem = None
                try:
                    if looked_at is None or abs(now - looked_at) >= _RETRY:
                        problem = self._look(files)
                        looked_at = None if problem else now
                    for item in () if problem else self._read(files, now):
                        yield item
                except OSError as error:
                    problem = f"{error.filename or self.root} cannot be read: {error.strerror}"
                problem = problem or self._emptiness(files)
                if problem:
                    yield Waiting(problem) if self._is_set_up() else NotConfigured(problem)
                if not follow and (problem or not files.busy):
                    return
                pause = _RETRY if problem else self._pause_after(files, pause, follow=follow)
                await self.clock.sleep(pause)
        finally:
            files.close()

    def normalize(self, raw: Raw) -> Normalized:
        """What a line says; MalformedPayload if nothing of it can be understood."""
        return normalize(raw, self.chain)

    def _look(self, files: NodeFiles) -> str | None:
        problem = files.problem()
        if files.ignored != self._told_ignored:
            self._told_ignored = files.ignored
            self.logger.info("a stream that would count everything twice is not read", streams=files.ignored)
        return problem

    def _read(self, files: NodeFiles, now: datetime) -> Iterator[Raw | Gap]:
        for stream, found in files.read(now):
            if isinstance(found, Gap):
                yield found
                continue
            span, payload = found
            yield Raw(
                source=self.name,
                stream=stream.stream,
                payload=payload,
                received_at=now,
                cursor=files.cursor(),
                span=span,
            )

    def _emptiness(self, files: NodeFiles) -> str | None:
        return f"no hourly file in {self.root} yet: is the node running?" if files.empty else None

    def _is_set_up(self) -> bool:
        """Most people have no node: without a word of theirs nothing is missing where its data would be."""
        return self._settings.path != HyperliquidNodeSettings().path or self.root.exists()

    def _pause_after(self, files: NodeFiles, before: timedelta, *, follow: bool) -> timedelta:
        """None while there is much to read, then short, then growing up to the pause of a quiet node."""
        if not follow or files.behind:
            return timedelta(0)
        shortest = timedelta(milliseconds=self._settings.poll_milliseconds)
        longest = timedelta(milliseconds=self._settings.idle_poll_milliseconds)
        return shortest if files.busy else min(max(2 * before, shortest), longest)


AGGREGATOR = AggregatorSpec(name=NAME, settings=HyperliquidNodeSettings, build=HyperliquidNodeAggregator)
