"""``kamiyo run``: the whole system, or some of its roles, in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvloop

from kamiyo.cli.exits import ungrouped
from kamiyo.cli.playing import LIST, list_recordings, play_recording
from kamiyo.core.errors import InvalidQuery
from kamiyo.kit.logging import configure
from kamiyo.lab.recording import find_recording
from kamiyo.runtime.embedded import RunningEngines, start_engines
from kamiyo.runtime.processes import Role, check_host
from kamiyo.runtime.processes import run as run_roles
from kamiyo.runtime.settings import Settings, load_from_process
from kamiyo.runtime.wiring import check_sources

HomeOption = Annotated[str | None, typer.Option("--home", help="Directory of the embedded engines' data.")]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="Settings file; default ./kamiyo.toml.")]


def run(
    *,
    role: Annotated[
        list[Role] | None, typer.Option(help="Only this role; may be repeated. Default: all.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on (loopback only).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", min=1, max=65535)] = None,
    replay: Annotated[
        str | None,
        typer.Option(help="Show a recording: a name, a path, or `list` for the names."),
    ] = None,
    speed: Annotated[
        int | None, typer.Option(help="Seconds of the recording in each second.", min=1, max=1000)
    ] = None,
    exit_at_end: Annotated[bool, typer.Option("--exit-at-end", help="End when the recording has.")] = False,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Run KAMIYO: read every source, store, serve. Starts its own database and cache unless given others."""
    settings = settings_of(config, home=home, host=host, port=port)
    check_host(settings.host)
    check_sources(settings)
    configure(json=settings.log_json)
    if replay is None:
        if speed is not None or exit_at_end:
            raise InvalidQuery("--speed and --exit-at-end belong to --replay")
        with engines_of(settings) as engines, ungrouped():
            uvloop.run(run_roles(settings, engines, role or list(Role)))
    elif replay == LIST:
        list_recordings()
    elif role:
        raise InvalidQuery("a replay plays all roles in one process: leave out --role")
    else:
        _play(settings, replay, speed, exit_at_end=exit_at_end)


def _play(settings: Settings, name: str, speed: int | None, *, exit_at_end: bool) -> None:
    find_recording(name)  # before any engine is started
    with engines_of(settings) as engines, ungrouped():
        play_recording(settings, engines, name, speed, exit_at_end=exit_at_end)


def settings_of(
    config: Path | None, *, home: str | None = None, host: str | None = None, port: int | None = None
) -> Settings:
    """The settings in force, with what was given on the command line on top."""
    given = {
        name: value for name, value in (("home", home), ("host", host), ("port", port)) if value is not None
    }
    return msgspec.structs.replace(load_from_process(config), **given)


def engines_of(settings: Settings) -> RunningEngines:
    """The engines these settings name, started where they name none."""
    database_url, redis_url = settings.database_url, settings.redis_url
    return start_engines(
        settings.home_path,
        database_url=database_url.reveal() if database_url else None,
        redis_url=redis_url.reveal() if redis_url else None,
    )
