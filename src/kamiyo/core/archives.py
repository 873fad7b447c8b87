"""What an archive keeps: whole objects, each of one stretch of time, which can be listed and then read."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from kamiyo.core.ids import SourceName
from kamiyo.core.time import Utc


class ArchiveObject(msgspec.Struct, frozen=True, kw_only=True):
    """One object of an archive: where it is, what it holds, and how large it is as it is stored.

    ``stream`` names what its lines are, as in a node's files. It covers ``start`` to ``start`` + ``length``.
    ``etag`` tells one content of a key from another.
    """

    source: SourceName
    bucket: str
    key: str
    stream: str
    start: Utc
    length: timedelta
    size: int
    etag: str

    @property
    def end(self) -> datetime:
        """The first moment it does not cover."""
        return self.start + self.length

    @property
    def name(self) -> str:
        """The object as people write it."""
        return f"s3://{self.bucket}/{self.key}"


class BlockRun(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Blocks one after the other without a hole, from ``first`` to ``last``, at the times they are of."""

    first: int
    last: int
    first_at: Utc
    last_at: Utc
