-- What each source spent of what its operator allows it for a day in UTC, in US dollars.
CREATE TABLE daily_spending (
    day        date NOT NULL,
    source     text COLLATE "C" NOT NULL,
    -- With what is set aside: that is spent until somebody says that it was not.
    spent_usd  numeric NOT NULL CHECK (spent_usd >= 0),
    -- As it was when something was last set aside.
    limit_usd  numeric NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (day, source)
);
