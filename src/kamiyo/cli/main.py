"""The ``kamiyo`` command and its sub-commands."""

from __future__ import annotations

import gc
import sys
from collections.abc import Collection, Sequence
from importlib import import_module

import typer

from kamiyo.cli import exits
from kamiyo.core.errors import KamiyoError

# Imported when they are asked for: to list what a server knows, no server need be loaded.
COMMANDS = {
    "run": "kamiyo.cli.run",
    "replay": "kamiyo.cli.replay",
    "record": "kamiyo.cli.record",
    "seed": "kamiyo.cli.seed",
    "backfill": "kamiyo.cli.backfill",
    "retention": "kamiyo.cli.retention",
    "exploits": "kamiyo.cli.query",
    "exploit": "kamiyo.cli.exploit",
    "reviews": "kamiyo.cli.reviews",
    "liquidations": "kamiyo.cli.query",
    "claims": "kamiyo.cli.claims",
    "coverage": "kamiyo.cli.coverage",
    "export": "kamiyo.cli.export",
    "markets": "kamiyo.cli.states",
    "positions": "kamiyo.cli.states",
    "sources": "kamiyo.cli.sources",
    "watch": "kamiyo.cli.watch",
    "doctor": "kamiyo.cli.doctor",
    "lab": "kamiyo.cli.lab",
}


def build(names: Collection[str] = COMMANDS) -> typer.Typer:
    """The command line with these of its commands."""
    app = typer.Typer(
        name="kamiyo",
        help="Open, self-hosted risk and exploit intelligence for Hyperliquid.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        epilog=exits.TABLE,
    )
    app.callback()(_with_commands)
    for name in names:
        command = getattr(import_module(COMMANDS[name]), name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def main() -> None:
    """Run the command line; an error of ours is one line and an exit code, not a traceback."""
    try:
        _load(sys.argv[1:])()
    except KamiyoError as error:
        typer.echo(f"kamiyo: {error}", err=True)
        sys.exit(exits.code_of(error))
    except OSError as error:
        if error.filename is None:
            raise
        typer.echo(f"kamiyo: {error.filename}: {error.strerror}", err=True)
        sys.exit(exits.Exit.FAILED)


def _load(arguments: Sequence[str]) -> typer.Typer:
    """What the arguments need; nothing imported is garbage, so nobody looks for any until it is done."""
    gc.disable()
    try:
        return build([name for name in arguments[:1] if name in COMMANDS] or COMMANDS)
    finally:
        gc.freeze()
        gc.enable()


def _with_commands() -> None:
    # Without a callback typer would make a single command the whole program.
    pass
