"""The ``kamiyo`` command and its sub-commands."""

from __future__ import annotations

import sys

import typer

from kamiyo.cli import exits
from kamiyo.cli.doctor import doctor
from kamiyo.cli.query import exploits, liquidations
from kamiyo.cli.replay import replay
from kamiyo.cli.run import run
from kamiyo.cli.watch import watch
from kamiyo.core.errors import KamiyoError

app = typer.Typer(
    name="kamiyo",
    help="Open, self-hosted risk and exploit intelligence for Hyperliquid.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog=exits.TABLE,
)
for command in (run, replay, exploits, liquidations, watch, doctor):
    app.command()(command)


def main() -> None:
    """Run the command line; an error of ours is one line and an exit code, not a traceback."""
    try:
        app()
    except KamiyoError as error:
        typer.echo(f"kamiyo: {error}", err=True)
        sys.exit(exits.code_of(error))
    except OSError as error:
        if error.filename is None:
            raise
        typer.echo(f"kamiyo: {error.filename}: {error.strerror}", err=True)
        sys.exit(exits.Exit.FAILED)
