"""Opens whatever was recorded as a tape: a shipped recording by its name, a file or a folder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from kamiyo.core.errors import InvalidQuery
from kamiyo.core.modes import Mode, Showing
from kamiyo.lab.ports import Tape
from kamiyo.lab.reading import lines_of, liquidated_minutes, market_minutes
from kamiyo.lab.recording import Kind, Recording, find_recording
from kamiyo.lab.simulated import cascade_lines
from kamiyo.lab.tape_frames import FramesTape
from kamiyo.lab.tape_model import ModelTape


def open_tape(*places: str | Path | Recording) -> Tape:
    """Recordings, by name, path or themselves, as one tape; InvalidQuery where they do not fit together."""
    recordings = [each if isinstance(each, Recording) else find_recording(str(each)) for each in places]
    if not recordings:
        raise InvalidQuery("name a recording to play")
    kinds = {file.kind for recording in recordings for _path, file in recording.files}
    if kinds == {Kind.FRAMES}:
        return _frames(recordings)
    if Kind.FRAMES in kinds:
        raise InvalidQuery("recorded frames are played alone: what else was recorded is not in them")
    return _model(recordings)


def _frames(recordings: Sequence[Recording]) -> Tape:
    files = [path for recording in recordings for path, _file in recording.files]
    return FramesTape(_showing(recordings), _title(recordings), _source(recordings), files)


def _model(recordings: Sequence[Recording]) -> Tape:
    files = [each for recording in recordings for each in recording.files]
    series = [(file.asset or "", path) for path, file in files if file.kind is Kind.MINUTES]
    sums = [path for path, file in files if file.kind is Kind.LIQUIDATION_MINUTES]
    origin = recordings[0].origin
    return ModelTape(
        _showing(recordings),
        _title(recordings),
        _source(recordings),
        lines=[
            *(partial(lines_of, path) for path, file in files if file.kind is Kind.NODE_FILLS),
            *(partial(cascade_lines, *seed) for each in recordings if (seed := _seed_of(each))),
        ],
        minutes=[(asset, partial(market_minutes, path, asset)) for asset, path in series],
        liquidated_minutes=[row for path in sums for row in liquidated_minutes(path)],
        span=(origin.starts_at, origin.ends_at) if len(recordings) == 1 else (None, None),
    )


def _seed_of(recording: Recording) -> tuple[int, datetime] | None:
    """What a recording is made from that is made up."""
    origin = recording.origin
    if origin.seed is None or origin.starts_at is None:
        return None
    return origin.seed, origin.starts_at


def _showing(recordings: Sequence[Recording]) -> Showing:
    """Made up as soon as a part of it is."""
    modes = {Mode(recording.origin.mode.upper()) for recording in recordings}
    names = " + ".join(recording.origin.name for recording in recordings)
    return Showing(Mode.SIMULATED if Mode.SIMULATED in modes else Mode.REPLAY, names)


def _title(recordings: Sequence[Recording]) -> str:
    return "; ".join(recording.origin.title for recording in recordings)


def _source(recordings: Sequence[Recording]) -> str:
    return "; ".join(recording.origin.source for recording in recordings)
