"""Exit codes: what a script may rely on."""

from __future__ import annotations

import enum
from collections.abc import Generator
from contextlib import contextmanager
from typing import cast

from kamiyo.core.errors import (
    EngineFailed,
    InvalidQuery,
    InvalidSettings,
    KamiyoError,
    SchemaMismatch,
    Transient,
)


class Exit(enum.IntEnum):
    """Why the command ended."""

    OK = 0
    FAILED = 1
    USAGE = 2
    SETTINGS = 3
    UNAVAILABLE = 4
    UNHEALTHY = 5
    INTERRUPTED = 130


_MEANINGS = {
    Exit.OK: "done",
    Exit.FAILED: "failed",
    Exit.USAGE: "wrong usage",
    Exit.SETTINGS: "settings, engine or schema are not usable",
    Exit.UNAVAILABLE: "the server or the database cannot be reached",
    Exit.UNHEALTHY: "a check is red",
    Exit.INTERRUPTED: "ended by Ctrl-C",
}
TABLE = "Exit codes: " + ", ".join(f"{code.value} {meaning}" for code, meaning in _MEANINGS.items()) + "."


def code_of(error: KamiyoError) -> Exit:
    """The exit code an error of ours ends the command with."""
    match error:
        case InvalidSettings() | EngineFailed() | SchemaMismatch():
            return Exit.SETTINGS
        case InvalidQuery():
            return Exit.USAGE
        case Transient():
            return Exit.UNAVAILABLE
        case _:
            return Exit.FAILED


@contextmanager
def ungrouped() -> Generator[None]:
    """Raise the first error of a task group in the group's place: that is the one to tell."""
    try:
        yield
    except ExceptionGroup as group:
        raise _first(group) from group


def _first(error: Exception) -> Exception:
    if not isinstance(error, ExceptionGroup):
        return error
    return _first(cast("ExceptionGroup[Exception]", error).exceptions[0])
