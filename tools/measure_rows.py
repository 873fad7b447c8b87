"""Measures how well the cells of the public lists of exploits are read: amounts, names, chains and hashes."""

import ast
import csv
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

from kamiyo.extraction.amounts import Figure, read_amounts
from kamiyo.extraction.chains import chain_of, explored_chains
from kamiyo.extraction.identifiers import addresses_in, transactions_in
from kamiyo.extraction.losses import read_losses
from kamiyo.extraction.names import identifier_of, protocol_of
from tests.truth.labels import Key, Row, read_labels, read_rows
from tools.measure_extraction import TOLERANCE, Score

CELLS: Final = Path(__file__).resolve().parents[1] / "tests" / "truth" / "cells.csv"
Read = tuple[str, str, str]

# A cell that is one number with one unit can be read without any of the product's rules.
_PLAIN: Final = re.compile(
    r"[~>\uff5e ]*(?P<sign>\$?)[~ ]*(?P<number>[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?)"
    r"(?: ?(?P<more>k|K|m|M|million|B)(?![A-Za-z]))? ?(?P<unit>USD|US\$|\$|\$?(?!NFT)[A-Z]{2,6}|eth|)"
)
_POWERS: Final = {None: 1, "k": 1000, "K": 1000, "m": 10**6, "M": 10**6, "million": 10**6, "B": 10**9}
_DOLLARS: Final = frozenset({"USD", "US$", "$"})


def plain_reading(cell: str) -> Read | None:
    """The amount of a cell that is nothing but one amount, read in the simplest way; None for any other."""
    match = _PLAIN.fullmatch(cell.strip())
    if match is None or (match["sign"] and match["unit"] not in _DOLLARS | {""}):
        return None
    number = f"{(Decimal(match['number'].replace(',', '')) * _POWERS[match['more']]).normalize():f}"
    if match["sign"] or match["unit"] in _DOLLARS:
        return (number, "", "")
    unit = match["unit"].removeprefix("$").upper()
    return ("", f"{number} {unit}", "") if unit else ("", "", number)


def reading(cell: str) -> Read:
    """The amounts of a cell as the rules read them."""
    amounts = read_amounts(cell)
    return (_joined(amounts.usd), _joined(amounts.assets), _joined(amounts.unknown))


def _joined(figures: Sequence[Figure]) -> str:
    return " + ".join(
        f"{figure.high.normalize():f}" + (f" {figure.unit}" if figure.unit not in {"", "USD"} else "")
        for figure in figures
    )


def load_cells() -> Mapping[str, Read]:
    """What a person reads in the cells that are more than one amount, by their rows."""
    with CELLS.open(encoding="utf-8", newline="") as file:
        return {row["key"]: (row["usd"], row["assets"], row["unknown"]) for row in csv.DictReader(file)}


def lost_cells(rows: Mapping[Key, Sequence[Row]]) -> Iterator[tuple[str, str]]:
    """Every text that says what was lost, by its row."""
    for key, found in rows.items():
        if key.source == "defihacklabs":
            yield from ((key.key, row["lost"]) for row in found if row["lost"])


def measure_cells(rows: Mapping[Key, Sequence[Row]]) -> tuple[Score, list[str]]:
    """How many cells are read as a person or the simplest reader reads them, and the others."""
    score, labels = Score(), load_cells()
    wrong: list[str] = []
    for key, cell in lost_cells(rows):
        wanted = plain_reading(cell) or labels[key]
        read = reading(cell)
        score.wanted += any(wanted)
        score.given += any(read)
        score.right += read == wanted and any(wanted)
        if read != wanted:
            wrong.append(f"{key}: {read}, wanted {wanted}")
    return score, wrong


def same_cases(rows: Mapping[Key, Sequence[Row]]) -> Iterator[tuple[Row, Row]]:
    """The rows of both lists that people called the same case: DefiLlama's first."""
    for label in read_labels():
        pair = sorted((label.left, label.right), reverse=True)
        if label.same == "yes" and [key.source for key in pair] == ["defillama", "defihacklabs"]:
            yield rows[pair[0]][0], rows[pair[1]][0]


def measure_pairs(rows: Mapping[Key, Sequence[Row]]) -> Iterator[tuple[str, int, int]]:
    """What the text of one list and the structured cell of the other agree on."""
    pairs = list(same_cases(rows))
    told = [
        (read_losses(text["lost"]).usd, Decimal(cell["amount"])) for cell, text in pairs if cell["amount"]
    ]
    dollars = [(read, amount) for read, amount in told if read is not None]
    for share in (TOLERANCE, Decimal("0.1")):
        near = sum(abs(read - amount) <= share * amount for read, amount in dollars)
        yield f"dollars within {share:%}", near, len(dollars)
    names = [(identifier_of(cell["name"]), identifier_of(text["name"])) for cell, text in pairs]
    yield "same identifier", sum(left == right for left, right in names), len(names)
    shown = [(explored_chains(text["tx_links"].replace("|", " ")), _chains(cell)) for cell, text in pairs]
    linked = [(left, right) for left, right in shown if left]
    yield "explorer's chain is the row's", sum(bool(set(x) & set(y)) for x, y in linked), len(linked)


def _chains(row: Row) -> list[str | None]:
    return [chain_of(name) for name in ast.literal_eval(row["chain"] or "[]")]


def measure_lists(rows: Mapping[Key, Sequence[Row]]) -> Iterator[tuple[str, int, int]]:
    """What of the lists' own cells is known: names, chains, links to transactions."""
    llama = [row for key, found in rows.items() if key.source == "defillama" for row in found]
    labs = [row for key, found in rows.items() if key.source == "defihacklabs" for row in found]
    yield "DefiLlama's names known", sum(protocol_of(row["name"]) is not None for row in llama), len(llama)
    chains = [chain for row in llama for chain in _chains(row)]
    yield "DefiLlama's chains known", sum(chain is not None for chain in chains), len(chains)
    links = [link for row in labs for link in row["tx_links"].split("|") if "0x" in link]
    read = sum(len(transactions_in(link)) + len(addresses_in(link)) == 1 for link in links)
    yield "links read to one hash or address", read, len(links)


def main(arguments: Sequence[str]) -> int:
    """Print the figures of the lists in the folder given."""
    rows = read_rows(Path(arguments[0]))
    score, wrong = measure_cells(rows)
    print(f"cells of DeFiHackLabs: {score.right} of {score.wanted} right, {score.given} read")
    print("\n".join(wrong))
    for what, right, count in (*measure_pairs(rows), *measure_lists(rows)):
        print(f"{what}: {right} of {count}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
