"""The page of commands, read from the program's own description of itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Protocol, cast

import typer.main

from kamiyo.cli import exits
from kamiyo.cli.main import build
from tools.reference.markdown import code, page, prose, section, table

INTRODUCTION: Final = """\
For whoever works in a terminal. In a clone every command is started with `./dev kamiyo`, and `./dev run`
stands for `./dev kamiyo run`; an installed KAMIYO has `kamiyo` itself."""


class Parameter(Protocol):
    """One option or argument, as far as the page shows it."""

    name: str
    param_type_name: str
    opts: list[str]
    secondary_opts: list[str]
    required: bool
    multiple: bool
    default: object
    help: str | None


class Command(Protocol):
    """One command, as far as the page shows it."""

    help: str | None
    params: list[Parameter]


class Group(Protocol):
    """Commands under one name, and groups of them."""

    commands: dict[str, Any]


def cli_page() -> str:
    return page(
        "Commands", INTRODUCTION, exits.TABLE, *(_command(*each) for each in documented_commands().items())
    )


def documented_commands() -> dict[str, Command]:
    """Every command of the program by its name, those of a group with the group's name before."""
    return dict(_commands(cast("Any", typer.main.get_command(build()))))


def _commands(group: Group, before: str = "") -> Iterator[tuple[str, Command]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            if command.invoke_without_command:
                yield before + name, cast("Command", command)
            yield from _commands(command, f"{before}{name} ")
        else:
            yield before + name, cast("Command", command)


def _command(name: str, command: Command) -> str:
    rows = [_parameter(each) for each in command.params if each.name != "help"]
    listed = table(("Option", "Default", "Meaning"), rows) if rows else "It takes no options."
    return section(f"`kamiyo {name}`", prose(command.help), listed)


def _parameter(each: Parameter) -> tuple[str, str, str]:
    if each.param_type_name == "argument":
        name = each.name.upper() + ("…" if getattr(each, "nargs", 1) == -1 else "")
    else:
        name = ", ".join([*each.opts, *each.secondary_opts])
    return code(name), _default(each), each.help or ""


def _default(each: Parameter) -> str:
    if each.required:
        return "needed"
    return "" if each.default in {None, False} else code(str(each.default))
