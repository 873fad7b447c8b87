import decimal
import re
import threading
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kamiyo.core.errors import MalformedPayload
from kamiyo.core.money import (
    MAX_DIGITS,
    ZERO_USD,
    Price,
    Size,
    install_context,
    is_plain_decimal,
    notional,
    parse_decimal,
    parse_plain,
    parse_plains,
    plain,
)

PLAIN = {
    "0": Decimal(0),
    "-0": Decimal(0),
    "-0.0": Decimal(0),
    "1": Decimal(1),
    "-1.50": Decimal("-1.5"),
    "007": Decimal(7),
    "0.000255": Decimal("0.000255"),
    "13385820.0": Decimal(13_385_820),
    "7863059.5308084209": Decimal("7863059.5308084209"),
    "9" * 24 + "." + "9" * 24: Decimal("9" * 24 + "." + "9" * 24),
}
NOT_PLAIN = [
    *("", " ", " 1", "1 ", "1\n", "\t1", "1 000"),
    *("NaN", "nan", "sNaN", "-NaN", "Infinity", "-Infinity", "inf"),
    *("1e9", "1E9", "1e-9", "1e400000", "0e0"),
    *("+1", "--1", "-", ".", ".5", "5.", "1.2.3", "1,5", "1_0", "0x1", "1.-5"),
    *("１２", "٣", "1.٣", "²", "−1", "1\u200b"),  # noqa: RUF001  (digits and signs of other scripts are the point)
    *("1" * 25, "0." + "1" * 25, "-" + "1" * 25),
    *("None", "true", "1\x00"),
]


@pytest.mark.parametrize(("text", "number"), PLAIN.items())
def test_plain_digits_are_read_exactly(text, number) -> None:
    """A number in plain digits is that number, to its last digit."""
    assert is_plain_decimal(text)
    assert parse_decimal(text) == number


@pytest.mark.parametrize("text", NOT_PLAIN)
def test_anything_but_plain_digits_is_refused(text) -> None:
    """What Decimal() might still take is refused by both functions alike, with one rule."""
    assert not is_plain_decimal(text)
    with pytest.raises(MalformedPayload) as caught:
        parse_decimal(text)
    assert caught.value.rule == "not_a_number"


def test_a_refusal_shows_the_beginning_of_a_long_text_only() -> None:
    """A megabyte in the place of a number does not become a megabyte of log."""
    with pytest.raises(MalformedPayload, match=f"'{'7' * 64}'$"):
        parse_decimal("7" * 1_000_000)


@given(st.text())
def test_both_readers_agree_on_any_text(text) -> None:
    """The check without a result and the reader with one accept the same texts."""
    try:
        parse_decimal(text)
    except MalformedPayload:
        assert not is_plain_decimal(text)
    else:
        assert is_plain_decimal(text)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("-0.000", "0"),
        ("0E+5", "0"),
        ("0E-9", "0"),
        ("1", "1"),
        ("100", "100"),
        ("1.50", "1.5"),
        ("-1.500", "-1.5"),
        ("10.0", "10"),
        ("1E+3", "1000"),
        ("-25E-6", "-0.000025"),
        ("1.000000000000000000000001", "1.000000000000000000000001"),
    ],
)
def test_plain_writes_a_number_without_exponent_and_without_trailing_zeros(number, text) -> None:
    """The written form is the shortest one in plain digits."""
    assert plain(Decimal(number)) == text


numbers = st.builds(
    lambda sign, digits, exponent: Decimal((sign, tuple(digits), exponent)),
    st.sampled_from([0, 1]),
    st.lists(st.integers(0, 9), min_size=1, max_size=70),
    st.integers(-40, 40),
)


@given(numbers)
def test_plain_loses_nothing(number) -> None:
    """Reading what was written gives the number back, and the text has no exponent."""
    text = plain(number)
    assert Decimal(text) == number
    assert re.fullmatch(r"0|-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?", text)
    assert text != "-0"


