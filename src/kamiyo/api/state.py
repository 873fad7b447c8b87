"""What the server was given when it was built: opened resources, never global."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from kamiyo.cache.responses import ResponseCache
from kamiyo.core.modes import LIVE, Showing
from kamiyo.core.time import Clock
from kamiyo.storage.exports import PostgresExports
from kamiyo.storage.pool import Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiState:
    """Everything a request may need. Whoever opened it closes it, after the server.

    ``exports`` is None where none can be asked for.
    """

    pool: Pool
    cache: ResponseCache
    clock: Clock
    version: str
    started_at: datetime
    showing: Showing = LIVE
    exports: PostgresExports | None = None
