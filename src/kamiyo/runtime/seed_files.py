"""Downloaded copies of lists of hacks, served to the sources as their services would serve them."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from kamiyo.aggregators.base import Headers, NoNetwork, Response
from kamiyo.core.errors import InvalidQuery
from kamiyo.core.time import EPOCH

DEFILLAMA: Final = "defillama"
DEFIHACKLABS: Final = "defihacklabs"
_COMMITS: Final = "/commits"
_README: Final = "README.md"
_FOUND, _MISSING = 200, 404
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Copy:
    """A list as it was downloaded: whose it is, its pages by their last steps, and when it was written."""

    source: str
    pages: Mapping[str, bytes]
    written_at: datetime


def read_copy(path: Path) -> Copy:
    """What a file or a clone of a repository holds; InvalidQuery for what is none of the lists."""
    if path.is_dir():
        files = [path / _README, *sorted(path.glob("past/*/README.md"))]
        pages = {file.relative_to(path).as_posix(): file.read_bytes() for file in files}
        return Copy(DEFIHACKLABS, pages, _written_at(path / _README))
    content = path.read_bytes()
    readers: Mapping[str, Callable[[bytes], tuple[str, dict[str, bytes]]]] = {
        ".json": lambda body: (DEFILLAMA, {"hacks": body}),
        ".md": lambda body: (DEFIHACKLABS, {_README: body}),
        ".csv": _table,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InvalidQuery(f"{path}: not a .json, .csv or .md file, nor a clone of the repository")
    source, pages = reader(content)
    return Copy(source, pages, _written_at(path))


class CopySession(NoNetwork):
    """Answers from a copy what its source asks its service. Nothing is reached beyond this machine."""

    def __init__(self, copy: Copy) -> None:
        self._copy = copy

    async def request(
        self, method: str, url: str, *, body: bytes | None = None, headers: Headers | None = None
    ) -> Response:
        """The page the URL ends with; nothing for a page that was not downloaded."""
        del method, body, headers
        path = url.partition("?")[0]
        if path.endswith(_COMMITS):
            return Response(_FOUND, {}, msgspec.json.encode([{"sha": self._commit()}]))
        for name, content in self._copy.pages.items():
            if path.endswith(f"/{name}") and not (name == _README and "/past/" in path):
                return Response(_FOUND, {}, content)
        return Response(_FOUND if self._is_one_page() and "/past/" in path else _MISSING, {}, b"")

    def _is_one_page(self) -> bool:
        """Whether pages of past years were left out on purpose, and are not missing."""
        return len(self._copy.pages) == 1

    def _commit(self) -> str:
        """Names what the pages hold, as a commit does."""
        pages = b"\0".join(self._copy.pages.values())
        return hashlib.blake2b(pages, digest_size=20).hexdigest()


class FileClock:
    """The moment a copy was written: what it tells was heard then, and not later."""

    def __init__(self, written_at: datetime) -> None:
        self._written_at = written_at

    def now(self) -> datetime:
        """That moment."""
        return self._written_at

    async def sleep(self, duration: timedelta) -> None:
        """Nothing is waited for."""


def _written_at(path: Path) -> datetime:
    return EPOCH + int(path.stat().st_mtime) * _SECOND


def _table(content: bytes) -> tuple[str, dict[str, bytes]]:
    """A table of one of the lists; which one, its columns tell."""
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig")), restval="", strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidQuery(f"not a table: {error}") from error
    columns = set(rows[0]) if rows else set[str]()
    if {"date", "name", "amount", "classification"} <= columns:
        return DEFILLAMA, {"hacks": msgspec.json.encode([_hack(row) for row in rows])}
    if {"date", "name", "root_cause", "lost"} <= columns:
        return DEFIHACKLABS, {_README: "\n".join(map(_section, rows)).encode()}
    raise InvalidQuery("its columns are neither those of DefiLlama's hacks nor of DeFiHackLabs' incidents")


def _hack(row: Mapping[str, str]) -> dict[str, object]:
    """A row as the service would write it: empty cells as null, days as seconds, chains as a list."""
    cells: dict[str, object] = {name: cell or None for name, cell in row.items()}
    chains = (part.strip(" '\"[]") for part in (row.get("chain") or "").split(","))
    return cells | {
        "date": _seconds(row["date"]),
        "chain": [chain for chain in chains if chain],
        "bridgeHack": "bridgeHack" in row and row["bridgeHack"].lower() == "true",
    }


def _seconds(day: str) -> int | str:
    """The day in seconds since the epoch, or the cell as it stands, to be refused as that."""
    try:
        return (datetime.fromisoformat(day).replace(tzinfo=UTC) - EPOCH) // _SECOND
    except ValueError:
        return day


def _section(row: Mapping[str, str]) -> str:
    """A row as a section of the repository's pages."""
    links = [link for name in _LINKS if name in row for link in row[name].split("|") if link]
    heading = f"### {row['date'].replace('-', '')} {row['name']} - {row['root_cause']}"
    return "\n\n".join((heading.removesuffix(" - "), f"### Lost: {row['lost']}", *links, "---"))


_LINKS: Final = ("tx_links", "social_links", "other_links")
