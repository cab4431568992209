-- Heartbeats as a time series, one partition a day (UTC): a day is forgotten by dropping its table.

-- code: that held the adapter then. cpu, memory, disk: percent used, NULL where the adapter did not say.
-- datagram: everything it said, as received (protocol/arms/heartbeat.py reads it): smaller than columns or jsonb, and
-- numbers of 64 unsigned bits fit.
-- No foreign keys: each batch is joined with registration before it is stored, and they would cost as much as the row.
CREATE TABLE heartbeat (
    at         timestamptz NOT NULL,
    adapter    text NOT NULL,
    code       text NOT NULL,
    cpu        smallint,
    memory     smallint,
    disk       smallint,
    datagram   bytea NOT NULL
) PARTITION BY RANGE (at);
CREATE INDEX heartbeat_of_an_adapter ON heartbeat (adapter, at DESC);

-- Makes the partitions of the days from p_first to p_last that are missing. Any number of controllers may call it.
CREATE FUNCTION make_heartbeat_days(p_first date, p_last date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_day date;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('heartbeat days'));
    FOR v_day IN SELECT d::date FROM generate_series(p_first, p_last, interval '1 day') d
                 WHERE to_regclass('heartbeat_' || to_char(d, 'YYYYMMDD')) IS NULL LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF heartbeat FOR VALUES FROM (%L) TO (%L)',
                       'heartbeat_' || to_char(v_day, 'YYYYMMDD'),
                       v_day::timestamp AT TIME ZONE 'UTC', (v_day + 1)::timestamp AT TIME ZONE 'UTC');
    END LOOP;
END $$;

-- Drops the partitions of days before p_day; returns how many went.
CREATE FUNCTION forget_heartbeat_days(p_day date) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_name text;
    v_gone integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('heartbeat days'));
    FOR v_name IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                  WHERE i.inhparent = 'heartbeat'::regclass
                    AND c.relname < 'heartbeat_' || to_char(p_day, 'YYYYMMDD') LOOP
        EXECUTE format('DROP TABLE %I', v_name);
        v_gone := v_gone + 1;
    END LOOP;
    RETURN v_gone;
END $$;

-- How far an adapter's boot came, without reading the thousands of stand-by answers of a spare.
CREATE INDEX pull_served ON pull (adapter, message, id DESC) WHERE result = 100;
