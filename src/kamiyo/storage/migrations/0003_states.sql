-- What stood at a moment: markets, vaults, accounts. The newest word counts; none is ever summed.
-- Nullable columns are what no source said: unknown is never zero.

-- The newest state of each market that was ever heard.
CREATE TABLE market_states (
    chain          text COLLATE "C" NOT NULL,
    protocol       text COLLATE "C" NOT NULL,
    asset          text COLLATE "C" NOT NULL,
    timestamp      timestamptz NOT NULL,
    source         text COLLATE "C" NOT NULL,
    mark_price     numeric NOT NULL,
    oracle_price   numeric NOT NULL,
    mid_price      numeric,
    open_interest  numeric,
    funding_rate   numeric,
    premium        numeric,
    day_volume_usd numeric,
    PRIMARY KEY (asset, chain)
);
-- Each row is written again every few seconds: room in its page keeps the new version beside the old one.
ALTER TABLE market_states SET (fillfactor = 50);

-- The last state of a market that was heard within a minute.
CREATE TABLE market_minutes (
    chain          text COLLATE "C" NOT NULL,
    protocol       text COLLATE "C" NOT NULL,
    asset          text COLLATE "C" NOT NULL,
    minute         timestamptz NOT NULL,
    timestamp      timestamptz NOT NULL,
    source         text COLLATE "C" NOT NULL,
    mark_price     numeric NOT NULL,
    oracle_price   numeric NOT NULL,
    mid_price      numeric,
    open_interest  numeric,
    funding_rate   numeric,
    premium        numeric,
    day_volume_usd numeric,
    PRIMARY KEY (asset, minute, chain)
) PARTITION BY RANGE (minute);

-- The newest state of each vault that was ever heard.
CREATE TABLE vault_states (
    chain         text COLLATE "C" NOT NULL,
    vault         text COLLATE "C" NOT NULL,
    timestamp     timestamptz NOT NULL,
    source        text COLLATE "C" NOT NULL,
    name          text NOT NULL,
    parent        text COLLATE "C",
    children      text[] NOT NULL,
    account_value numeric,
    total_pnl     numeric,
    PRIMARY KEY (vault, chain)
);

-- The last state of a vault that was heard within a minute.
CREATE TABLE vault_minutes (
    chain         text COLLATE "C" NOT NULL,
    vault         text COLLATE "C" NOT NULL,
    minute        timestamptz NOT NULL,
    timestamp     timestamptz NOT NULL,
    source        text COLLATE "C" NOT NULL,
    account_value numeric,
    total_pnl     numeric,
    PRIMARY KEY (vault, minute, chain)
) PARTITION BY RANGE (minute);

-- The newest look at each account on each dex; it stays when the account has closed everything, so that an
-- older look which comes later opens nothing again. The digest tells two looks of one moment apart.
CREATE TABLE account_states (
    chain              text COLLATE "C" NOT NULL,
    protocol           text COLLATE "C" NOT NULL,
    "user"             text COLLATE "C" NOT NULL,
    timestamp          timestamptz NOT NULL,
    source             text COLLATE "C" NOT NULL,
    digest             text COLLATE "C" NOT NULL,
    account_value      numeric,
    maintenance_margin numeric,
    PRIMARY KEY ("user", protocol, chain)
);

-- The open positions of the newest look at each account. The distance is the move against the position, as
-- a fraction of the mark of that look, that would liquidate it; below zero it should be liquidated already.
CREATE TABLE account_positions (
    chain             text COLLATE "C" NOT NULL,
    protocol          text COLLATE "C" NOT NULL,
    "user"            text COLLATE "C" NOT NULL,
    asset             text COLLATE "C" NOT NULL,
    timestamp         timestamptz NOT NULL,
    source            text COLLATE "C" NOT NULL,
    side              text COLLATE "C" NOT NULL,
    size              numeric NOT NULL,
    entry_price       numeric,
    mark_price        numeric NOT NULL,
    amount_usd        numeric NOT NULL,
    liquidation_price numeric,
    leverage          numeric,
    margin_mode       text NOT NULL,
    distance          numeric,
    PRIMARY KEY ("user", protocol, chain, asset)
);
CREATE INDEX account_positions_nearest ON account_positions
    ((coalesce(distance, 'Infinity'::numeric)), "user", asset, chain);
CREATE INDEX account_positions_by_asset ON account_positions
    (asset, (coalesce(distance, 'Infinity'::numeric)), "user", chain);
