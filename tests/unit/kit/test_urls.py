"""URLs that are put together."""

from kamiyo.kit.urls import url_with_query


def test_every_letter_of_a_query_is_escaped() -> None:
    """What is asked for can hold anything, and never becomes another parameter."""
    url = url_with_query("https://x.test/2", {"query": "from:a -is:retweet&b=1#c", "n": "10"})
    assert url == "https://x.test/2?query=from%3Aa%20-is%3Aretweet%26b%3D1%23c&n=10"


def test_without_parameters_a_url_stays_as_it_is() -> None:
    """No question mark is left behind."""
    assert url_with_query("https://x.test/2", {}) == "https://x.test/2"
