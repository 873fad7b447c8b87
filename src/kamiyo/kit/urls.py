"""Put a URL together: what a question is about goes into its query, every letter of it escaped."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode


def url_with_query(url: str, query: Mapping[str, str]) -> str:
    """The URL with these parameters; as it is without any."""
    return f"{url}?{urlencode(query, quote_via=quote)}" if query else url
