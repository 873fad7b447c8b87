"""Exit codes: what a script may rely on."""

from __future__ import annotations

import enum

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


_MEANINGS = {
    Exit.OK: "done",
    Exit.FAILED: "failed",
    Exit.USAGE: "wrong usage",
    Exit.SETTINGS: "settings, engine or schema are not usable",
    Exit.UNAVAILABLE: "the server or the database cannot be reached",
    Exit.UNHEALTHY: "it runs, but a check is not green",
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
