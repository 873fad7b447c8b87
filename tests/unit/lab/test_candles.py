"""Candles of any length from minutes of trades."""

from kamiyo.lab.candles import Candles

_HOUR = 3_600_000


def test_an_hour_is_made_of_its_minutes() -> None:
    """A longer candle opens with its first minute, closes with its last and has the extremes of all."""
    candles = Candles()
    for minute, price in enumerate(("10", "14", "8", "11")):
        candles.trade("BTC", _HOUR + minute * 60_000, price, "0.5")
    [hour] = candles.between("BTC", "1h", 0, 2 * _HOUR)
    assert hour == {
        "t": _HOUR, "T": 2 * _HOUR - 1, "s": "BTC", "i": "1h",
        "o": "10", "c": "11", "h": "14", "l": "8", "v": "2", "n": 4,
    }  # fmt: skip
    assert [each["o"] for each in candles.between("BTC", "1m", 0, 2 * _HOUR)] == ["10", "14", "8", "11"]


def test_a_candle_belongs_to_the_bounds_by_its_beginning() -> None:
    """Both bounds are included, and what began before is left out."""
    candles = Candles()
    for minute in range(4):
        candles.trade("BTC", minute * 60_000, "1", "1")
    assert [each["t"] for each in candles.between("BTC", "1m", 60_000, 120_000)] == [60_000, 120_000]


def test_a_price_without_trades_is_a_candle_without_volume() -> None:
    """A row of a minute series says where the price was, not what was traded."""
    candles = Candles()
    candles.stand("POPCAT", 60_000, "0.17")
    assert [(each["c"], each["v"], each["n"]) for each in candles.between("POPCAT", "1m", 0, 90_000)] == [
        ("0.17", "0", 0)
    ]


def test_nothing_traded_is_no_candle() -> None:
    """The running candle of a market where nothing happened is none."""
    assert Candles().running("BTC", "1m", 0) is None


def test_the_oldest_minutes_are_forgotten() -> None:
    """The venue knows 5,000 candles, so no more minutes are kept."""
    candles = Candles()
    for minute in range(5_010):
        candles.trade("BTC", minute * 60_000, "1", "1")
    assert len(candles.between("BTC", "1m", 0, 1 << 50)) == 5_000
