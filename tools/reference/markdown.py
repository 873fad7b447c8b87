"""Markdown out of plain values."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import Final

NOTICE: Final = "<!-- Made by ./dev docs from the code. Changes made here are overwritten. -->"


def page(title: str, introduction: str, *sections: str) -> str:
    """Join a page's parts; it begins with its title and ends with one newline."""
    parts = (f"# {title}", NOTICE, introduction, *sections)
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def section(title: str, *parts: str) -> str:
    return "\n\n".join([f"## {title}", *(part for part in parts if part)])


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out rows under a header; a bar in a cell would begin another cell."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(text) for text in line) + " |" for line in lines)


def code(text: str) -> str:
    return f"`{text}`" if text else ""


def codes(texts: Iterable[str]) -> str:
    return ", ".join(code(text) for text in texts)


def prose(docstring: str | None) -> str:
    """Give a docstring as Markdown: unindented, with one backtick where the code has two."""
    return inspect.cleandoc(docstring or "").replace("``", "`")


def one_line(docstring: str | None) -> str:
    return " ".join(prose(docstring).split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
