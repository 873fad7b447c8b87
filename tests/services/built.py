"""A source built as the product builds it, on a real session and any clock."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from kamiyo.aggregators.base import BaseAggregator, Toolbox
from kamiyo.core.ports import Event, Raw, Reject
from kamiyo.core.reports import Report
from kamiyo.core.time import Clock
from kamiyo.kit.clock import SystemClock
from kamiyo.kit.transport import open_session
from kamiyo.processing.normalizer import normalize
from kamiyo.runtime.settings import Settings
from kamiyo.runtime.wiring import build_aggregators
from tests.services.hearing import Heard


@asynccontextmanager
async def built(
    name: str, table: Mapping[str, object], clock: Clock | None = None
) -> AsyncIterator[BaseAggregator]:
    """The source with these settings."""
    async with open_session() as session:
        tools = Toolbox(clock=clock or SystemClock(), session=session)
        yield build_aggregators(Settings(sources={name: dict(table)}), tools, only=[name])[0]


def events_of(aggregator: BaseAggregator, heard: Heard) -> list[Event]:
    """What was heard means, in order."""
    return [each for raw in heard.raws for each in normalize(aggregator.normalize, raw).events]


def reports_of(aggregator: BaseAggregator, heard: Heard) -> list[Report]:
    """The reports among it."""
    return [each for each in events_of(aggregator, heard) if isinstance(each, Report)]


def rejects_of(aggregator: BaseAggregator, heard: Heard) -> list[Reject]:
    """What was refused."""
    return [each for raw in heard.raws for each in normalize(aggregator.normalize, raw).rejects]


def report_ids(aggregator: BaseAggregator, raws: list[Raw]) -> list[str]:
    """What the reports of these payloads are called."""
    found = [each for raw in raws for each in normalize(aggregator.normalize, raw).events]
    return [each.report_id for each in found if isinstance(each, Report)]
