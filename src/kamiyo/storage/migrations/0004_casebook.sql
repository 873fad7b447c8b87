-- The casebook: reports as they came, which case each belongs to, and everything that was done to a case.
-- What stands in exploits is the fold of a case's reports, and is made again whenever these change.

-- Each report as its source has it now. A deleted one keeps that it was said, and when, and not its words.
CREATE TABLE reports (
    report_id    text COLLATE "C" PRIMARY KEY,
    tx_hash      text COLLATE "C" NOT NULL REFERENCES exploits DEFERRABLE INITIALLY DEFERRED,
    source       text COLLATE "C" NOT NULL,
    origin       text COLLATE "C" NOT NULL,
    kind         text NOT NULL,
    published_at timestamptz NOT NULL,
    received_at  timestamptz NOT NULL,
    content      json NOT NULL,
    version      integer NOT NULL DEFAULT 1,
    position     bigint GENERATED ALWAYS AS IDENTITY,
    recorded_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX reports_by_case ON reports (tx_hash, published_at, report_id);
CREATE INDEX reports_by_time ON reports (published_at, report_id);
CREATE INDEX reports_by_origin ON reports (origin, published_at, report_id);

-- What stood in a report before it was edited; nothing of one that was deleted.
CREATE TABLE report_versions (
    report_id   text COLLATE "C" NOT NULL REFERENCES reports ON DELETE CASCADE,
    version     integer NOT NULL,
    content     json NOT NULL,
    replaced_at timestamptz NOT NULL,
    PRIMARY KEY (report_id, version)
);

-- What reports are found by: two of the same case share a key, and the newest of a key are looked at.
CREATE TABLE report_keys (
    key       text COLLATE "C" NOT NULL,
    position  bigint NOT NULL,
    report_id text COLLATE "C" NOT NULL REFERENCES reports ON DELETE CASCADE,
    PRIMARY KEY (key, position)
);
CREATE INDEX report_keys_by_report ON report_keys (report_id);

-- The history of every case. An event that was undone stays, and names the one that undid it.
CREATE TABLE case_events (
    event_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tx_hash    text COLLATE "C" NOT NULL,
    kind       text NOT NULL,
    at         timestamptz NOT NULL,
    author     text NOT NULL,
    reason     text NOT NULL,
    reasons    json NOT NULL,
    report_ids text[] NOT NULL,
    other      text COLLATE "C",
    undone_by  bigint REFERENCES case_events DEFERRABLE INITIALLY DEFERRED,
    details    json NOT NULL
);
CREATE INDEX case_events_by_case ON case_events (tx_hash, event_id);
CREATE INDEX case_events_by_report ON case_events USING gin (report_ids);
CREATE INDEX case_events_by_other ON case_events (other, event_id) WHERE other IS NOT NULL;

-- Whether a report belongs to a case that is known: what the rules could not decide, and what a person did.
CREATE TABLE reviews (
    review_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    report_id   text COLLATE "C" NOT NULL REFERENCES reports ON DELETE CASCADE,
    tx_hash     text COLLATE "C" NOT NULL,
    other       text COLLATE "C" NOT NULL,
    probability double precision NOT NULL,
    reasons     json NOT NULL,
    asked_at    timestamptz NOT NULL,
    answer      text,
    answered_at timestamptz,
    author      text,
    reason      text
);
CREATE INDEX reviews_open ON reviews (review_id) WHERE answer IS NULL;

-- Ids that went away, and the case that answers to them now. One that stood only between a split and its
-- undoing leads there too, and is not shown among the names of the case.
CREATE TABLE exploit_aliases (
    alias   text COLLATE "C" PRIMARY KEY,
    tx_hash text COLLATE "C" NOT NULL REFERENCES exploits DEFERRABLE INITIALLY DEFERRED,
    version integer NOT NULL,
    shown   boolean NOT NULL
);
CREATE INDEX exploit_aliases_by_case ON exploit_aliases (tx_hash, alias);