@given(numbers, st.integers(1, 10))
def test_plain_is_one_text_for_one_value(number, zeros) -> None:
    """However many trailing zeros a number carries, it is written the same."""
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    longer = Decimal((sign, digits + (0,) * zeros, exponent - zeros))
    assert plain(longer) == plain(number)


@pytest.mark.parametrize(("price", "size"), [("1.5", "2"), ("1.5", "-2"), ("-1.5", "2")])
def test_a_notional_is_positive(price, size) -> None:
    """Price times size in USD has no direction."""
    assert notional(Price(Decimal(price)), Size(Decimal(size))) == 3
    assert ZERO_USD == 0


@pytest.fixture
def untouched_decimal() -> Iterator[None]:
    """Undo what every test gets, so that the function under test has something to do."""
    default = decimal.DefaultContext.copy()
    fresh = decimal.Context(prec=28, traps=[])
    decimal.setcontext(fresh.copy())
    decimal.DefaultContext.prec = fresh.prec
    decimal.DefaultContext.clear_traps()
    yield
    decimal.DefaultContext.prec = default.prec
    for signal, trapped in default.traps.items():
        decimal.DefaultContext.traps[signal] = trapped
    install_context()


LIES = {
    "a decimal made from a float": (lambda: Decimal(0.1), decimal.FloatOperation),  # noqa: RUF032
    "a comparison with a float": (lambda: Decimal(1) < 0.5, decimal.FloatOperation),
    "a number that is none": (lambda: Decimal("x"), decimal.InvalidOperation),
    "nothing by nothing": (lambda: Decimal(0) / Decimal(0), decimal.InvalidOperation),
    "something by nothing": (lambda: Decimal(1) / Decimal(0), decimal.DivisionByZero),
    "more than there is room for": (lambda: Decimal("9e999999") * 10, decimal.Overflow),
}


def in_new_thread(question):
    """The answer of a thread that is born now, or the error it met."""
    answers = []

    def ask() -> None:
        try:
            answers.append(question())
        except decimal.DecimalException as error:
            answers.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return answers[0]


@pytest.mark.usefixtures("untouched_decimal")
@pytest.mark.parametrize(("lie", "signal"), LIES.values(), ids=LIES.keys())
def test_the_context_raises_instead_of_inventing_a_number(lie, signal) -> None:
    """Inexact origins and impossible results raise, here and in every thread to come."""
    install_context()
    with pytest.raises(signal):
        lie()
    assert isinstance(in_new_thread(lie), signal)


@pytest.mark.usefixtures("untouched_decimal")
def test_the_context_has_room_for_sums_of_what_the_venue_sends() -> None:
    """A third has sixty digits, here and in every thread to come."""
    install_context()
    third = Decimal("0." + "3" * MAX_DIGITS)
    assert Decimal(1) / 3 == third
    assert in_new_thread(lambda: Decimal(1) / 3) == third


def test_numbers_read_together_are_those_read_one_by_one() -> None:
    """Looking at many texts at once takes exactly what looking at each takes, in their order."""
    assert parse_plains(list(PLAIN)) == [parse_plain(text) for text in PLAIN]
    assert parse_plains([]) == []


@given(
    st.lists(
        st.from_regex(r"-?[0-9]{1,24}(\.[0-9]{1,24})?", fullmatch=True, alphabet="-.0123456789"), min_size=1
    )
)
def test_a_number_has_one_text(texts) -> None:
    """The one ``plain`` writes, whether or not a Decimal was made of it, wherever zeros stand."""
    assert parse_plains(texts) == [plain(Decimal(text)) for text in texts]


@pytest.mark.parametrize("text", NOT_PLAIN)
def test_one_bad_number_is_refused_wherever_it_stands(text: str) -> None:
    """No neighbour makes a text a number, not even where joining them hides its edges."""
    for texts in ([text], [text, "1"], ["1", text], ["1", text, "1"]):
        with pytest.raises(MalformedPayload) as caught:
            parse_plains(texts)
        assert caught.value.rule == "not_a_number"
