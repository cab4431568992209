-- News on their way: from the outbox to the deliveries of each subscription, nothing missed and each once.

-- xid: the transaction that wrote the row. Numbers (id) are given out before a transaction commits, so who reads on from
-- the highest id that he saw misses the row of a slow transaction. Below pg_snapshot_xmin every transaction has ended:
-- what is read on from there in the order (xid, id) is complete. Rows from before this migration have none and count as
-- taken. The new index takes the place of the primary key, so that writing news (every swap, every task) costs what it
-- cost: +0.2 us a row of 6; beside the primary key it was +0.6.
ALTER TABLE outbox ADD xid xid8;
ALTER TABLE outbox ALTER xid SET DEFAULT pg_current_xact_id();
CREATE INDEX outbox_in_order ON outbox (xid, id);
ALTER TABLE outbox DROP CONSTRAINT outbox_pkey;

-- (xid, id): the last row that was taken. highest: the highest id that was ever taken, see fan_out_news.
CREATE TABLE news_cursor (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    xid     xid8 NOT NULL,
    id      bigint NOT NULL,
    highest bigint NOT NULL
) WITH (fillfactor = 50);
INSERT INTO news_cursor (xid, id, highest) SELECT '0', 0, coalesce(max(id), 0) FROM outbox;

-- Who is told of what. contract NULL: of all contracts. topics: patterns like 'exchange.*'. secret: sealed; signs
-- webhooks. address: an e-mail address or an https URL. disabled_why: 'person', or 'gone' when the receiver answered 410.
-- failing_since: since when nothing went through.
CREATE TABLE subscription (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    contract      text REFERENCES contract,
    channel       text NOT NULL CHECK (channel IN ('mail', 'webhook')),
    address       text NOT NULL CHECK (length(address) BETWEEN 3 AND 500),
    language      text NOT NULL DEFAULT 'ja' CHECK (language IN ('ja', 'en')),
    topics        text[] NOT NULL CHECK (cardinality(topics) BETWEEN 1 AND 50),
    secret        bytea,
    account       text NOT NULL REFERENCES account,
    created_at    timestamptz NOT NULL,
    disabled_at   timestamptz,
    disabled_why  text NOT NULL DEFAULT '' CHECK (disabled_why IN ('', 'person', 'gone')),
    failing_since timestamptz,
    CONSTRAINT webhooks_are_signed CHECK ((channel = 'webhook') = (secret IS NOT NULL)),
    CONSTRAINT disabled_for_a_reason CHECK ((disabled_at IS NULL) = (disabled_why = ''))
);
CREATE INDEX ON subscription (contract, id);

-- One piece of news for one subscriber. outbox rows are forgotten after a while: what was sent is kept here. key: what
-- receivers know it by (webhook-id, Message-ID). It is made of what is told and to whom, so that the same piece of news has
-- the same key even when it is taken again after a restore, and another piece under the same number has not.
CREATE TABLE delivery (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscription bigint NOT NULL REFERENCES subscription,
    news         bigint NOT NULL,
    at           timestamptz NOT NULL,
    topic        text NOT NULL,
    subject      text NOT NULL,
    contract     text,
    payload      jsonb NOT NULL,
    state        text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sending', 'delivered', 'failed', 'cancelled')),
    attempts     integer NOT NULL DEFAULT 0,
    due_at       timestamptz NOT NULL,
    fence        integer NOT NULL DEFAULT 0,
    lease_until  timestamptz,
    ended_at     timestamptz,
    key          uuid NOT NULL,
    CONSTRAINT one_delivery_of_a_piece_of_news UNIQUE (subscription, news),
    CONSTRAINT sending_has_a_lease CHECK ((state = 'sending') = (lease_until IS NOT NULL))
);
CREATE INDEX delivery_waiting ON delivery (subscription, due_at, id) WHERE state = 'waiting';
CREATE INDEX delivery_lease ON delivery (lease_until) WHERE state = 'sending';
CREATE INDEX delivery_failed ON delivery (id) WHERE state = 'failed';
CREATE INDEX ON delivery (subscription, id DESC);
CREATE INDEX ON delivery (ended_at) WHERE ended_at IS NOT NULL;
CREATE TABLE delivery_attempt (
    delivery   bigint NOT NULL REFERENCES delivery ON DELETE CASCADE,
    at         timestamptz NOT NULL,
    outcome    text NOT NULL,
    status     integer,
    duration_s real NOT NULL
);
CREATE INDEX ON delivery_attempt (delivery, at);

-- A number in a piece of news, NULL when there is none. What is no number must not hold up all that comes after it.
CREATE FUNCTION news_number(p_payload jsonb, p_name text) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_payload ->> p_name ~ '^[0-9]{1,18}$' THEN (p_payload ->> p_name)::bigint END
$$;

