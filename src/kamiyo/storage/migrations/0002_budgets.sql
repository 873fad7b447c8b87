-- What was asked of the venue in the last minute, shared by all who ask from one address.
CREATE TABLE weight_spendings (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    address      text NOT NULL,
    task         text NOT NULL,
    weight       integer NOT NULL CHECK (weight >= 0),
    spent_at     timestamptz NOT NULL,
    -- While the answer is awaited, a minute after the request must have ended; then, a minute after it has.
    counts_until timestamptz NOT NULL
);
CREATE INDEX weight_spendings_counting ON weight_spendings (address, counts_until);

-- Until when nobody at an address asks anything, as the venue said that it was too much.
CREATE TABLE weight_pauses (
    address text PRIMARY KEY,
    set_at  timestamptz NOT NULL,
    until   timestamptz NOT NULL
);

-- Take weight if it fits; else how long it will not. The time is this server's alone, whoever asks.
-- A function, because what is counted must be looked at after the lock, and that in one round trip.
CREATE FUNCTION spend_weight(
    for_address text, for_task text, wanted integer, allowed integer, unsettled interval,
    OUT taken bigint, OUT wait interval
) LANGUAGE plpgsql AS $$
DECLARE
    moment  timestamptz;
    counted bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('weight/' || for_address, 0));
    moment := clock_timestamp();
    -- Where this server's clock went back, nothing may count for as long as it went.
    UPDATE weight_spendings SET counts_until = moment + unsettled
    WHERE address = for_address AND counts_until > moment + unsettled;
    UPDATE weight_pauses SET until = moment + (until - set_at), set_at = moment
    WHERE address = for_address AND set_at > moment;
    DELETE FROM weight_spendings WHERE address = for_address AND counts_until < moment;
    SELECT until - moment INTO wait FROM weight_pauses WHERE address = for_address AND until > moment;
    IF wait IS NOT NULL THEN
        RETURN;
    END IF;
    SELECT coalesce(sum(weight), 0) INTO counted FROM weight_spendings WHERE address = for_address;
    IF counted + wanted <= allowed THEN
        INSERT INTO weight_spendings (address, task, weight, spent_at, counts_until)
        VALUES (for_address, for_task, wanted, moment, moment + unsettled) RETURNING id INTO taken;
        RETURN;
    END IF;
    -- None, if an answer gave enough back meanwhile.
    SELECT coalesce(min(counts_until) - moment, interval '0') INTO wait FROM (
        SELECT counts_until, sum(weight) OVER (ORDER BY counts_until, id) AS freed
        FROM weight_spendings WHERE address = for_address
    ) AS leaving WHERE freed >= counted + wanted - allowed;
END
$$;
