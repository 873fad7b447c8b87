"""A process that reads queued history, as a worker of the product does, until it is ended or killed."""

from __future__ import annotations

import os
from functools import partial

import uvloop

from kamiyo.core.money import install_context
from kamiyo.kit.clock import SystemClock
from kamiyo.kit.logging import configure
from kamiyo.kit.supervision import supervise
from kamiyo.runtime.backfilling import read_history
from kamiyo.runtime.settings import load


async def _work() -> None:
    settings = load(os.environ)
    assert settings.database_url is not None  # noqa: S101  (whoever starts it says it)
    await supervise(partial(read_history, settings, settings.database_url.reveal()), _told, SystemClock())


async def _told(_error: Exception) -> None:
    """Go on: the log has it."""


if __name__ == "__main__":
    install_context()
    configure(json=True)
    uvloop.run(_work())
