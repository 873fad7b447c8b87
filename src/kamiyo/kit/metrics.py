"""Every metric of the system: its name, its labels (closed sets only) and a sentence on each."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

INGESTED = Counter(
    "kamiyo_ingested_total", "What payloads held, by source and kind of thing counted.", ["source", "kind"]
)
REJECTS = Counter(
    "kamiyo_rejects_total", "Payloads and rows refused, by source and broken rule.", ["source", "rule"]
)
GAPS = Counter("kamiyo_gaps_total", "Stretches a source did not hear.", ["source"])
CHANGED_LIQUIDATIONS = Counter(
    "kamiyo_changed_liquidations_total", "Liquidations that were new or became another.", ["source"]
)
SOURCE_LAG = Gauge(
    "kamiyo_source_lag_seconds", "Newest payload's hearing minus the venue's own time in it.", ["source"]
)
