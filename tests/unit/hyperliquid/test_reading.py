"""JSON read as values: exact where it is readable, MalformedPayload where it is not."""

from decimal import Decimal

import msgspec
import pytest

from kamiyo.core.errors import MalformedPayload
from kamiyo.hyperliquid.reading import plain_text, reader


class Inner(msgspec.Struct, frozen=True):
    price: str


class Example(msgspec.Struct, frozen=True, kw_only=True):
    price: str
    prices: tuple[str, str] | None = None
    by_name: dict[str, Inner] = {}
    count: int = 0
    flag: bool | None = None


read = reader(Example)


@pytest.mark.parametrize("text", ["1.5", "NaN", "", "0x", "-0"])
def test_text_is_kept_as_it_is(text: str) -> None:
    """Whoever needs a number parses it; reading changes nothing."""
    assert read(msgspec.json.encode({"price": text, "extra": [1]})) == Example(price=text)


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        (b"1.5", "1.5"),
        (b"0", "0"),
        (b"-12", "-12"),
        (b"1e3", "1000"),
        (b"2.5e-7", "0.00000025"),
        (b"0.1000000000000000055511151231", "0.1000000000000000055511151231"),
        (b"123456789012345678901.5", "123456789012345678901.5"),
        (b"18446744073709551615", "18446744073709551615"),
    ],
)
def test_a_json_number_becomes_its_own_text(literal: bytes, text: str) -> None:
    """No digit is lost on a way through a float, and nothing is written with an exponent."""
    assert read(b'{"price":' + literal + b"}") == Example(price=text)


def test_numbers_are_found_wherever_they_are() -> None:
    """In lists and objects, beside fields that are numbers and stay numbers."""
    content = b'{"price":"1","prices":[1,2.5],"by_name":{"BTC":{"price":3}},"count":7,"flag":true}'
    by_name = {"BTC": Inner("3")}
    assert read(content) == Example(price="1", prices=("1", "2.5"), by_name=by_name, count=7, flag=True)


def test_undecoded_parts_can_be_read_too() -> None:
    """A part of an answer that was kept as it came is read like an answer."""
    assert read(msgspec.Raw(b'{"price":"1"}')) == read(msgspec.Raw(b'{"price":1}')) == Example(price="1")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'{"price":null}',
        b'{"price":true}',
        b'{"price":[1]}',
        b'{"price":1,"prices":[1]}',
        b'{"price":NaN}',
        b'{"price":"\xff"}',
        b'{"price":"\\ud800"}',
        b'{"price":"1","count":1.5}',
        b'{"price":"1"}{',
        b"[" * 100_000,
        b'{"price":' + b"[" * 100_000,
        b'{"price":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"price":"1","flag":' + b'{"a":' * 100_000,
    ],
)
def test_what_is_not_of_the_shape_is_malformed(content: bytes) -> None:
    """Broken JSON, missing and mistyped fields, and any nesting end in the one error of ours."""
    with pytest.raises(MalformedPayload) as caught:
        read(content)
    assert caught.value.rule == "malformed"
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("literal", [b"1e400000", b"1e-400000", b"-1e25", b"1e99999999999999999999999999"])
def test_a_number_nobody_can_write_out_is_no_number(literal: bytes) -> None:
    """A few bytes must not become a text of a gigabyte."""
    with pytest.raises(MalformedPayload) as caught:
        read(b'{"price":' + literal + b"}")
    assert caught.value.rule == "not_a_number"


@pytest.mark.parametrize(
    ("number", "text"), [("1E+3", "1000"), ("1.50", "1.50"), ("1E-24", "0." + "0" * 23 + "1"), ("-0", "-0")]
)
def test_plain_text_has_no_exponent(number: str, text: str) -> None:
    """The value is the same, the digits are plain."""
    assert plain_text(Decimal(number)) == text


@pytest.mark.parametrize("number", ["NaN", "sNaN", "Infinity", "-Infinity", "1E+25", "1E-25"])
def test_plain_text_of_no_sane_number_is_refused(number: str) -> None:
    """Neither what is no number nor what is larger or smaller than any amount."""
    with pytest.raises(MalformedPayload) as caught:
        plain_text(Decimal(number))
    assert caught.value.rule == "not_a_number"
