"""``kamiyo doctor``: what is well here, what is not, and what to do about it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import typer
from rich.text import Text

from kamiyo.cli.client import JsonOption
from kamiyo.cli.exits import Exit
from kamiyo.cli.output import build_table, clean, open_console, print_json
from kamiyo.cli.run import ConfigOption, HomeOption, settings_of
from kamiyo.kit.clock import SystemClock
from kamiyo.kit.logging import configure
from kamiyo.kit.transport import open_session
from kamiyo.runtime.doctor import Check, Grade, effective_settings, examine, worst
from kamiyo.runtime.settings import Settings

_STYLES = {Grade.GREEN: "green", Grade.AMBER: "yellow", Grade.RED: "bold red"}


def doctor(json: JsonOption = False, home: HomeOption = None, config: ConfigOption = None) -> None:
    """Check this installation and say what to do; ends with 5 if a check is red."""
    settings = settings_of(config, home=home)
    configure(json=settings.log_json)
    checks = asyncio.run(_examine(settings))
    if json:
        print_json(report_of(settings, checks))
    else:
        _show(settings, checks)
    if worst(checks) is Grade.RED:
        raise typer.Exit(Exit.UNHEALTHY)


def report_of(settings: Settings, checks: Sequence[Check]) -> dict[str, object]:
    """The check-up for machines."""
    return {
        "grade": _word(worst(checks)),
        "checks": [
            {
                "name": check.name,
                "grade": _word(check.grade),
                "finding": check.finding,
                "remedy": check.remedy,
            }
            for check in checks
        ],
        "settings": effective_settings(settings),
    }


async def _examine(settings: Settings) -> list[Check]:
    async with open_session() as session:
        return await examine(settings, SystemClock(), session)


def _show(settings: Settings, checks: Sequence[Check]) -> None:
    console = open_console()
    rows = [(name, str(value)) for name, value in effective_settings(settings).items()]
    console.print("Settings in force:", build_table(("setting", "value"), rows))
    console.print("\nChecks:")
    for check in checks:
        grade = Text(f"{_word(check.grade):<6}", style=_STYLES[check.grade])
        console.print(grade, clean(f"{check.name}: {check.finding}"), soft_wrap=True)
        if check.remedy:
            console.print(f"       what to do: {clean(check.remedy)}", soft_wrap=True)
    console.print(f"\nThe whole is {_word(worst(checks))}.")


def _word(grade: Grade) -> str:
    return grade.name.lower()
