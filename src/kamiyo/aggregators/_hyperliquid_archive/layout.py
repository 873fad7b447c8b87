"""Where the archive keeps what: keys, and the stretch of time each stands for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from kamiyo.aggregators._hyperliquid_archive.chunks import ASSET_CONTEXTS, TRADES
from kamiyo.aggregators._node_payloads import FILLS, FILLS_BY_BLOCK, MISC_EVENTS_BY_BLOCK
from kamiyo.core.archives import ArchiveObject
from kamiyo.core.ids import SourceName
from kamiyo.kit.object_store import StoredObject

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_DATE: Final = "%Y%m%d"
_LAST_CHARACTER: Final = "~"  # behind every character that follows a date in a key


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream: below which prefix its objects lie, in which of the two buckets, and what each covers."""

    name: str
    prefix: str
    key: re.Pattern[str]
    length: timedelta
    of_node: bool

    def bounds(self, start: datetime, end: datetime) -> tuple[str, str]:
        """Keys before the first and behind the last that can cover any of that time."""
        return self.prefix + f"{start:{_DATE}}", self.prefix + f"{end:{_DATE}}" + _LAST_CHARACTER

    def object_of(self, found: StoredObject, source: SourceName, bucket: str) -> ArchiveObject | None:
        """What an object stands for; None for one whose name is none of this stream's."""
        matched = self.key.fullmatch(found.key)
        if matched is None:
            return None
        try:
            day = datetime.strptime(matched["day"], _DATE).replace(tzinfo=UTC)
        except ValueError:
            return None
        hour = int(matched.groupdict().get("hour") or 0)
        return ArchiveObject(
            source=source,
            bucket=bucket,
            key=found.key,
            stream=self.name,
            start=day + hour * _HOUR,
            length=self.length,
            size=found.size,
            etag=found.etag,
        )


def _hourly(name: str) -> Stream:
    prefix = f"{name}/hourly/"
    key = re.compile(prefix + r"(?P<day>\d{8})/(?P<hour>1?\d|2[0-3])\.lz4", re.ASCII)
    return Stream(name=name, prefix=prefix, key=key, length=_HOUR, of_node=True)


def _daily(name: str) -> Stream:
    prefix = f"{name}/"
    key = re.compile(prefix + r"(?P<day>\d{8})\.csv\.lz4", re.ASCII)
    return Stream(name=name, prefix=prefix, key=key, length=_DAY, of_node=False)


STREAMS: Final = {
    stream.name: stream
    for stream in (
        _hourly(FILLS_BY_BLOCK),
        _hourly(FILLS),
        _hourly(TRADES),
        _hourly(MISC_EVENTS_BY_BLOCK),
        _daily(ASSET_CONTEXTS),
    )
}


def covering(objects: Iterable[ArchiveObject], start: datetime, end: datetime) -> Sequence[ArchiveObject]:
    """Those that cover any of that time, in its order."""
    touching = (each for each in objects if each.start < end and each.end > start)
    return sorted(touching, key=lambda each: (each.start, each.key))
