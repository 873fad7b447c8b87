"""``kamiyo retention``: how long each dataset is kept, what was let go, and what goes next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import uvloop

from kamiyo.cli.client import JsonOption
from kamiyo.cli.exits import ungrouped
from kamiyo.cli.output import build_table, open_console, print_json
from kamiyo.cli.replay import database_of
from kamiyo.cli.run import ConfigOption, HomeOption, settings_of
from kamiyo.core.retention import policies_of
from kamiyo.core.time import rfc3339
from kamiyo.jobs.retaining import Outlook, look_ahead
from kamiyo.kit.logging import configure
from kamiyo.runtime.settings import Settings
from kamiyo.storage.pool import connect

_COLUMNS = ("dataset", "keep", "kept from", "oldest month", "goes at", "rows#", "MiB#", "written to first")
_MEBIBYTE = 1 << 20


def retention(json: JsonOption = False, home: HomeOption = None, config: ConfigOption = None) -> None:
    """Say of each dataset how long it is kept and what goes next, and when; nothing is changed.

    Rows and size are of the oldest month there is, as the database estimates them.
    """
    settings = settings_of(config, home=home)
    configure(json=settings.log_json)
    with ungrouped(), database_of(settings) as database_url:
        told = uvloop.run(_look(settings, database_url))
    if json:
        print_json(told)
    else:
        open_console().print(build_table(_COLUMNS, [_row(each) for each in told]))


async def _look(settings: Settings, database_url: str) -> Sequence[Outlook]:
    async with connect(database_url) as connection:
        return await look_ahead(connection, policies_of(settings.retention))


def _row(told: Outlook) -> list[str]:
    return [
        told.dataset,
        told.keep,
        _day(told.stored_from or told.dropped_before),
        "" if told.oldest_month is None else f"{told.oldest_month:%Y-%m}",
        _day(told.goes_at),
        "" if told.rows is None else f"{told.rows:,}",
        "" if told.bytes is None else f"{told.bytes / _MEBIBYTE:,.1f}",
        told.export_to or "",
    ]


def _day(moment: datetime | None) -> str:
    return "" if moment is None else rfc3339(moment)[:10]
