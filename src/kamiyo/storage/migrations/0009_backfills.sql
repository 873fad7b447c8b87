-- What is read of the past on purpose: what was asked for, and each object of an archive that answers it.
CREATE TABLE backfills (
    backfill_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    requested_at timestamptz NOT NULL,
    requested_by text NOT NULL,
    source       text COLLATE "C" NOT NULL,
    start        timestamptz NOT NULL,
    "end"        timestamptz NOT NULL,
    assets       text[] NOT NULL, -- none: everything
    again        boolean NOT NULL, -- also what was read before
    reason       text NOT NULL,
    objects      integer NOT NULL,
    bytes        bigint NOT NULL,
    cost_usd     numeric NOT NULL, -- as estimated before
    state        text NOT NULL,
    done_at      timestamptz
);
CREATE INDEX backfills_running ON backfills (backfill_id) WHERE state = 'running';

CREATE TABLE backfill_objects (
    object_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    backfill_id      bigint NOT NULL REFERENCES backfills ON DELETE CASCADE,
    source           text COLLATE "C" NOT NULL,
    bucket           text COLLATE "C" NOT NULL,
    key              text COLLATE "C" NOT NULL,
    etag             text COLLATE "C" NOT NULL,
    stream           text COLLATE "C" NOT NULL,
    start            timestamptz NOT NULL,
    length           interval NOT NULL,
    size             bigint NOT NULL,
    partial          boolean NOT NULL, -- only some assets of it are wanted
    state            text NOT NULL,
    detail           text NOT NULL DEFAULT '',
    -- Of the reading that finished, or of the one that goes on.
    bytes_read       bigint NOT NULL DEFAULT 0,
    payloads         bigint NOT NULL DEFAULT 0,
    liquidated_fills bigint NOT NULL DEFAULT 0,
    new_fills        bigint NOT NULL DEFAULT 0,
    rejects          bigint NOT NULL DEFAULT 0,
    attempts         integer NOT NULL DEFAULT 0,
    failures         integer NOT NULL DEFAULT 0,
    started_at       timestamptz,
    done_at          timestamptz,
    UNIQUE (backfill_id, bucket, key, etag)
);
CREATE INDEX backfill_objects_by_content ON backfill_objects (source, bucket, key, etag);
CREATE INDEX backfill_objects_open ON backfill_objects (object_id) WHERE state IN ('queued', 'running');
CREATE INDEX gaps_open ON gaps (source) WHERE closed_at IS NULL;
