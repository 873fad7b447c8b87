-- Lists written to files: what was asked for, how far it is, and what is said of the file.
CREATE TABLE exports (
    export_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    requested_at timestamptz NOT NULL,
    request_key  text COLLATE "C" UNIQUE, -- the caller's own: asked again with it, nothing new begins
    dataset      text NOT NULL,
    format       text NOT NULL,
    filters      json NOT NULL,
    folder       text COLLATE "C" NOT NULL UNIQUE, -- of its own, below those of all exports
    state        text NOT NULL,
    detail       text NOT NULL DEFAULT '',
    attempts     integer NOT NULL DEFAULT 0,
    failures     integer NOT NULL DEFAULT 0,
    rows         bigint NOT NULL DEFAULT 0, -- on disk for good
    bytes        bigint NOT NULL DEFAULT 0,
    sha256       text, -- of the whole file, once there is one
    about        json, -- what was to be believed of the rows when the reading began
    metadata     json, -- what is said of the file
    started_at   timestamptz,
    done_at      timestamptz,
    expires_at   timestamptz
);
CREATE INDEX exports_open ON exports (export_id) WHERE state IN ('queued', 'running');

-- The finished parts of an export that goes on: whoever takes it up begins after the last one.
CREATE TABLE export_parts (
    export_id bigint NOT NULL REFERENCES exports ON DELETE CASCADE,
    number    integer NOT NULL,
    rows      bigint NOT NULL,
    bytes     bigint NOT NULL,
    sha256    text NOT NULL,
    last      json, -- the place of its last row
    final     boolean NOT NULL,
    read_at   timestamptz NOT NULL,
    PRIMARY KEY (export_id, number)
);
