"""``kamiyo run --replay``: what the terminal says of the recording that is played."""

from __future__ import annotations

import uvloop
from rich.console import Console

from kamiyo.cli.output import build_table, clean, open_console
from kamiyo.lab.recording import shipped
from kamiyo.runtime.embedded import RunningEngines
from kamiyo.runtime.replaying import Play, Position, play
from kamiyo.runtime.settings import Settings

LIST = "list"


def play_recording(
    settings: Settings, engines: RunningEngines, name_or_path: str, speed: int | None, *, exit_at_end: bool
) -> None:
    """Play a recording until Ctrl-C or, if so wished, its end."""
    screen = Screen(open_console(error=True), stays=not exit_at_end)
    playing = play(
        settings,
        engines,
        name_or_path,
        speed=speed,
        exit_at_end=exit_at_end,
        told=screen.tell,
    )
    uvloop.run(playing)


def list_recordings() -> None:
    """Every shipped recording, what it is and how fast it is played."""
    rows = [
        (each.origin.name, each.origin.mode.upper(), f"{each.origin.speed}", each.origin.title)
        for each in shipped()
    ]
    open_console().print(build_table(("recording", "mode", "speed#", "what it is"), rows))


class Screen:
    """Says on standard error what is played, and each tenth of it how far it is."""

    def __init__(self, console: Console, *, stays: bool) -> None:
        self._console = console
        self._stays = stays
        self._told: int | None = None

    def tell(self, playing: Play, position: Position) -> None:
        """So far it is."""
        tenth = position.share // 10
        if self._told is None:
            self._say(f"{playing.showing.mode}: {playing.title}")
            self._say(
                f"{playing.starts_at:%Y-%m-%d %H:%M} to {playing.ends_at:%Y-%m-%d %H:%M} UTC, "
                f"{playing.speed} times as fast: {playing.url}"
            )
        if tenth == self._told and not position.ended:
            return
        self._told = tenth
        self._say(f"{playing.showing.mode} {position.at:%Y-%m-%d %H:%M:%S} UTC, {position.share} %")
        if position.ended and self._stays:
            self._say("the recording has ended: what is shown grows old from now on; Ctrl-C ends")

    def _say(self, text: str) -> None:
        self._console.print(clean(f"-- {text}"), soft_wrap=True)
