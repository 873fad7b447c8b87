-- Which blocks of a source were read whole, by the hour of their time: what a share of reality is measured by.

-- Whoever reads which blocks in whatever order adds to the same ranges. An hour holds every run that touches it,
-- so one that crosses its border is in both. The version grows with each change.
CREATE TABLE block_hours (
    source     text COLLATE "C" NOT NULL,
    chain      text COLLATE "C" NOT NULL,
    hour       timestamptz NOT NULL,
    ranges     int8multirange NOT NULL,
    first_at   timestamptz NOT NULL,
    last_at    timestamptz NOT NULL,
    version    bigint NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, chain, hour)
);
CREATE INDEX block_hours_by_hour ON block_hours (chain, hour);

-- In which minutes of an hour a source proved alive: bit 0 is the first. A source that was not heard saw nothing
-- because it did not look.
CREATE TABLE heard_hours (
    source  text COLLATE "C" NOT NULL,
    chain   text COLLATE "C" NOT NULL,
    hour    timestamptz NOT NULL,
    minutes bigint NOT NULL,
    PRIMARY KEY (chain, hour, source)
);

-- How often liquidated fills of an hour were added, or were seen by one source more.
CREATE TABLE fill_hours (
    chain   text COLLATE "C" NOT NULL,
    hour    timestamptz NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (chain, hour)
);

-- What was measured of each source in each hour, or why there is no figure. seen_usd is of what the reference
-- saw, too; unknown_usd is what the source saw and the reference did not, and is part of no share.
-- measured_from tells one state of the tables above from another: once they say more, the hour is measured again.
CREATE TABLE coverage_hours (
    chain         text COLLATE "C" NOT NULL,
    hour          timestamptz NOT NULL,
    source        text COLLATE "C" NOT NULL,
    reference     text COLLATE "C",
    reason        text,
    detail        text NOT NULL DEFAULT '',
    seen_usd      numeric,
    reference_usd numeric,
    unknown_usd   numeric,
    unknown_fills integer,
    heard_minutes smallint NOT NULL,
    measured_from bigint NOT NULL,
    measured_at   timestamptz NOT NULL,
    PRIMARY KEY (chain, hour, source)
);
CREATE INDEX coverage_hours_by_source ON coverage_hours (source, hour) WHERE reason IS NULL;

-- The same by method and by how large the liquidation was to the reference, of hours that have a figure.
CREATE TABLE coverage_shares (
    chain           text COLLATE "C" NOT NULL,
    hour            timestamptz NOT NULL,
    source          text COLLATE "C" NOT NULL,
    method          text COLLATE "C" NOT NULL,
    size_bucket     text COLLATE "C" NOT NULL,
    seen_usd        numeric NOT NULL,
    reference_usd   numeric NOT NULL,
    seen_fills      integer NOT NULL,
    reference_fills integer NOT NULL,
    PRIMARY KEY (chain, hour, source, method, size_bucket)
);
