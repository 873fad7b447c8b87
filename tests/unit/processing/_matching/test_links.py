"""Addresses are told apart by the document they name."""

import pytest

from kamiyo.processing._matching.links import document_of, page_of, transactions_in, urls_in

HASH = "0x" + "ab" * 32


@pytest.mark.parametrize(
    ("url", "document"),
    [
        ("https://twitter.com/a/status/123456?s=20", "x:123456"),
        ("https://x.com/B/status/123456", "x:123456"),
        ("https://x.com/peckshield", None),
        ("https://t.me/s/alerts/1628", "t.me:alerts/1628"),
        ("https://t.me/alerts", None),
        ("https://www.rekt.news/harvest-finance-rekt/", "rekt.news/harvest-finance-rekt"),
        ("https://app.example.com/explorer/security-incidents?page=1", None),
        (f"https://etherscan.io/tx/{HASH}", None),
        ("https://example.com", None),
        ("not an address", None),
    ],
)
def test_a_document_has_one_name(url: str, document: str | None) -> None:
    """All addresses of one post or article are one document; lists, sites and explorers are none."""
    assert document_of(url) == document


def test_a_page_is_known_by_its_query_only_without_a_path() -> None:
    """A page's address is its host and path, or its query where it has no path."""
    assert page_of("https://example.com/?p=7#top") == "example.com?p=7"
    assert page_of("https://example.com/a/?utm=x") == "example.com/a"
    assert page_of("ftp://example.com") is None


def test_addresses_and_hashes_are_found_in_text() -> None:
    """A text's addresses are found, and an explorer's address names its transaction."""
    assert urls_in(f"see (https://a.io/tx/{HASH}) and http://b.io.") == [
        f"https://a.io/tx/{HASH}",
        "http://b.io.",
    ]
    assert transactions_in(f"https://a.io/tx/{HASH.upper().replace('X', 'x')}") == [HASH]