-- Whose piece of news it is; NULL: of nobody, or of several contracts, so that only those are told who see all. By what
-- was written down at the time, never by what sits where now: an adapter may have gone to another contract since.
CREATE FUNCTION news_contract(p_topic text, p_subject text, p_payload jsonb) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        (SELECT contract FROM exchange WHERE id = news_number(p_payload, 'exchange')),
        (SELECT contract FROM task WHERE id = news_number(p_payload, 'task')),
        (SELECT contract FROM operation WHERE id = news_number(p_payload, 'operation')),
        (SELECT contract FROM investigation WHERE id = news_number(p_payload, 'investigation')),
        (SELECT min(contract) FROM task WHERE campaign = news_number(p_payload, 'campaign')
         HAVING min(contract) = max(contract)),
        (SELECT contract FROM code WHERE code = p_payload ->> 'code'),
        (SELECT contract FROM contract WHERE contract = p_payload ->> 'contract'),
        CASE WHEN p_topic LIKE 'exchange.%' THEN (SELECT contract FROM code WHERE code = p_subject) END)
$$;

-- What is told of an exchange beside what the news says itself, as it is now. Where it is sent to, and who drives, is
-- for the parties to the case and stays here. A deadline is that of a state: with another one it would be wrong.
CREATE FUNCTION news_of_exchange(p_exchange bigint, p_state text) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_strip_nulls(jsonb_build_object(
        'kind', kind, 'code', coalesce(entry, standby), 'standby', CASE WHEN kind = 'swap' THEN standby END,
        'state', state, 'old_adapter', old_adapter, 'new_adapter', new_adapter, 'fault', nullif(fault, ''),
        'why', why, 'arrives_on', arrives_on, 'return_due_at', return_due_at,
        'of_exchange', of_exchange,
        'deadline_at', CASE WHEN coalesce(p_state, state) = state THEN deadline_at END))
    FROM exchange WHERE id = p_exchange
$$;

-- Takes the next p_most pieces of news and writes a delivery of each for everybody who wants it. The number taken.
-- p_mailable: topics that a pattern with * means for subscriptions by mail.
CREATE FUNCTION fan_out_news(p_now timestamptz, p_most integer, p_mailable text[]) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    v       news_cursor;
    v_below xid8;
    v_taken integer;
BEGIN
    SELECT * INTO v FROM news_cursor FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0; -- another controller is at it
    END IF;
    -- Of each statement's own snapshot: what is below this one's has ended before the next statement looks.
    v_below := pg_snapshot_xmin(pg_current_snapshot());
    IF v.xid >= v_below THEN
        -- The cursor is ahead of its own server: the database was restored into another one, which counts from the
        -- beginning. Rows with a higher number than was ever taken are new.
        UPDATE outbox SET xid = CASE WHEN xid >= v.xid OR id > v.highest THEN pg_current_xact_id() END
        WHERE xid IS NOT NULL;
        UPDATE news_cursor SET xid = '0', id = 0;
        RETURN 0;
    END IF;
    WITH taken AS MATERIALIZED (
        SELECT o.* FROM outbox o WHERE (o.xid, o.id) > (v.xid, v.id) AND o.xid < v_below
        ORDER BY o.xid, o.id LIMIT p_most
    ), wanted AS MATERIALIZED (
        SELECT t.topic, s.id AS subscription, s.contract, s.created_at
        FROM (SELECT DISTINCT topic FROM taken WHERE topic <> 'subscription.test') t
        JOIN subscription s ON s.disabled_at IS NULL AND EXISTS (
            SELECT FROM unnest(s.topics) AS p (pattern)
            WHERE pattern = t.topic
               OR (pattern LIKE '%*' AND starts_with(t.topic, left(pattern, -1))
                   AND (s.channel <> 'mail' OR t.topic = ANY (p_mailable))))
        JOIN account a ON a.account = s.account AND a.disabled_at IS NULL
    ), placed AS MATERIALIZED (
        SELECT t.id, t.at, t.topic, t.subject, news_contract(t.topic, t.subject, t.payload) AS contract,
               CASE WHEN t.topic LIKE 'exchange.%'
                    THEN coalesce(news_of_exchange(news_number(t.payload, 'exchange'), t.payload ->> 'state'), '{}')
                    ELSE '{}' END
               || t.payload AS payload,
               t.payload AS said
        FROM taken t WHERE t.topic IN (SELECT topic FROM wanted)
    ), told AS (
        INSERT INTO delivery (subscription, news, at, topic, subject, contract, payload, due_at, key)
        SELECT w.subscription, p.id, p.at, p.topic, p.subject, p.contract, p.payload, p_now,
               encode(substr(sha256(convert_to(jsonb_build_array(w.subscription, w.created_at, p.id, p.at, p.topic,
                                                                 p.subject, p.said)::text, 'UTF8')), 1, 16), 'hex')::uuid
        FROM placed p JOIN wanted w USING (topic)
        WHERE w.contract IS NULL OR w.contract = p.contract
        ON CONFLICT (subscription, news) DO NOTHING
    ), moved AS (
        UPDATE news_cursor c SET xid = l.xid, id = l.id, highest = greatest(c.highest, l.highest)
        FROM (SELECT xid, id, max(id) OVER () AS highest FROM taken ORDER BY xid DESC, id DESC LIMIT 1) l
    )
    SELECT count(*) INTO v_taken FROM taken;
    RETURN v_taken;
END $$;
