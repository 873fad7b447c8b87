"""Whether what is shown happens now, happened once, or never happened: it must show everywhere."""

from __future__ import annotations

import enum

import msgspec


class Mode(enum.StrEnum):
    """``LIVE`` is heard as it happens, ``REPLAY`` happened before, ``SIMULATED`` was made up."""

    LIVE = "LIVE"
    REPLAY = "REPLAY"
    SIMULATED = "SIMULATED"


class Showing(msgspec.Struct, frozen=True):
    """What a process shows: its mode and, where it is not live, the recording it plays."""

    mode: Mode = Mode.LIVE
    recording: str | None = None

    @property
    def live(self) -> bool:
        """Whether it happens now."""
        return self.mode is Mode.LIVE

    @property
    def notice(self) -> str | None:
        """What a reader must be told before anything else; None of what happens now."""
        return None if self.live else f"{self.mode}: {self.recording or 'a recording'}, {_WORDS[self.mode]}"


LIVE = Showing()
_WORDS = {
    Mode.REPLAY: "which happened before; nothing shown happens now",
    Mode.SIMULATED: "which was made up; nothing shown ever happened",
}
