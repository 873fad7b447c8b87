-- The journal: facts, what they fold to, and what subscribers are told.
-- Text keys compare by bytes (COLLATE "C"), so that order is the same on every server.
-- Facts are partitioned chain -> protocol -> month; months are made by kamiyo.storage.partitions.
-- Their keys begin with time: what is new goes to the end of the index, and lists are read in its order.

CREATE TABLE sources (
    name             text COLLATE "C" PRIMARY KEY,
    type             text NOT NULL,
    url              text NOT NULL,
    priority         integer NOT NULL,
    active           boolean NOT NULL DEFAULT true,
    label            text NOT NULL,
    subject          text NOT NULL,
    silence_limit    interval NOT NULL,
    lag_limit        interval NOT NULL,
    state            text NOT NULL,
    detail           text NOT NULL DEFAULT '',
    heard_at         timestamptz,
    last_fetch       timestamptz,
    first_event_at   timestamptz,
    last_event_at    timestamptz,
    state_changed_at timestamptz NOT NULL DEFAULT now(),
    cursor           text,
    newest_block     bigint
);

CREATE TABLE liquidation_fills (
    chain                text COLLATE "C" NOT NULL,
    protocol             text COLLATE "C" NOT NULL,
    timestamp            timestamptz NOT NULL,
    liquidation_id       text COLLATE "C" NOT NULL,
    asset                text COLLATE "C" NOT NULL,
    tid                  bigint NOT NULL,
    "user"               text COLLATE "C" NOT NULL,
    side                 text NOT NULL,
    method               text NOT NULL,
    price                numeric NOT NULL,
    size                 numeric NOT NULL,
    mark_price           numeric NOT NULL,
    source               text COLLATE "C" NOT NULL,
    hash                 text COLLATE "C",
    role                 text NOT NULL,
    liquidated_user      text COLLATE "C" NOT NULL,
    direction_text       text NOT NULL,
    margin_mode          text,
    closed_pnl           numeric,
    fee                  numeric,
    position_size_before numeric,
    observations         text[] NOT NULL,
    recorded_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (timestamp, liquidation_id, asset, tid, chain, protocol)
) PARTITION BY LIST (chain);

CREATE TABLE liquidations (
    chain             text COLLATE "C" NOT NULL,
    protocol          text COLLATE "C" NOT NULL,
    timestamp         timestamptz NOT NULL,
    liquidation_id    text COLLATE "C" NOT NULL,
    "user"            text COLLATE "C" NOT NULL,
    asset             text COLLATE "C" NOT NULL,
    side              text NOT NULL,
    method            text NOT NULL,
    size              numeric NOT NULL,
    liquidation_price numeric NOT NULL,
    mark_price        numeric NOT NULL,
    amount_usd        numeric NOT NULL,
    leverage          numeric,
    margin_mode       text,
    fill_count        integer NOT NULL,
    source            text COLLATE "C" NOT NULL,
    observed_by       text[] NOT NULL,
    version           integer NOT NULL,
    metadata          json NOT NULL,
    recorded_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (timestamp, liquidation_id, chain, protocol)
) PARTITION BY LIST (chain);

CREATE INDEX liquidations_by_asset ON liquidations (asset, timestamp, liquidation_id);
CREATE INDEX liquidations_by_user ON liquidations ("user", timestamp, liquidation_id);
CREATE INDEX liquidations_large ON liquidations (timestamp, liquidation_id) WHERE amount_usd >= 10000;

CREATE TABLE liquidation_fills_hyperliquid PARTITION OF liquidation_fills
    FOR VALUES IN ('hyperliquid') PARTITION BY LIST (protocol);
CREATE TABLE liquidation_fills_first_dex PARTITION OF liquidation_fills_hyperliquid
    FOR VALUES IN ('hyperliquid') PARTITION BY RANGE (timestamp);
CREATE TABLE liquidation_fills_builder_dexes PARTITION OF liquidation_fills_hyperliquid
    DEFAULT PARTITION BY RANGE (timestamp);
