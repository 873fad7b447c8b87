"""A text that must not be shown."""

from __future__ import annotations


class Secret:
    """Holds a secret; prints as stars wherever it is logged or shown. ``reveal`` is the only way in."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "********"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.reveal() == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def reveal(self) -> str:
        """The secret itself, for the one call that needs it."""
        return self._text
