-- What others say was liquidated or is open: claims, which nobody here can check. Never summed with liquidations.
-- Nullable columns are what was not said: unknown is never zero.

-- Single orders, without user and without hash. The id is made of all they say.
CREATE TABLE claims (
    claim_id    text COLLATE "C" NOT NULL,
    source      text COLLATE "C" NOT NULL,
    exchange    text COLLATE "C" NOT NULL,
    pair        text COLLATE "C" NOT NULL,
    asset       text COLLATE "C" NOT NULL,
    side        text,
    price       numeric,
    amount_usd  numeric,
    timestamp   timestamptz NOT NULL,
    ordinal     integer NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (timestamp, claim_id)
);
CREATE INDEX claims_by_asset ON claims (asset, timestamp, claim_id);
CREATE INDEX claims_by_exchange ON claims (exchange, timestamp, claim_id);

-- Sums by window: of all exchanges where exchange is null, of all assets where asset is null. The newest word
-- on a window counts; of rolling windows one is kept for each hour in which they were told of.
CREATE TABLE claimed_totals (
    total_id       text COLLATE "C" PRIMARY KEY,
    source         text COLLATE "C" NOT NULL,
    exchange       text COLLATE "C",
    asset          text COLLATE "C",
    start          timestamptz NOT NULL,
    window_seconds integer NOT NULL,
    rolling        boolean NOT NULL,
    observed_at    timestamptz NOT NULL,
    long_usd       numeric,
    short_usd      numeric,
    total_usd      numeric
);
CREATE INDEX claimed_totals_by_time ON claimed_totals (start, total_id);
CREATE INDEX claimed_totals_by_asset ON claimed_totals (asset, start, total_id);

-- Large positions on the venue: each opening and closing once, and the newest word on each that was observed.
CREATE TABLE claimed_positions (
    position_id        text COLLATE "C" PRIMARY KEY,
    source             text COLLATE "C" NOT NULL,
    "user"             text COLLATE "C" NOT NULL,
    asset              text COLLATE "C" NOT NULL,
    action             text COLLATE "C" NOT NULL,
    side               text,
    timestamp          timestamptz NOT NULL,
    size               numeric,
    entry_price        numeric,
    mark_price         numeric,
    liquidation_price  numeric,
    value_usd          numeric,
    leverage           numeric,
    margin_mode        text,
    margin_usd         numeric,
    unrealized_pnl_usd numeric,
    funding_usd        numeric,
    opened_at          timestamptz
);
CREATE INDEX claimed_positions_by_time ON claimed_positions (timestamp, position_id);
CREATE INDEX claimed_positions_by_user ON claimed_positions ("user", timestamp, position_id);
