"""What a recording says of itself, in its ``recording.toml``, and where the shipped ones are."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from kamiyo.core.errors import InvalidQuery
from kamiyo.core.time import Utc
from kamiyo.kit.recordings import read_lines

ORIGIN = "recording.toml"
MAINNET, TESTNET = "hyperliquid", "hyperliquid_testnet"
SHIPPED = Path(__file__).parent / "recordings"
_DOCUMENTATION = frozenset({".md", ".txt", ".toml"})
_SNIFFED_LINES = 1

_Line = Annotated[str, msgspec.Meta(min_length=1)]


class Kind(enum.StrEnum):
    """What a file of a recording holds."""

    NODE_FILLS = "node_fills_by_block"  # a node's lines: every fill of every block
    NODE_LINES = "node_lines"  # lines of a node's other streams
    MINUTES = "minutes"  # t_ms, mark_price, oracle_price, open_interest_usd, depth_usd of one asset
    LIQUIDATION_MINUTES = "liquidation_minutes"  # t_ms, liquidated_usd, backstop_usd of one asset
    FRAMES = "frames"  # what `kamiyo record` wrote: payloads as they came, with when and from which stream


_SERIES = (Kind.MINUTES, Kind.LIQUIDATION_MINUTES)


class RecordedFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file, relative to its folder; a series is of one ``asset``."""

    path: _Line
    kind: Kind
    asset: str | None = None


class Origin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``recording.toml``: where a recording comes from and what it holds.

    ``speed`` is how fast it is best looked at; ``watch`` are the accounts worth the source's ten slots.
    ``seed`` stands in the place of ``files`` where the recording is made up when it is asked for.
    """

    name: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9._-]{0,63}$")]
    title: _Line
    mode: Literal["replay", "simulated"]
    chain: Annotated[str, msgspec.Meta(pattern=f"^({MAINNET}|{TESTNET})$")]
    source: _Line
    source_url: str = ""
    licence: str = ""
    starts_at: Utc | None = None
    ends_at: Utc | None = None
    notes: str = ""
    speed: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    watch: tuple[str, ...] = ()
    seed: int | None = None
    files: tuple[RecordedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording at its place; ``files`` are paths that exist."""

    folder: Path
    origin: Origin

    @property
    def files(self) -> list[tuple[Path, RecordedFile]]:
        """Each file with what it holds."""
        return [(self.folder / each.path, each) for each in self.origin.files]


def shipped() -> list[Recording]:
    """Every recording that ships with the product, by name."""
    return [read_recording(folder) for folder in sorted(SHIPPED.iterdir()) if (folder / ORIGIN).is_file()]


def is_shipped(name: str) -> bool:
    """Whether a recording of that name ships."""
    return any(each.origin.name == name for each in shipped())


def find_recording(name_or_path: str) -> Recording:
    """The shipped recording of that name, or the one at that path; InvalidQuery says what to do otherwise."""
    known = {each.origin.name: each for each in shipped()}
    if name_or_path in known:
        return known[name_or_path]
    path = Path(name_or_path).expanduser()
    if path.exists():
        return read_recording(path)
    raise InvalidQuery(
        f"there is no recording {name_or_path}: give a file, a folder, or one of {', '.join(known)}"
    )


def read_recording(path: Path) -> Recording:
    """The recording at a path: a folder with its origin file, or bare files; InvalidQuery if it is none."""
    origin = path / ORIGIN
    if not origin.is_file():
        return _bare(path)
    try:
        recording = Recording(path, msgspec.toml.decode(origin.read_bytes(), type=Origin))
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidQuery(f"{origin}: {error}") from error
    _check(recording)
    return recording


def _check(recording: Recording) -> None:
    place = recording.folder / ORIGIN
    if not recording.origin.files and recording.origin.seed is None:
        raise InvalidQuery(f"{place} names no files: add a [[files]] table with path and kind for each")
    for path, file in recording.files:
        if not path.is_file():
            raise InvalidQuery(f"{place} names {file.path}, which is not there")
        if not path.resolve().is_relative_to(recording.folder.resolve()):
            raise InvalidQuery(f"{place} names {file.path}, which is not in its folder")
        if file.kind in _SERIES and not file.asset:
            raise InvalidQuery(f"{place}: {file.path} is a series of one asset: say which, as asset = ...")


def _bare(path: Path) -> Recording:
    """Files without an origin: what they hold is seen by their first line."""
    folder = path if path.is_dir() else path.parent
    found = sorted(_candidates(path)) if path.is_dir() else [path]
    if not found:
        raise InvalidQuery(f"there is no recording in {path}")
    files = tuple(RecordedFile(path=str(each.relative_to(folder)), kind=_kind_of(each)) for each in found)
    origin = Origin(
        name=name_of(path),
        title=path.name or str(path),
        mode="replay",
        chain=MAINNET,
        source=f"files without an origin: {path}",
        files=files,
    )
    return Recording(folder, origin)


def name_of(path: Path) -> str:
    """A recording's name for what has none but a path."""
    kept = "".join(each if each.isascii() and each.isalnum() else "-" for each in path.resolve().name.lower())
    return kept.strip("-")[:64] or "recording"


def _candidates(folder: Path) -> Iterator[Path]:
    for each in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in each.relative_to(folder).parts)
        if each.is_file() and not hidden and each.suffix.lower() not in _DOCUMENTATION:
            yield each


def _kind_of(file: Path) -> Kind:
    first = next((line for _offset, line in islice(read_lines(file), _SNIFFED_LINES)), b"")
    if first.startswith(b'{"received_at":'):
        return Kind.FRAMES
    if b'"block_number":' in first and b'"events":' in first:
        return Kind.NODE_FILLS
    if first.startswith(b"t_ms,"):
        raise InvalidQuery(f"{file.name} does not say its asset: put a {ORIGIN} beside it that names both")
    raise InvalidQuery(
        f"{file.name} is no recording: known are a node's node_fills_by_block, what `kamiyo record` writes, "
        f"and folders with a {ORIGIN}"
    )
