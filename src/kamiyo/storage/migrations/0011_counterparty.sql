-- Who took the other side of a liquidated fill, where a row said it. Null in what was stored before this.
-- No default, so that no stored row is written again.
ALTER TABLE liquidation_fills ADD COLUMN counterparty text COLLATE "C";

-- The makers a job chose to be followed for what they took of one measured day's liquidations into the book:
-- the hours of that day that were measured, what the maker took in them, and what all makers took.
CREATE TABLE chosen_users (
    chain      text COLLATE "C" NOT NULL,
    "user"     text COLLATE "C" NOT NULL,
    position   integer NOT NULL,
    day        date NOT NULL,
    hours      integer NOT NULL,
    amount_usd numeric NOT NULL,
    total_usd  numeric NOT NULL,
    fills      bigint NOT NULL,
    assets     integer NOT NULL,
    chosen_at  timestamptz NOT NULL,
    PRIMARY KEY (chain, "user")
);

-- Whose fills a source follows right now, and why: its own word, the newest one.
CREATE TABLE user_slots (
    source     text COLLATE "C" NOT NULL,
    chain      text COLLATE "C" NOT NULL,
    "user"     text COLLATE "C" NOT NULL,
    position   integer NOT NULL,
    reason     text NOT NULL,
    held_since timestamptz NOT NULL,
    PRIMARY KEY (source, "user")
);
