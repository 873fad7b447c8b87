"""How far Telegram's channels have been told, and what is wrong with which of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from kamiyo.aggregators._merged import Outlet
from kamiyo.aggregators.base import Alive, Waiting
from kamiyo.core.errors import CursorExpired
from kamiyo.core.ids import Cursor, SourceName
from kamiyo.core.ports import Raw


class Known(msgspec.Struct, frozen=True):
    """What was told of a channel's preview: the newest post, and recent ones with a digest of their words."""

    newest: int = 0
    posts: Mapping[int, str] = {}


class Position(msgspec.Struct, frozen=True):
    """A cursor: the last update of the bot's, and what is known of each preview."""

    update: int | None = None
    previews: Mapping[str, Known] = {}


class Standing:
    """Guards the one cursor of both ways of reading, and what is said of them."""

    def __init__(self, source: SourceName, outlet: Outlet, cursor: Cursor | None) -> None:
        position = parse_cursor(cursor)
        self.outlet = outlet
        self.update = position.update
        self.previews = dict(position.previews)
        self.lacking = ""  # for good, by the settings
        self._source = source
        self._troubles: dict[str, str] = {}
        self.ways = 1  # to read: the bot, and each preview

    def put(self, stream: str, payload: bytes, now: datetime) -> None:
        """Give a payload; the cursor it carries covers all that is known until now."""
        self.outlet.put(
            Raw(
                source=self._source,
                stream=stream,
                payload=payload,
                received_at=now,
                cursor=self._cursor(),
            )
        )

    def well(self, way: str, now: datetime) -> None:
        """One way works."""
        self._troubles.pop(way, None)
        self._tell(now)

    def ill(self, way: str, trouble: str, now: datetime) -> bool:
        """One way does not work; whether that is news."""
        news = self._troubles.get(way) != trouble
        self._troubles[way] = trouble
        self._tell(now)
        return news

    def _tell(self, now: datetime) -> None:
        troubles = [f"{way}: {trouble}" for way, trouble in self._troubles.items()]
        if len(troubles) >= self.ways:
            self.outlet.put(Waiting("; ".join(troubles)))
        else:
            lacking = "; ".join([*troubles, self.lacking] if self.lacking else troubles)
            self.outlet.put(Alive(now, self._cursor(), lacking=lacking))

    def _cursor(self) -> Cursor:
        return Cursor(msgspec.json.encode(Position(self.update, self.previews)).decode())


def parse_cursor(cursor: Cursor | None) -> Position:
    """What a cursor says; CursorExpired if it is none of ours."""
    try:
        return Position() if cursor is None else msgspec.json.decode(cursor, type=Position, strict=False)
    except msgspec.DecodeError as error:
        raise CursorExpired(f"not a cursor of Telegram's channels: {error}") from error
