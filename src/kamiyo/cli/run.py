"""``kamiyo run``: the whole system, or some of its roles, in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvloop

from kamiyo.cli.exits import ungrouped
from kamiyo.kit.logging import configure
from kamiyo.runtime.embedded import RunningEngines, start_engines
from kamiyo.runtime.processes import Role, check_host
from kamiyo.runtime.processes import run as run_roles
from kamiyo.runtime.settings import Settings, load_from_process
from kamiyo.runtime.wiring import check_sources

HomeOption = Annotated[str | None, typer.Option("--home", help="Directory of the embedded engines' data.")]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="Settings file; default ./kamiyo.toml.")]


def run(
    role: Annotated[
        list[Role] | None, typer.Option(help="Only this role; may be repeated. Default: all.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on (loopback only).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", min=1, max=65535)] = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Run KAMIYO: read every source, store, serve. Starts its own database and cache unless given others."""
    settings = settings_of(config, home=home, host=host, port=port)
    check_host(settings.host)
    check_sources(settings)
    configure(json=settings.log_json)
    with engines_of(settings) as engines, ungrouped():
        uvloop.run(run_roles(settings, engines, role or list(Role)))


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
