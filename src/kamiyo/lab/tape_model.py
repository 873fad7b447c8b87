"""Recordings of what happened, node fills and minute series, as a tape the venue plays."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from operator import attrgetter

from kamiyo.core.errors import InvalidQuery
from kamiyo.core.modes import Showing
from kamiyo.lab.changes import Change, public_trades
from kamiyo.lab.model import Model
from kamiyo.lab.playing import PlayedModel
from kamiyo.lab.reading import Beginning, blocks

Lines = Callable[[], Iterable[bytes]]
Minutes = Callable[[], Iterator[Change]]


class ModelTape:
    """Blocks of fills and minute series on one tape; ``lines`` and ``minutes`` can be read again and again.

    What the venue would say beside them is modelled: see docs/explanation/lab-venue.md.
    """

    def __init__(
        self,
        showing: Showing,
        title: str,
        source: str,
        *,
        lines: Sequence[Lines] = (),
        minutes: Sequence[tuple[str, Minutes]] = (),
        liquidated_minutes: Sequence[tuple[datetime, Decimal, Decimal]] = (),
        span: tuple[datetime | None, datetime | None] = (None, None),
    ) -> None:
        self.showing = showing
        self.title = title
        self.source = source
        self.liquidated_minutes = liquidated_minutes
        self._lines = lines
        self._minutes = minutes
        self.beginning = Beginning()
        self._assets = frozenset(asset for asset, _read in minutes)
        self._rows = 0
        self._listen()
        if self.beginning.starts_at is None or self.beginning.ends_at is None:
            raise InvalidQuery(f"{title}: the recording holds nothing that can be played")
        self.starts_at = span[0] or self.beginning.starts_at
        self.ends_at = span[1] or self.beginning.ends_at

    @property
    def holds(self) -> str:
        """What is on it, in one line."""
        known = self.beginning
        parts: list[str] = []
        if known.blocks:
            parts.append(
                f"{known.blocks:,} blocks with {known.fills:,} fills, {known.trades:,} trades "
                f"({sum(known.methods.values()):,} by liquidation) of {len(known.decimals):,} assets"
            )
        if self._rows:
            parts.append(f"{self._rows:,} minutes of {', '.join(sorted(self._assets))}")
        if self.liquidated_minutes:
            total = sum(liquidated for _at, liquidated, _backstop in self.liquidated_minutes)
            parts.append(
                f"{total:,} USD liquidated in {len(self.liquidated_minutes):,} minutes, nobody says of whom"
            )
        return "; ".join(parts)

    def play(self, since: datetime) -> PlayedModel:
        """The tape at ``since``."""
        return PlayedModel(Model(self.beginning, self._assets), self._changes(), since)

    def _changes(self) -> Iterator[Change]:
        feeds: list[Iterator[Change]] = [blocks(lines()) for lines in self._lines]
        feeds += [read() for _asset, read in self._minutes]
        return heapq.merge(*feeds, key=attrgetter("at"))

    def _listen(self) -> None:
        """Go through the whole tape once, for what must be known before its first moment."""
        known = self.beginning
        for lines in self._lines:
            for block in blocks(lines()):
                known.hear(block, len(public_trades(block.rows)))
        for _asset, read in self._minutes:
            for row in read():
                self._rows += 1
                known.starts_at = min(known.starts_at or row.at, row.at)
                known.ends_at = max(known.ends_at or row.at, row.at)
