-- What is not kept for ever: from when on each dataset is stored, and what of it was dropped.

-- One row for each dataset whose past was, or is, let go. Facts before stored_from are not stored any more; where
-- that was lifted, what stands before dropped_before was read again since, and may be a part.
CREATE TABLE retained (
    dataset        text COLLATE "C" PRIMARY KEY,
    stored_from    timestamptz,
    dropped_before timestamptz,
    changed_at     timestamptz NOT NULL
);

-- Each partition that was dropped, and the file it was written to before.
CREATE TABLE dropped_partitions (
    drop_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text COLLATE "C" NOT NULL,
    dataset     text COLLATE "C" NOT NULL,
    month       timestamptz NOT NULL,
    rows        bigint NOT NULL,
    exported_to text,
    sha256      text,
    dropped_at  timestamptz NOT NULL
);
CREATE INDEX dropped_partitions_by_name ON dropped_partitions (name);
