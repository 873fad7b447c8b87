import pytest

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.ids import parse_address, parse_asset, parse_transaction_hash

ADDRESS = "0x2e3d94f0562703b25c83308a05046ddaf9a8dd14"
HASH = "0x922ada1583e0175a93a4042d3a6101010100f1fb1ee3362c35f3856842e3f145"


@pytest.mark.parametrize("text", [ADDRESS, ADDRESS.upper(), "0x" + ADDRESS[2:].upper()])
def test_one_account_has_one_address(text) -> None:
    """An address is in lower case, however it was written."""
    assert parse_address(text) == ADDRESS


@pytest.mark.parametrize(
    "text",
    [
        *("", "0x", ADDRESS[2:], ADDRESS[:-1], ADDRESS + "0", ADDRESS + "\n", " " + ADDRESS),
        *(ADDRESS[:-1] + "g", ADDRESS[:-1] + "\u0661", HASH),
    ],
)
def test_what_is_no_address_is_refused(text) -> None:
    """Twenty bytes in hexadecimal after 0x, and nothing else."""
    with pytest.raises(MalformedPayload, match="not an address") as caught:
        parse_address(text)
    assert caught.value.rule == "not_an_address"


@pytest.mark.parametrize("text", [HASH, HASH.upper()])
def test_one_transaction_has_one_hash(text) -> None:
    """A hash is in lower case, however it was written."""
    assert parse_transaction_hash(text) == HASH


@pytest.mark.parametrize("text", ["0x" + "0" * 64, "0X" + "0" * 64])
def test_the_zero_hash_names_no_transaction(text) -> None:
    """All zeros is the venue's way to say that there is no hash."""
    assert parse_transaction_hash(text) is None


def test_an_almost_zero_hash_names_a_transaction() -> None:
    """One digit makes it a hash."""
    text = "0x" + "0" * 63 + "1"
    assert parse_transaction_hash(text) == text


@pytest.mark.parametrize(
    "text", ["", "0x", "0x0", HASH[2:], HASH[:-1], HASH + "0", HASH + "\n", HASH[:-1] + "z", ADDRESS]
)
def test_what_is_no_hash_is_refused(text) -> None:
    """Thirty-two bytes in hexadecimal after 0x, and nothing else."""
    with pytest.raises(MalformedPayload, match="not a transaction hash") as caught:
        parse_transaction_hash(text)
    assert caught.value.rule == "not_a_transaction_hash"


@pytest.mark.parametrize(
    "text",
    [
        *("BTC", "ETH", "kPEPE", "A", "0G", "XYZ-1.5_a+$", "a" * 32),
        *("xyz:TSLA", "flx:GOLD", "a" * 32 + ":" + "b" * 32),
        *("@107", "PURR/USDC", "#20"),
    ],
)
def test_the_names_of_all_markets_are_assets(text) -> None:
    """First-dex, builder, spot and outcome names are kept as they are, case included."""
    assert parse_asset(text) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "BTC ", " BTC", "BTC\n", "B TC", "BTC;DROP", "'BTC'", "<b>", "BTC\x00"),
        *("@", "#", "@@1", ":TSLA", "xyz:", "xyz::TSLA", "a:b:c", "a/b/c", "/USDC", "-BTC", "_"),
        *("a" * 33, "xyz:" + "a" * 33, "ВТС", "BTC\u200b"),  # noqa: RUF001  (Cyrillic is the point)
    ],
)
def test_what_is_no_asset_is_refused(text) -> None:
    """Nothing that could not be a market's name becomes one."""
    with pytest.raises(MalformedPayload, match="not an asset") as caught:
        parse_asset(text)
    assert caught.value.rule == "not_an_asset"


@pytest.mark.parametrize(
    ("parse", "shown"), [(parse_address, 64), (parse_asset, 64), (parse_transaction_hash, 80)]
)
def test_a_refusal_shows_the_beginning_of_a_long_text_only(parse, shown) -> None:
    """A megabyte in the place of a name does not become a megabyte of log."""
    with pytest.raises(MalformedPayload, match=f"'~{{{shown}}}'$"):
        parse("~" * 1_000_000)