CREATE TABLE liquidation_fills_other_chains PARTITION OF liquidation_fills
    DEFAULT PARTITION BY RANGE (timestamp);

CREATE TABLE liquidations_hyperliquid PARTITION OF liquidations
    FOR VALUES IN ('hyperliquid') PARTITION BY LIST (protocol);
CREATE TABLE liquidations_first_dex PARTITION OF liquidations_hyperliquid
    FOR VALUES IN ('hyperliquid') PARTITION BY RANGE (timestamp);
CREATE TABLE liquidations_builder_dexes PARTITION OF liquidations_hyperliquid
    DEFAULT PARTITION BY RANGE (timestamp);
CREATE TABLE liquidations_other_chains PARTITION OF liquidations
    DEFAULT PARTITION BY RANGE (timestamp);

-- What has no asset and no fill is never folded into liquidations and never summed with them.
CREATE TABLE account_liquidations (
    chain         text COLLATE "C" NOT NULL,
    timestamp     timestamptz NOT NULL,
    "user"        text COLLATE "C" NOT NULL,
    hash          text COLLATE "C" NOT NULL DEFAULT '',
    digest        text COLLATE "C" NOT NULL,
    amount_usd    numeric NOT NULL,
    account_value numeric NOT NULL,
    margin_mode   text NOT NULL,
    positions     jsonb NOT NULL,
    source        text COLLATE "C" NOT NULL,
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chain, timestamp, "user", hash, digest)
) PARTITION BY RANGE (timestamp);

CREATE TABLE ledger_movements (
    chain       text COLLATE "C" NOT NULL,
    timestamp   timestamptz NOT NULL,
    hash        text COLLATE "C" NOT NULL DEFAULT '',
    type        text COLLATE "C" NOT NULL,
    digest      text COLLATE "C" NOT NULL,
    users       text[] NOT NULL,
    delta       json NOT NULL,
    source      text COLLATE "C" NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chain, timestamp, hash, type, digest)
) PARTITION BY RANGE (timestamp);

CREATE TABLE exploits (
    tx_hash             text COLLATE "C" PRIMARY KEY,
    name                text NOT NULL,
    kind                text NOT NULL,
    chain               text COLLATE "C" NOT NULL,
    protocol            text NOT NULL,
    amount_usd          numeric,
    amount_usd_low      numeric,
    amount_usd_high     numeric,
    amount_note         text NOT NULL,
    timestamp           timestamptz NOT NULL,
    ended_at            timestamptz,
    timestamp_precision text NOT NULL,
    source              text COLLATE "C" NOT NULL,
    source_url          text NOT NULL,
    category            text COLLATE "C" NOT NULL,
    description         text NOT NULL,
    recovery_status     text NOT NULL,
    status              text NOT NULL,
    confidence          text NOT NULL,
    assets              text[] NOT NULL,
    addresses           text[] NOT NULL,
    aliases             text[] NOT NULL,
    timeline            jsonb NOT NULL,
    conflicts           text[] NOT NULL,
    reports             jsonb NOT NULL,
    provenance          jsonb NOT NULL,
    version             integer NOT NULL,
    first_seen_at       timestamptz NOT NULL,
    updated_at          timestamptz NOT NULL
);
CREATE INDEX exploits_by_time ON exploits (timestamp DESC, tx_hash);
CREATE INDEX exploits_by_alias ON exploits USING gin (aliases);

