"""Lists that are read again and again: which of their rows are new or changed since the last time."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from base64 import urlsafe_b64encode
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.ids import Cursor, SourceName
from kamiyo.core.ports import Raw
from kamiyo.core.reports import ReportId

_DIGEST_BYTES: Final = 6
_PACKED: Final = 8  # letters of a digest in base 64
_CURSOR_EVERY: Final = 250
_LONGEST_SLUG: Final = 80
_BETWEEN_WORDS: Final = re.compile(r"[\W_]+")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row as it stood in its list, with what the list alone knows: which one it is, and whether it changed.

    ``content`` is the row itself, untouched where it is JSON and else as a JSON string; ``page`` is where
    it stood.
    """

    report_id: ReportId
    edited: bool
    page: str
    content: msgspec.Raw


class Found(msgspec.Struct, frozen=True):
    """A row in a list just read: what it would be called, what it says to us, and itself."""

    key: str
    meaning: bytes
    content: msgspec.Raw
    page: str = ""


def parse_row(payload: bytes) -> Row:
    """The row a payload holds; MalformedPayload if it is none."""
    try:
        return _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedPayload(str(error), rule="not_a_row") from error


_decode = msgspec.json.Decoder(Row).decode
_encode = msgspec.json.Encoder().encode


class Known:
    """What a list held when it was last read: of each row a digest of its name and one of what it said.

    Rows that have gone stay known, so that one that returns is no news.
    """

    def __init__(self, packed: str = "") -> None:
        width = 2 * _PACKED
        pieces = [packed[at : at + width] for at in range(0, len(packed), width)]
        self._rows = {piece[:_PACKED]: piece[_PACKED:] for piece in pieces}

    def pack(self) -> str:
        """All of it as text, to be kept in a cursor."""
        return "".join(name + said for name, said in self._rows.items())

    def keep_newest(self, rows: int) -> None:
        """Forget all but so many of the rows that were learned of last."""
        for name in list(self._rows)[: max(len(self._rows) - rows, 0)]:
            del self._rows[name]

    def remember(self, report_id: str, meaning: bytes) -> None:
        """A row now says this."""
        name = digest(report_id.encode())
        self._rows.pop(name, None)  # so that it is among the newest
        self._rows[name] = digest(meaning)

    def said(self, report_id: str) -> str | None:
        """A digest of what a row said when it was last read, or None where it is new."""
        return self._rows.get(digest(report_id.encode()))


def changed_rows(found: Sequence[Found], known: Known) -> list[tuple[Row, bytes]]:
    """The rows that are new or say something else now, with what they say, in the list's order of names.

    Rows of one name are told apart: one that says what it said before keeps the name it had, whatever the
    order; the others are numbered. A row that stands there twice in the same words is one row.
    """
    groups: dict[str, dict[bytes, Found]] = defaultdict(dict)
    for each in found:
        groups[each.key].setdefault(each.meaning, each)
    rows: list[tuple[Row, bytes]] = []
    for key, group in groups.items():
        for report_id, meaning in _named(key, group, known):
            if known.said(report_id) == digest(meaning):
                known.remember(report_id, meaning)  # it stands there still: among the newest
            else:
                rows.append((_row(report_id, group[meaning], known), meaning))
    return rows


def _row(report_id: str, found: Found, known: Known) -> Row:
    return Row(
        report_id=ReportId(report_id),
        edited=known.said(report_id) is not None,
        page=found.page,
        content=found.content,
    )


def _named(key: str, group: Mapping[bytes, Found], known: Known) -> list[tuple[str, bytes]]:
    """Which of the rows of one name is which: one for each of these meanings."""
    names = [key]
    while len(names) < len(group) or known.said(_numbered(key, len(names) + 1)) is not None:
        names.append(_numbered(key, len(names) + 1))
    by_words = {known.said(name): name for name in reversed(names)}
    same = {each: by_words[digest(each)] for each in group if digest(each) in by_words}
    free = [name for name in names if name not in same.values()]
    others = sorted(each for each in group if each not in same)
    return [(name, each) for each, name in (*same.items(), *zip(others, free, strict=False))]


def _numbered(key: str, number: int) -> str:
    return f"{key}~{number}"


@dataclass(frozen=True, slots=True)
class Cursors:
    """How a cursor is made of the rows known so far: within the list, and at its end."""

    halfway: Callable[[str], Cursor]
    finished: Callable[[str], Cursor]


def told_rows(
    rows: Sequence[tuple[Row, bytes]],
    known: Known,
    *,
    source: SourceName,
    stream: str,
    now: datetime,
    cursors: Cursors,
) -> Iterator[Raw]:
    """Each changed row as a payload; now and then one carries a cursor that knows of the rows so far.

    Only the last one's may say that the list was read.
    """
    for number, (row, meaning) in enumerate(rows, 1):
        known.remember(row.report_id, meaning)
        cursor = None
        if number == len(rows):
            cursor = cursors.finished(known.pack())
        elif number % _CURSOR_EVERY == 0:
            cursor = cursors.halfway(known.pack())
        yield Raw(source=source, stream=stream, payload=_encode(row), received_at=now, cursor=cursor)


def slug_of(name: str) -> str:
    """The words of a name as part of an id: lower case, joined by hyphens. Empty for a name without any."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    return _BETWEEN_WORDS.sub("-", plain).strip("-")[:_LONGEST_SLUG].rstrip("-")


def digest(content: bytes) -> str:
    """A short digest, as letters and digits."""
    return urlsafe_b64encode(hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()).decode()
