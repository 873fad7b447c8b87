"""Structured logs: an event named as a past-tense fact, its data in keys."""

from __future__ import annotations

import logging
import sys

import structlog


def configure(*, json: bool) -> None:
    """Log to standard error: JSON for machines, aligned text for people."""
    renderer = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Libraries()], level=logging.WARNING, force=True)


class _Libraries(logging.Handler):
    """What libraries log, in our form; the stack for errors only: they warn of what they cure themselves."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        told: dict[str, object] = {"library": record.name, "detail": record.getMessage()}
        if error is not None and record.levelno < logging.ERROR:
            told["error"] = f"{type(error).__name__}: {error}"
        elif error is not None:
            told["exc_info"] = error
        structlog.get_logger().log(record.levelno, "library_told", **told)
