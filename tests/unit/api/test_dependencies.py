from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pydantic import ValidationError

from kamiyo.api.dependencies import LiquidationQuery, WindowQuery, _surplus
from kamiyo.api.pages import Order


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("0", datetime(1970, 1, 1, tzinfo=UTC)),
        ("1760130960250", datetime(2025, 10, 10, 21, 16, 0, 250_000, tzinfo=UTC)),
        ("2025-10-10T21:16:00.250Z", datetime(2025, 10, 10, 21, 16, 0, 250_000, tzinfo=UTC)),
        ("2025-10-10t21:16:00z", datetime(2025, 10, 10, 21, 16, tzinfo=UTC)),
        ("2025-10-10 23:16:00+02:00", datetime(2025, 10, 10, 21, 16, tzinfo=UTC)),
        ("2025-10-10T21:16:00.123456789Z", datetime(2025, 10, 10, 21, 16, 0, 123_456, tzinfo=UTC)),
        ("0001-01-01T00:00:00+23:59", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59-23:59", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    ],
)
def test_moment(text, moment):
    """A moment is RFC 3339 with any offset, or milliseconds."""
    assert WindowQuery.model_validate({"start": text}).start == moment


@pytest.mark.parametrize(
    "text",
    ["", "-1", "1.5", "253402300800000", "2025-10-10", "2025-10-10T21:16:00", "2025-13-01T00:00:00Z", "now",
     "20251010T211600Z", "2025-W41-5T00:00:00Z", "1e9", "١٢٣", "NaN"],
)  # fmt: skip
def test_what_is_no_moment(text):
    """Anything else is refused, a time without its offset included."""
    with pytest.raises(ValidationError):
        WindowQuery.model_validate({"start": text})


def test_defaults_of_a_list():
    """A list comes newest first, a hundred rows at a time, unfiltered."""
    query = LiquidationQuery.model_validate({})
    assert (query.order, query.limit, query.cursor) == (Order.DESCENDING, 100, None)
    assert (query.asset, query.user, query.min_usd) == (None, None, None)


def test_values_become_ours():
    """An address is lower case, an amount a Decimal."""
    query = LiquidationQuery.model_validate({"user": "0x" + "AB" * 20, "min_usd": "10.50"})
    assert (query.user, query.min_usd) == ("0x" + "ab" * 20, Decimal("10.50"))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"", []),
        (b"a=1", []),
        (b"b=1", [("b", "unknown_parameter")]),
        (b"b", [("b", "unknown_parameter")]),
        (b"a=1&a=1", [("a", "repeated_parameter")]),
        (b"&".join(b"a%d=1" % number for number in range(51)), [("", "too_many_parameters")]),
    ],
)
def test_surplus(query, expected):
    """Unknown and repeated parameters are named; too many are not even read."""
    assert [(each.field, each.code) for each in _surplus(query, frozenset("a"))] == expected
