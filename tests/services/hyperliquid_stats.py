"""The venue's statistics on a local server: the real files of 2023 to 2025, and ones made up."""

from collections.abc import Iterable
from pathlib import Path

import zstandard

TOTAL = "daily_notional_liquidated_total"
BY_ASSET = "daily_notional_liquidated_by_coin"


def chart(rows: Iterable[str]) -> bytes:
    """A file of these rows, each written as it is."""
    return b'{"chart_data": [' + ", ".join(rows).encode() + b"]}"


def row(day: str, usd: str, asset: str | None = None) -> str:
    """A row as the venue writes it."""
    coin = "" if asset is None else f'"coin": "{asset}", '
    return f'{{"time": "{day}T00:00:00", {coin}"daily_notional_liquidated": {usd}}}'


def made_up() -> dict[str, bytes]:
    """Two files of three days, the last of them still being counted."""
    days = ("2023-06-13", "2023-06-14", "2023-06-15")
    by_asset = [
        row(day, f"{number}.1", each) for number, day in enumerate(days, 1) for each in ("BTC", "ETH")
    ]
    totals = [row(day, f"{2 * number}.2") for number, day in enumerate(days, 1)]
    return {TOTAL: chart(totals), BY_ASSET: chart(by_asset)}


def real_files(shared_data: Path) -> dict[str, bytes]:
    """The files as somebody found them in May 2025."""
    folder = shared_data / "hl-stats-daily-2023-2025"
    packed = (folder / f"{BY_ASSET}.json.zst").read_bytes()
    return {
        TOTAL: (folder / f"{TOTAL}.json").read_bytes(),
        BY_ASSET: zstandard.ZstdDecompressor().stream_reader(packed).read(),
    }
