"""What is recorded from a venue holds what was heard of it, in every way it can be read again."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from kamiyo.aggregators.base import BaseAggregator, StreamItem, Toolbox
from kamiyo.aggregators.hyperliquid_api import AGGREGATOR, HyperliquidAPISettings
from kamiyo.core.events import LiquidatedFill, LiquidationMethod
from kamiyo.core.ids import Cursor
from kamiyo.core.ports import Normalized, Raw
from kamiyo.kit.clock import LapseClock
from kamiyo.kit.transport import open_session
from kamiyo.lab.ports import Tape
from kamiyo.lab.simulated import WATCHED
from kamiyo.lab.tape import open_tape
from kamiyo.lab.venue import open_lab_venue
from kamiyo.runtime.recording import Limits, Recorded, record
from kamiyo.runtime.replay import ReplayResult, recorded_files, replay_files

pytestmark = [pytest.mark.timeout(180), pytest.mark.slow]

SPEED = 20
LIQUIDATIONS_FROM, LASTING = timedelta(seconds=235), timedelta(seconds=90)
Key = tuple[str, str, LiquidationMethod, str | None, int]


class Free:
    """A budget without end: the venue's own account is not what is tested here."""

    async def settle(self, weight: int) -> None:
        """Nothing is counted."""

    async def spend(self, task: str, weight: int) -> "Free":  # noqa: ARG002  # the port's names
        return self

    async def pause(self, until: datetime) -> None:
        """Nobody waits."""


class Witness(BaseAggregator):
    """The real source, and all that it gave."""

    def __init__(self, source: BaseAggregator, tools: Toolbox) -> None:
        self.description = source.description
        super().__init__(tools)
        self.source = source
        self.given: list[Raw] = []

    async def stream(self, cursor: Cursor | None, *, follow: bool = True) -> AsyncGenerator[StreamItem, None]:
        async with aclosing(self.source.stream(cursor, follow=follow)) as items:
            async for item in items:
                if isinstance(item, Raw):
                    self.given.append(item)
                yield item

    def normalize(self, raw: Raw) -> Normalized:
        return self.source.normalize(raw)

    def liquidated(self, stream: str = "") -> set[Key]:
        """Every liquidated fill it told of, or one stream of it, however often."""
        told = (raw for raw in self.given if not stream or raw.stream == stream)
        events = (event for raw in told for event in self.normalize(raw).events)
        return {
            (each.asset, each.user, each.method, each.hash, each.tid)
            for each in events
            if isinstance(each, LiquidatedFill)
        }


@asynccontextmanager
async def listening(
    tape: Tape, since: datetime, speed: int = SPEED
) -> AsyncGenerator[tuple[Witness, Toolbox]]:
    """The source on a venue that plays a tape."""
    clock = LapseClock(since, speed)
    async with open_lab_venue(tape, clock=clock, keep=False) as venue, open_session() as session:
        tools = Toolbox(clock=clock, session=session, budget=Free())
        settings = HyperliquidAPISettings(url=venue.url, makers=" ".join(WATCHED))
        yield Witness(AGGREGATOR.build(settings, tools), tools), tools


async def heard(folder: Path) -> tuple[Recorded, Witness]:
    """Record a minute and a half of the cascade."""
    tape = open_tape("simulated-cascade")
    async with listening(tape, tape.starts_at + LIQUIDATIONS_FROM - timedelta(seconds=30)) as (source, tools):
        end = await record(
            source,
            folder,
            tools=tools,
            limits=Limits(lasting=LASTING + timedelta(seconds=30)),
            stopping=asyncio.Event(),
            told=lambda _so_far: None,
        )
        return end, source


async def replayed(folder: Path, database_url: str) -> ReplayResult:
    with recorded_files([folder]) as files:
        return await replay_files(database_url, files, progress=lambda _payloads, _bytes: None)


async def test_a_recording_replays_as_what_was_heard(tmp_path: Path, postgres_url: str) -> None:
    """Every payload, the same fills of the same liquidations, by all that the source could see."""
    end, source = await heard(tmp_path / "recorded")
    liquidated = source.liquidated()
    assert {method for _asset, _user, method, _hash, _tid in liquidated} >= {
        LiquidationMethod.MARKET,
        LiquidationMethod.BACKSTOP,
    }
    result = await replayed(tmp_path / "recorded", postgres_url)
    assert result.account.payloads == end.payloads == len(source.given)
    assert result.account.rejects == {}
    assert result.account.gaps == end.gaps
    assert sum(each.fill_count for each in result.liquidations) == len(liquidated)
    keys = {(asset, user, method.value, tx) for asset, user, method, tx, _tid in liquidated}
    assert {(each.asset, each.user, each.method, each.metadata.hash) for each in result.liquidations} == keys


async def test_a_recording_can_be_listened_to_again(tmp_path: Path) -> None:
    """The venue plays it: the fills of the same accounts show the same liquidations, and no others appear.

    Who is looked at beside them, it finds in statistics that no recording holds.
    """
    _end, first = await heard(tmp_path / "recorded")
    tape = open_tape(tmp_path / "recorded")
    async with listening(tape, tape.starts_at - timedelta(seconds=20)) as (second, tools):
        seconds = (tape.ends_at - tools.clock.now()).total_seconds() / SPEED + 2
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), aclosing(second.stream(None)) as items:
                async for _item in items:
                    pass
    assert second.liquidated("ws/userFills") == first.liquidated("ws/userFills") != set()
    assert second.liquidated() <= first.liquidated()
    assert {raw.stream for raw in second.given} >= {"ws/trades", "ws/allDexsAssetCtxs", "ws/fastAssetCtxs"}
