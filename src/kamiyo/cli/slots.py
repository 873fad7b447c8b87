"""The table of user slots: whose fills are followed where only a few accounts can be, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from kamiyo.cli.client import Statement, open_client, read_row
from kamiyo.cli.output import (
    LOUD,
    UNKNOWN,
    amount,
    build_table,
    clean,
    freshness_lines,
    open_console,
    print_json,
)

_COLUMNS = ("slot#", "source", "user", "why", "held since")
_CHOSEN_COLUMNS = ("rank#", "maker", "USD taken#", "of all#", "fills#", "assets#", "followed", "chosen since")


class YieldLine(msgspec.Struct, frozen=True):
    """What a maker was chosen for."""

    day: str
    hours: int
    amount_usd: str
    total_usd: str
    percent: str | None
    fills: int
    assets: int
    chosen_at: str

    @property
    def share(self) -> str:
        """Of all that was taken in the measured hours."""
        return UNKNOWN if self.percent is None else f"{self.percent} %"


class SlotLine(msgspec.Struct, frozen=True):
    """An account that a source follows."""

    source: str
    user: str
    position: int
    reason: str
    held_since: str
    measured: YieldLine | None

    def cells(self) -> list[str]:
        """The row of the table."""
        return [str(self.position), self.source, self.user, self._why(), self.held_since]

    def _why(self) -> str:
        if self.measured is None:
            return self.reason
        return f"{self.reason}: {self.measured.share} of what was liquidated on {self.measured.day}"


class ChosenLine(msgspec.Struct, frozen=True):
    """A maker that the last measured day chose."""

    user: str
    position: int
    followed: bool
    measured: YieldLine

    def cells(self) -> list[str]:
        """The row of the table."""
        measured = self.measured
        return [
            str(self.position),
            self.user,
            amount(measured.amount_usd),
            measured.share,
            str(measured.fills),
            str(measured.assets),
            "yes" if self.followed else "no",
            measured.chosen_at,
        ]


class Slots(msgspec.Struct, frozen=True):
    """Both tables."""

    slots: list[SlotLine]
    chosen: list[ChosenLine]


_slots = msgspec.json.Decoder(Slots)


def show_slots(server: str, *, json: bool) -> None:
    """Print who holds the user slots of a running KAMIYO's sources, and why."""
    print_slots(asyncio.run(_ask(server)), json=json)


def print_slots(stated: Statement, *, json: bool) -> None:
    """The same of a server's answer."""
    if json:
        print_json({"data": stated.data, "meta": stated.raw_meta})
        return
    console, known = open_console(), read_row(_slots, stated.data)
    if stated.meta.notice is not None:
        console.print(clean(stated.meta.notice), style=LOUD, soft_wrap=True)
    rows = [each.cells() for each in known.slots]
    console.print(build_table(_COLUMNS, rows) if rows else "no source has told whose fills it follows")
    console.print()
    console.print(_origin(known.chosen), soft_wrap=True)
    if known.chosen:
        console.print(build_table(_CHOSEN_COLUMNS, [each.cells() for each in known.chosen]))
    console.print()
    for line in freshness_lines(stated.meta):
        console.print(line, soft_wrap=True)


def _origin(chosen: Sequence[ChosenLine]) -> str:
    """Where the choice comes from."""
    if not chosen:
        return "no day was measured: nobody is chosen by what was measured"
    measured = chosen[0].measured
    return clean(
        f"chosen from {measured.hours} measured hours of {measured.day}, "
        f"in which {amount(measured.total_usd)} USD were liquidated into the book"
    )


async def _ask(server: str) -> Statement:
    async with open_client(server) as client:
        return await client.statement("/coverage/slots", {})
