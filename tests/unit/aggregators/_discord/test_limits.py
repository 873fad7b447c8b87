from datetime import timedelta

import pytest

from kamiyo.aggregators._discord.limits import MOST_REFUSALS, REFUSALS_COUNT_FOR, SPACING, UNTOLD, Limits
from tests.builders import NOW

ROUTE, OTHER = "/channels/1/messages", "/channels/2/messages"
SECOND = timedelta(seconds=1)


def after(status: int, headers: dict[str, str] | None = None, body: bytes = b"[]") -> Limits:
    limits = Limits()
    limits.answered(ROUTE, status, headers or {}, body, now=NOW)
    return limits


def test_a_used_up_bucket_is_left_alone_until_it_is_full() -> None:
    """The headers say when; another channel's bucket is another one, though it has the same name."""
    told = {"x-ratelimit-remaining": "0", "x-ratelimit-reset-after": "2.5", "x-ratelimit-bucket": "b"}
    limits = after(200, told)
    assert limits.ready_at(ROUTE, NOW) == NOW + 2.5 * SECOND
    limits.answered(OTHER, 200, {"x-ratelimit-bucket": "b"}, b"[]", now=NOW)
    assert limits.ready_at(OTHER, NOW) == NOW
    assert after(200, told | {"x-ratelimit-remaining": "1"}).ready_at(ROUTE, NOW) == NOW


@pytest.mark.parametrize(
    ("headers", "body", "wait", "everything"),
    [
        ({}, b'{"retry_after":1.5,"global":false}', 1.5, False),
        ({}, b'{"retry_after":64.5,"global":true}', 64.5, True),
        ({"x-ratelimit-global": "true"}, b'{"retry_after":3.0}', 3.0, True),
        ({"retry-after": "20"}, b"error code: 1015", 20.0, True),
        ({"retry-after": "soon"}, b"", UNTOLD.total_seconds(), True),
        ({}, b'{"retry_after":1e300}', UNTOLD.total_seconds(), True),
    ],
)
def test_a_refusal_is_waited_out(headers: dict[str, str], body: bytes, wait: float, everything: bool) -> None:
    """As long as it says, and everything where it is meant so, or said by somebody before the API."""
    limits = after(429, headers, body)
    assert limits.ready_at(ROUTE, NOW) == NOW + wait * SECOND
    assert limits.ready_at(OTHER, NOW) == (NOW + wait * SECOND if everything else NOW)


@pytest.mark.parametrize(
    ("status", "headers", "counts"),
    [
        (401, {}, True),
        (403, {}, True),
        (429, {}, True),
        (429, {"x-ratelimit-scope": "shared"}, False),
        (404, {}, False),
    ],
)
def test_the_address_is_never_shut_out(status: int, headers: dict[str, str], counts: bool) -> None:
    """Refusals are counted, and long before Discord's ten thousand nothing more is asked for a while."""
    limits = Limits()
    for number in range(MOST_REFUSALS):
        body = b'{"retry_after":0.0}'
        limits.answered(ROUTE, status, headers, body, now=NOW + number * SECOND / 1_000)
    now = NOW + SECOND
    assert limits.ready_at(OTHER, now) == (NOW + REFUSALS_COUNT_FOR if counts else now)
    assert limits.ready_at(OTHER, NOW + REFUSALS_COUNT_FOR) == NOW + REFUSALS_COUNT_FOR


def test_questions_are_spread_below_fifty_a_second() -> None:
    """Each waits a moment after the last one, whatever it is about."""
    limits = Limits()
    limits.asked(NOW)
    assert limits.ready_at(OTHER, NOW) == NOW + SPACING
    assert SECOND / SPACING <= 50
