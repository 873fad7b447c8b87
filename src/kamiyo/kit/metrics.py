"""Every metric of the system: its name, its labels (closed sets only) and a sentence on each."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = CONTENT_TYPE_LATEST

# --- ingest -----------------------------------------------------------------------------------------------

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
EXPIRED_EVENTS = Counter(
    "kamiyo_expired_events_total",
    "Facts that were heard and not stored, as what is of their time is not kept any more.",
    ["dataset"],
)

POLLS = Counter(
    "kamiyo_polls_total",
    "Polls of sources that are asked now and then: answered, unreachable, failed, not_configured, untold "
    "(the database was gone, or another worker took it over) or ended (switched off meanwhile).",
    ["source", "result"],
)
LEASE_LOSSES = Counter(
    "kamiyo_lease_losses_total",
    "Readings that ended because another worker was given the source: this one stood still for too long.",
    ["source"],
)

# --- the venue's limit ------------------------------------------------------------------------------------

WEIGHT_TAKEN = Counter(
    "kamiyo_weight_taken_total", "Weight of the venue's limit taken for requests, by task.", ["task"]
)
WEIGHT_RETURNED = Counter(
    "kamiyo_weight_returned_total",
    "Weight of that given back, as answers cost less than they might have, by task.",
    ["task"],
)
WEIGHT_WAIT_SECONDS = Counter(
    "kamiyo_weight_wait_seconds_total",
    "Time requests waited until they fit into the limit, by task.",
    ["task"],
)

# --- coverage ---------------------------------------------------------------------------------------------

COVERAGE_HOURS_MEASURED = Counter(
    "kamiyo_coverage_hours_measured_total",
    "Hours of which it was measured here what each source saw, again where more became known of them.",
)

# --- what the database knows, read when it is scraped -----------------------------------------------------

MODE = Gauge("kamiyo_mode", "1 for the mode of what this server shows: LIVE, REPLAY or SIMULATED.", ["mode"])
HOUSEKEEPING_DONE = Gauge("kamiyo_housekeeping_done_timestamp_seconds", "When housekeeping last finished.")
DATABASE_UP = Gauge("kamiyo_database_up", "1 if the database answered this scrape, else 0.")
SOURCE_UP = Gauge(
    "kamiyo_source_up",
    "1 while a source is live or a catalogue is loaded, else 0; absent while the database does not answer.",
    ["source"],
)
SOURCE_AGE = Gauge(
    "kamiyo_source_age_seconds", "Time since a source last proved alive; absent if it never did.", ["source"]
)
SOURCE_NEXT_POLL = Gauge(
    "kamiyo_source_next_poll_timestamp_seconds",
    "When a source that is asked now and then is asked next; absent for others, and where that is at once.",
    ["source"],
)

COVERAGE_RATIO = Gauge(
    "kamiyo_liquidation_coverage_ratio",
    "Share of the liquidated USD a source saw of what its references saw, over the measured hours of the "
    "seven days up to the newest of them; absent while none is measured.",
    ["source"],
)
BACKFILL_OBJECTS = Gauge(
    "kamiyo_backfill_objects",
    "Objects of all backfills by state; absent while the database does not answer.",
    ["state"],
)
BACKFILL_READ_BYTES = Gauge(
    "kamiyo_backfill_read_bytes", "Bytes of history that were read, as they are once decompressed."
)
BACKFILL_SECONDS = Gauge(
    "kamiyo_backfill_seconds", "Time from the first reading of each object of history to its end, added up."
)
BACKFILL_FAILURES = Gauge(
    "kamiyo_backfill_failures", "Readings of objects of history that failed; most are repeated."
)

# --- exports ----------------------------------------------------------------------------------------------

EXPORTS = Gauge("kamiyo_exports", "Exports by state; absent while the database does not answer.", ["state"])
EXPORT_BYTES = Gauge(
    "kamiyo_export_bytes",
    "Bytes of exports that are on disk for good, by the state of their export.",
    ["state"],
)

# --- retention --------------------------------------------------------------------------------------------

RETENTION_DONE = Gauge(
    "kamiyo_retention_done_timestamp_seconds",
    "When what is past its time was last looked for and all of it was let go.",
)
RETENTION_PARTITIONS = Counter(
    "kamiyo_retention_dropped_partitions_total", "Partitions dropped as their time was past.", ["dataset"]
)
RETENTION_ROWS = Counter(
    "kamiyo_retention_dropped_rows_total", "Rows dropped or deleted as their time was past.", ["dataset"]
)
RETENTION_EXPORTED_ROWS = Counter(
    "kamiyo_retention_exported_rows_total",
    "Rows written to a file before they were dropped.",
    ["dataset"],
)
RETENTION_POSTPONED = Counter(
    "kamiyo_retention_postponed_total",
    "Times something was left for the next round: busy (the tables were in use), or not exported.",
    ["dataset", "reason"],
)

# --- HTTP -------------------------------------------------------------------------------------------------

HTTP_REQUESTS = Counter(
    "kamiyo_http_requests_total",
    "Answered requests, by the path as its route declares it.",
    ["route", "method", "status"],
)
HTTP_REQUEST_SECONDS = Histogram(
    "kamiyo_http_request_seconds",
    "Time to the end of an answer, by the path as its route declares it.",
    ["route"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

# --- cache ------------------------------------------------------------------------------------------------

CACHE_REQUESTS = Counter(
    "kamiyo_cache_requests_total",
    "Look-ups of answers: level process or shared; outcome hit, miss, error, or skipped after an error.",
    ["level", "outcome"],
)

# --- live stream ------------------------------------------------------------------------------------------

STREAM_RELAY_LEADING = Gauge(
    "kamiyo_stream_relay_leading", "1 while this process numbers the stream, else 0."
)
STREAM_RELAY_LAG = Gauge(
    "kamiyo_stream_relay_lag_seconds",
    "How long committed messages have waited for an older transaction to end; 0 if none waits.",
)
STREAM_NUMBERED = Counter("kamiyo_stream_numbered_total", "Messages given a position by this process.")
STREAM_CONNECTIONS = Gauge("kamiyo_stream_connections", "Open connections to the live stream.")
STREAM_FRAMES = Counter("kamiyo_stream_frames_total", "Frames of messages sent to subscribers.")
STREAM_DELIVERED = Counter(
    "kamiyo_stream_delivered_total", "Messages sent to subscribers, each counted per subscriber."
)
STREAM_CLOSED = Counter(
    "kamiyo_stream_closed_total",
    "Connections this server ended, by reason.",
    ["reason"],
)


def exposition() -> bytes:
    """Everything measured, in the text format Prometheus reads."""
    return generate_latest(REGISTRY)
