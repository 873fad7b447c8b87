"""Money is Decimal, and each kind of number has its own name.

``Price`` and ``Size`` are what the venue sends; ``Usd`` is what we report. A function that
wants a ``Usd`` will not accept a ``Price``: the type checker says so.
"""

from __future__ import annotations

import decimal
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import NewType

from kamiyo.core.errors import MalformedPayload

Price = NewType("Price", Decimal)
Size = NewType("Size", Decimal)
Usd = NewType("Usd", Decimal)

ZERO_USD = Usd(Decimal(0))

# The venue sends at most 19 significant digits; 60 leaves room for sums and is still bounded.
MAX_DIGITS = 60

_CONTEXT = decimal.Context(
    prec=MAX_DIGITS,
    rounding=decimal.ROUND_HALF_EVEN,
    traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow, decimal.FloatOperation],
)
# Plain digits only: Decimal() itself would also take "NaN", "Infinity", "1e999999" and "1_000".
_NUMBER = r"-?[0-9]{1,24}(?:\.[0-9]{1,24})?"
_PLAIN = re.compile(_NUMBER, re.ASCII)
# As the venue writes them: without zeros in front. A space after each; nothing is looked at twice.
_ALL_USUAL = re.compile(r"(?:-?+(?:0|[1-9][0-9]{0,23}+)(?:\.[0-9]{1,24}+)?+ )*+", re.ASCII)


def install_context() -> None:
    """Make ``Decimal(0.1)`` and ``Decimal < float`` raise in this thread and every thread to come."""
    decimal.setcontext(_CONTEXT.copy())
    decimal.DefaultContext.prec = _CONTEXT.prec
    for signal in (
        decimal.InvalidOperation,
        decimal.DivisionByZero,
        decimal.Overflow,
        decimal.FloatOperation,
    ):
        decimal.DefaultContext.traps[signal] = True


def is_plain_decimal(text: str) -> bool:
    """Whether ``text`` is a finite number in plain digits, as the venue writes them."""
    return _PLAIN.fullmatch(text) is not None


def parse_decimal(text: str) -> Decimal:
    """The number written in plain digits; MalformedPayload for anything else, NaN included."""
    if _PLAIN.fullmatch(text) is None:
        raise MalformedPayload(f"not a plain decimal number: {text[:64]!r}", rule="not_a_number")
    return Decimal(text)


def parse_plain(text: str) -> str:
    """The number written in plain digits, as ``plain`` writes it; MalformedPayload for anything else."""
    return plain(parse_decimal(text))


def parse_plains(texts: Sequence[str]) -> list[str]:
    """The same of several, looked at together: where nobody calculates, no Decimal need be made.

    The count of spaces tells that each text is one number, and not several in disguise.
    """
    together = " ".join((*texts, ""))
    if _ALL_USUAL.fullmatch(together) is None or together.count(" ") != len(texts):
        return [parse_plain(text) for text in texts]
    shortest = [_without_last_zeros(text) if text[-1] == "0" else text for text in texts]
    return ["0" if text == "-0" else text for text in shortest] if "-0" in shortest else shortest


def _without_last_zeros(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def plain(number: Decimal) -> str:
    """The number in plain digits without an exponent or trailing zeros: one text for one value."""
    text = str(number)  # a third of the time of format(), and as good unless it uses an exponent
    if text[-1] != "0" and "E" not in text:
        return text
    if "E" in text:
        text = format(number, "f")
    if text[-1] == "0" and "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def notional(price: Price, size: Size) -> Usd:
    """Price times size, positive, in USD."""
    return Usd(abs(price * size))
