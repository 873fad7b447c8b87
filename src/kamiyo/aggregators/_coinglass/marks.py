"""How far everything was read: the cursor of the source, and where in it each question goes on."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from kamiyo.core.ids import Cursor

_decoder = msgspec.json.Decoder(dict[str, int])


class Marks:
    """Milliseconds by name. They move only together with the item that covers them."""

    def __init__(self, cursor: Cursor | None = None) -> None:
        self._marks = dict(_read(cursor))

    def get(self, name: str) -> int | None:
        """Up to where it was read."""
        return self._marks.get(name)

    def move(self, name: str, millis: int) -> None:
        """It was read up to there; a mark never goes back."""
        self._marks[name] = max(millis, self._marks.setdefault(name, millis))

    def cursor(self) -> Cursor:
        """All of them as one text."""
        return Cursor(msgspec.json.encode(self._marks, order="sorted").decode())


def _read(cursor: Cursor | None) -> Mapping[str, int]:
    try:
        return {} if cursor is None else _decoder.decode(cursor)
    except msgspec.DecodeError:
        return {}  # of another version: the history is read again, and nothing is kept twice
