"""CSV as RFC 4180 has it, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

# A spreadsheet takes a cell that begins so for a formula, and may run it.
_DANGEROUS = frozenset("=+-@\t\r'")
_TRUTHS = {True: "true", False: "false"}


def encode_rows(rows: Iterable[Sequence[object]], texts: Sequence[int]) -> bytes:
    """Rows of cells; what is not known is empty. ``texts`` are the columns anybody may have written into.

    A cell of theirs that a spreadsheet would take for a formula, or that begins with an apostrophe, has an
    apostrophe before it: take one away, and it is what it was.
    """
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator="\r\n").writerows(_safe(row, texts) for row in rows)
    return written.getvalue().encode()


def _safe(row: Sequence[object], texts: Sequence[int]) -> list[object]:
    cells = [_TRUTHS[cell] if isinstance(cell, bool) else cell for cell in row]
    for place in texts:
        cell = cells[place]
        if isinstance(cell, str) and cell and cell[0] in _DANGEROUS:
            cells[place] = f"'{cell}"
    return cells
