"""Patterns made of lists of words, so that the lists can be read."""

from __future__ import annotations

import re


def words(listed: str) -> str:
    """A pattern for any of the comma-separated phrases; ``*`` is a word's rest, a space may be a dash."""
    phrases = (" ".join(phrase.split()) for phrase in listed.split(","))
    escaped = (
        re.escape(phrase).replace(r"\*", r"\w*").replace(r"\ ", "[ -]") for phrase in phrases if phrase
    )
    return rf"\b(?:{'|'.join(escaped)})(?!\w)"


def any_of(*parts: str) -> re.Pattern[str]:
    """A pattern for any of the patterns, whatever their case."""
    return re.compile("|".join(parts), re.IGNORECASE)