-- Large, alarming, honest events: shown to detectors as what is not an attack, never listed as exploits.
CREATE TABLE honest_cases (
    case_id             text COLLATE "C" PRIMARY KEY,
    name                text NOT NULL,
    chain               text COLLATE "C" NOT NULL,
    protocol            text NOT NULL,
    timestamp           timestamptz NOT NULL,
    ended_at            timestamptz,
    timestamp_precision text NOT NULL,
    category            text COLLATE "C" NOT NULL,
    description         text NOT NULL,
    assets              text[] NOT NULL,
    confidence          text NOT NULL,
    reports             jsonb NOT NULL,
    recorded_at         timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE rejects (
    source        text COLLATE "C" NOT NULL,
    stream        text COLLATE "C" NOT NULL,
    rule          text COLLATE "C" NOT NULL,
    digest        text COLLATE "C" NOT NULL,
    detail        text NOT NULL,
    payload       bytea NOT NULL,
    payload_bytes bigint NOT NULL,
    received_at   timestamptz NOT NULL,
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, stream, rule, digest)
);
CREATE INDEX rejects_by_time ON rejects (recorded_at);

CREATE TABLE gaps (
    source      text COLLATE "C" NOT NULL,
    scale       text COLLATE "C" NOT NULL,
    scope       text COLLATE "C" NOT NULL,
    first       bigint NOT NULL,
    after_last  bigint NOT NULL,
    reason      text NOT NULL,
    started_at  timestamptz,
    ended_at    timestamptz,
    detected_at timestamptz NOT NULL,
    closed_at   timestamptz,
    PRIMARY KEY (source, scale, scope, first, after_last)
);

-- Which bytes of which file have been counted, and what they held: counting twice is impossible.
CREATE TABLE spans (
    source            text COLLATE "C" NOT NULL,
    scope             text COLLATE "C" NOT NULL,
    ranges            int8multirange NOT NULL,
    payloads          bigint NOT NULL,
    fills             bigint NOT NULL,
    ordinary_fills    bigint NOT NULL,
    liquidated_fills  bigint NOT NULL,
    underwater_fills  bigint NOT NULL,
    refused_fills     bigint NOT NULL,
    duplicate_fills   bigint NOT NULL,
    ledger_events     bigint NOT NULL,
    other_events      bigint NOT NULL,
    trades            bigint NOT NULL,
    duplicate_trades  bigint NOT NULL,
    refused_trades    bigint NOT NULL,
    market_states     bigint NOT NULL,
    vault_states      bigint NOT NULL,
    account_states    bigint NOT NULL,
    reports           bigint NOT NULL,
    unrelated_posts   bigint NOT NULL,
    claims            bigint NOT NULL,
    claimed_totals    bigint NOT NULL,
    claimed_positions bigint NOT NULL,
    small_claims      bigint NOT NULL,
    unlisted_posts    bigint NOT NULL,
    prices            bigint NOT NULL,
    rejects           bigint NOT NULL,
    updated_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, scope)
);

-- What subscribers are told, in the transaction that stores it. One row packs one batch's messages
-- of one channel. The transaction id is kept because ids become visible out of order: readers go by
-- (xid, id) below the oldest running transaction.
CREATE SEQUENCE outbox_id;
CREATE TABLE outbox (
    day           date NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')::date,
    id            bigint NOT NULL DEFAULT nextval('outbox_id'),
    xid           xid8 NOT NULL DEFAULT pg_current_xact_id(),
    channel       text COLLATE "C" NOT NULL,
    message_count integer NOT NULL,
    messages      bytea NOT NULL,
    PRIMARY KEY (day, id)
) PARTITION BY RANGE (day);
CREATE INDEX outbox_in_order ON outbox (xid, id);
-- Written once, read a few times, dropped after a week: not worth the time compressing takes.
ALTER TABLE outbox ALTER messages SET STORAGE EXTERNAL;

-- The public numbering: positions without gaps, given by the one relay that holds the lease.
CREATE TABLE stream_positions (
    epoch         text COLLATE "C" NOT NULL,
    first_position bigint NOT NULL,
    message_count integer NOT NULL,
    day           date NOT NULL,
    outbox_id     bigint NOT NULL,
    relayed_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (epoch, first_position)
);
CREATE INDEX stream_positions_by_day ON stream_positions (day);

CREATE TABLE relay (
    only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch         text NOT NULL,
    server        text NOT NULL,
    next_position bigint NOT NULL,
    last_xid      xid8 NOT NULL,
    last_id       bigint NOT NULL
);
