"""CSV as RFC 4180 has it, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

# A spreadsheet takes a cell that begins so for a formula, and may run it.
_DANGEROUS = frozenset("=+-@\t\r'")


def encode_rows(rows: Iterable[Sequence[object]], texts: Sequence[int]) -> bytes:
    """Rows of cells; what is not known is empty. ``texts`` are the columns anybody may have written into.

    A cell of theirs that a spreadsheet would take for a formula, or that begins with an apostrophe, has an
    apostrophe before it: take one away, and it is what it was.
    """
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerows(_safe(row, texts) for row in rows)
    return written.getvalue().encode()


def truth(value: object) -> str | None:
    """A truth as a cell; None where it is not known."""
    return None if value is None else "true" if value else "false"


def _safe(row: Sequence[object], texts: Sequence[int]) -> list[object]:
    cells = list(row)
    for place in texts:
        cell = cells[place]
        if cell and str(cell)[0] in _DANGEROUS:
            cells[place] = f"'{cell}"
    return cells
