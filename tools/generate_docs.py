"""Writes the reference pages from the code, or says how they differ from it."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from tools.reference.cli import cli_page
from tools.reference.errors import errors_page
from tools.reference.events import events_page
from tools.reference.http import http_page, openapi_document, stream_page
from tools.reference.metrics import metrics_page
from tools.reference.rules import rules_page
from tools.reference.settings import settings_page
from tools.reference.sources import sources_page
from tools.reference.tables import tables_page
from tools.reference.weights import weights_page

FOLDER: Final = Path(__file__).resolve().parents[1] / "docs" / "reference"
PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "cli.md": cli_page,
    "errors.md": errors_page,
    "events.md": events_page,
    "http.md": http_page,
    "metrics.md": metrics_page,
    "openapi.json": openapi_document,
    "rules.md": rules_page,
    "settings.md": settings_page,
    "sources.md": sources_page,
    "stream.md": stream_page,
    "tables.md": tables_page,
    "weights.md": weights_page,
}


def main(
    arguments: Sequence[str], folder: Path = FOLDER, pages: Mapping[str, Callable[[], str]] = PAGES
) -> int:
    """Write every page; with --check only compare, print the differences and return 1 if there are any."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: python -m tools.generate_docs [--check]", file=sys.stderr)
        return 2
    made = {name: make() for name, make in pages.items()}
    if not arguments:
        return _write(folder, made)
    found = list(_differences(folder, made))
    if found:
        print(
            "\n".join(
                [*found, "", "The reference differs from the code: run ./dev docs and commit the result."]
            )
        )
    return 1 if found else 0


def _write(folder: Path, made: Mapping[str, str]) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in made.items():
        if _read(folder / name) != text:
            (folder / name).write_text(text, encoding="utf-8")
            print(f"written: docs/reference/{name}")
    return 0


def _differences(folder: Path, made: Mapping[str, str]) -> Iterator[str]:
    for name, text in made.items():
        before, after = _read(folder / name).splitlines(), text.splitlines()
        titles = (f"docs/reference/{name}", f"docs/reference/{name} (from the code)")
        yield from difflib.unified_diff(before, after, *titles, lineterm="", n=1)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
