-- The one mechanism that changes registrations: swaps (R3.10-R3.14) and replacements of every other kind (R3.6-R3.8),
-- any number of them in one call, in sets: hundreds cost little more per change than one.

-- With statistics of a moment at which nothing was open, several indexes of open tasks look equally good; code <> '',
-- which queries repeat, says which one is meant.
DROP INDEX task_open_per_code;
CREATE INDEX task_open_per_code ON task (code) WHERE state IN ('waiting', 'running') AND code <> '';

-- As in 0008, but once a statement, for all the registrations that it has changed.
DROP TRIGGER keep_former_key ON registration;
DROP FUNCTION keep_former_key;
CREATE FUNCTION keep_former_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Not a key that has travelled with its adapter to another code: this runs when all rows are what they will be.
    INSERT INTO former_key (adapter, rs_sa_key)
    SELECT o.adapter, o.rs_sa_key FROM gone o
    WHERE NOT EXISTS (SELECT FROM registration r WHERE r.adapter = o.adapter AND r.rs_sa_key = o.rs_sa_key)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_former_keys_of_changed AFTER UPDATE ON registration REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION keep_former_keys();
CREATE TRIGGER keep_former_keys_of_ended AFTER DELETE ON registration REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION keep_former_keys();

-- One change that may be made, with what is needed to make it. at: when; never before the registrations it ends.
-- standby, standby_key, standby_passphrase: of a swap. key: of the code's new registration. return_case: id of the case
-- that follows a swap with a fault. rests: the last answer the adapter got was a success, so it asks nothing by itself.
CREATE TYPE registration_change AS (
    n bigint, kind text, code text, code_kind text, standby text, exchange bigint, of_case boolean, replaces bigint,
    at timestamptz, deadline_at timestamptz, contract text, account text, role text, source text, reason text,
    fault text, return_case bigint, reseller text,
    new_adapter text, new_model text, new_firmware text, new_rests boolean, new_stock text,
    old_adapter text, old_model text, old_firmware text, old_rests boolean, old_stock text,
    key bytea, passphrase bytea, standby_key bytea, standby_passphrase bytea,
    target_before text, firmware_target text, was_warm boolean, open_tasks bigint
);

-- Item n of every array is one change; no two may name one code. Returns a row for each that was made; one whose
-- conditions do not hold has none, and has touched nothing (services/registration_change.py and domain/swap.py say why).
--   p_kind: swap, send-back, on-site or return. p_code: the entry, or the code of the replaced unit. p_standby: of a
--   swap. p_exchange: of a swap its pre-flight exchange or NULL, else the case. p_replaces: the entry's open swap that a
--   swap ends. p_old, p_new: of a replacement, the unit that goes and the one that comes; of a pre-flight swap as well.
--   p_key: sealed RS-SA key, of a swap the standby's: the new adapter's comes with it to the entry
--   (docs/decisions/the-new-adapters-key-travels.md). p_contract: of the caller, NULL for all.
--   p_deadline: by when a swap's new adapter should be seen; what is ordered of adapters ends then.
-- Plans are made once a session and for few rows: they are right for many too, since every join is by a key.
CREATE FUNCTION change_registrations(
    p_kind text[], p_code text[], p_standby text[], p_exchange bigint[], p_replaces bigint[], p_old text[],
    p_new text[], p_key bytea[], p_passphrase bytea[], p_standby_passphrase bytea[], p_contract text[],
    p_account text[], p_role text[], p_source text[], p_reason text[], p_fault text[], p_now timestamptz[],
    p_deadline timestamptz[]
) RETURNS SETOF registration_change LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off AS $$
DECLARE
    v registration_change[];
    v_replaces boolean; v_orders boolean; v_returns boolean; v_replacements boolean; v_rests boolean; v_tasks boolean;
    v_codes boolean;
    -- A variable, so that the planner takes the index that begins with the code, and not the partial one of open
    -- exchanges: planned while none is open, that one is read from end to end.
    v_holding text[] := '{pre-flight,ordered,pulled,dispatched,driver-assigned}';
BEGIN
    -- In code order, whoever is entry: opposite swaps cannot deadlock.
    PERFORM FROM registration WHERE code = ANY (p_code || p_standby) ORDER BY code FOR UPDATE;

    SELECT array_agg(ROW(w.*)::registration_change ORDER BY w.n), bool_or(w.replaces IS NOT NULL),
           bool_or(w.of_case AND w.kind = 'swap'), bool_or(w.return_case IS NOT NULL), bool_or(w.kind <> 'swap'),
           bool_or(w.old_rests OR w.new_rests), bool_or(w.open_tasks > 0),
           bool_or(w.was_warm OR w.firmware_target IS DISTINCT FROM w.target_before)
    INTO v, v_replaces, v_orders, v_returns, v_replacements, v_rests, v_tasks, v_codes
    FROM (
        SELECT i.n, i.kind, i.code, e.kind AS code_kind, i.standby,
               coalesce(i.exchange, nextval('exchange_id_seq')) AS exchange, i.exchange IS NOT NULL AS of_case, i.replaces,
               -- The ledger of a code, and that of a unit from stock, never runs backwards, even if this clock does. And no
               -- two registrations begin at one moment: by its moment everybody knows whether it is still the same.
               greatest(i.now, er.since + interval '1 us', sr.since + interval '1 us', CASE WHEN i.kind <> 'swap' THEN
                   (SELECT max(l.at) FROM stock_ledger l WHERE l.adapter = i.new) END) AS at,
               i.deadline, e.contract, i.account, i.role, i.source, i.reason, i.fault,
               CASE WHEN i.kind = 'swap' AND i.fault <> '' THEN nextval('exchange_id_seq') END AS return_case,
               oa.reseller, na.serial AS new_adapter, na.model AS new_model, coalesce(nk.firmware, '') AS new_firmware,
               coalesce(nk.last_result = 100, false) AS new_rests, na.stock AS new_stock,
               oa.serial AS old_adapter, oa.model AS old_model, coalesce(ok.firmware, '') AS old_firmware,
               coalesce(ok.last_result = 100, false) AS old_rests, oa.stock AS old_stock,
               CASE i.kind WHEN 'swap' THEN sr.rs_sa_key ELSE i.key END AS key, i.passphrase, i.key AS standby_key,
               i.standby_passphrase, e.firmware_target AS target_before,
               CASE e.kind WHEN 'entry' THEN coalesce((
                   SELECT f.version FROM firmware_image f
                   WHERE f.series = na.series AND (f.models = '{}' OR na.model = ANY (f.models))
                     AND (f.hardware_revisions = '{}' OR na.hardware_revision = ANY (f.hardware_revisions))
                   ORDER BY f.version_key DESC LIMIT 1), e.firmware_target) ELSE e.firmware_target END AS firmware_target,
               coalesce(s.warm, e.warm) AS was_warm,
               (SELECT count(*) FROM task t WHERE t.code = i.code AND t.code <> ''
                  AND t.state IN ('waiting', 'running'))
               + (SELECT count(*) FROM task t WHERE t.code = i.standby AND t.code <> ''
                    AND t.state IN ('waiting', 'running')) AS open_tasks
        FROM unnest(p_kind, p_code, p_standby, p_exchange, p_replaces, p_old, p_new, p_key, p_passphrase,
                    p_standby_passphrase, p_contract, p_account, p_role, p_source, p_reason, p_fault, p_now, p_deadline)
             WITH ORDINALITY AS i (kind, code, standby, exchange, replaces, old, new, key, passphrase,
                                   standby_passphrase, contract, account, role, source, reason, fault, now, deadline, n)
        JOIN code e ON e.code = i.code
        JOIN registration er ON er.code = e.code
        JOIN adapter oa ON oa.serial = er.adapter
        -- By its key alone: to the planner contracts are small, and by contract it would read all standbys of a large one.
        LEFT JOIN code s ON s.code = i.standby AND s.kind || '' = 'standby' AND s.contract || '' = e.contract
        LEFT JOIN registration sr ON sr.code = s.code
        JOIN adapter na ON na.serial = CASE i.kind WHEN 'swap' THEN sr.adapter ELSE i.new END
        LEFT JOIN contact nk ON nk.adapter = na.serial
        LEFT JOIN contact ok ON ok.adapter = oa.serial
        WHERE na.series = oa.series AND na.locked_out_at IS NULL
          AND (i.contract IS NULL OR e.contract = i.contract)
          AND oa.serial = coalesce(i.old, oa.serial) AND na.serial = coalesce(i.new, na.serial)
          AND na.serial <> oa.serial AND (i.kind <> 'swap' OR e.kind = 'entry')
          AND (i.kind = 'swap' OR (
               na.stock IN ('in-stock', 'in-transit')
               AND NOT EXISTS (SELECT FROM registration r WHERE r.adapter = i.new AND r.code <> i.code)
               AND NOT EXISTS (SELECT FROM exchange o WHERE o.new_adapter = i.new AND o.kind <> 'swap'
                                 AND o.state IN ('dispatched', 'driver-assigned') AND o.id <> i.exchange)))
          AND (i.exchange IS NULL OR EXISTS (
               SELECT FROM exchange x WHERE x.id = i.exchange AND x.kind = i.kind AND x.changed_at IS NULL
                  AND x.old_adapter = oa.serial AND i.code = coalesce(x.entry, x.standby)
                  AND (i.kind <> 'swap' OR (x.state = 'pre-flight' AND x.standby = i.standby))))
          -- What another exchange holds is not waited for: two that each want what the other still holds would for ever.
          AND NOT EXISTS (SELECT FROM exchange o WHERE o.entry = i.code AND o.state = ANY (v_holding)
                            AND o.id NOT IN (coalesce(i.exchange, 0), coalesce(i.replaces, 0)))
          AND NOT EXISTS (SELECT FROM exchange o WHERE o.standby = coalesce(i.standby, i.code)
                            AND o.state = ANY (v_holding)
                            AND o.id NOT IN (coalesce(i.exchange, 0), coalesce(i.replaces, 0)))
          AND (i.replaces IS NULL OR EXISTS (
               SELECT FROM exchange o WHERE o.id = i.replaces AND o.entry = i.code AND o.kind = 'swap'
                  AND o.state IN ('ordered', 'pulled') FOR UPDATE))
          -- What was sent back is at the desk, though its standby code holds it until the replacement does (R3.13).
          AND (i.kind <> 'swap' OR NOT EXISTS (
               SELECT FROM exchange o WHERE o.old_adapter = na.serial AND o.kind = 'return'
                  AND o.state IN ('received', 'dispatched')))
          AND (i.kind <> 'swap' OR i.fault = '' OR NOT EXISTS (
               SELECT FROM exchange o WHERE o.old_adapter = oa.serial AND o.kind <> 'swap' AND o.id <> coalesce(i.exchange, 0)
                  AND o.state NOT IN ('declined', 'withdrawn', 'closed')))
        OFFSET 0) w;
    IF v IS NULL THEN
        RETURN;
    END IF;

    IF v_replaces THEN
        PERFORM swaps_are_replaced(v);
    END IF;
    IF v_orders THEN
        PERFORM swaps_are_ordered(v);
    END IF;
    WITH opened AS (
        INSERT INTO exchange (id, kind, contract, entry, standby, new_adapter, old_adapter, firmware_target, state,
                              state_since, ordered_at, changed_at, deadline_at, account, reason, fault,
                              old_firmware)
        OVERRIDING SYSTEM VALUE
        SELECT c.exchange, 'swap', c.contract, c.code, c.standby, c.new_adapter, c.old_adapter, c.firmware_target,
               'ordered', c.at, c.at, c.at, c.deadline_at, c.account, c.reason, c.fault,
               c.old_firmware
        FROM unnest(v) c WHERE NOT c.of_case
    ), registered AS (
        UPDATE registration r SET adapter = c.adapter, rs_sa_key = c.key, heartbeat_passphrase = c.passphrase,
            sa_certificate = NULL, sa_private_key = NULL, since = c.at
        FROM (SELECT code, new_adapter AS adapter, key, passphrase, at FROM unnest(v)
              UNION ALL SELECT standby, old_adapter, standby_key, standby_passphrase, at FROM unnest(v)
                        WHERE kind = 'swap') c
        WHERE r.code = c.code
    ), ledger AS (
        INSERT INTO registration_ledger (at, code, adapter, cause, exchange, account)
        SELECT at, code, new_adapter, kind, exchange, account FROM unnest(v)
        UNION ALL SELECT at, standby, old_adapter, kind, exchange, account FROM unnest(v) WHERE kind = 'swap'
    ), news AS (
        INSERT INTO outbox (at, topic, subject, payload)
        SELECT at, 'exchange.ordered', code, jsonb_build_object('exchange', exchange, 'kind', kind, 'code', code,
               'state', 'ordered', 'standby', standby, 'old_adapter', old_adapter, 'new_adapter', new_adapter)
        FROM unnest(v) WHERE kind = 'swap'
    )
    INSERT INTO audit (at, account, role, source, action, subject, contract, outcome, detail)
    SELECT at, account, role, source, CASE kind WHEN 'swap' THEN 'swap' ELSE 'registration.change' END, code, contract,
           'done', jsonb_build_object('exchange', exchange, 'kind', kind, 'standby', standby, 'old_adapter',
               old_adapter, 'new_adapter', new_adapter, 'firmware_target', firmware_target, 'reason', reason)
    FROM unnest(v);
    IF v_codes THEN
        PERFORM codes_follow(v);
    END IF;
    IF v_replacements THEN
        PERFORM units_are_replaced(v);
    END IF;
    IF v_returns THEN
        PERFORM returns_are_opened(v);
    END IF;
    IF v_rests THEN
        PERFORM handovers_are_ordered(v);
    END IF;
    IF v_tasks THEN
        PERFORM tasks_of_changed_codes_end(v);
    END IF;
    RETURN QUERY SELECT * FROM unnest(v);
END $$;

-- The move of exchanges into one state, told: journal, news, audit. exchange_move has no row for the opening of one.
CREATE FUNCTION exchange_moved(
    p_exchange bigint, p_event text, p_from text, p_to text, p_at timestamptz, p_account text, p_role text,
    p_source text, p_note text DEFAULT '', p_data jsonb DEFAULT '{}'
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO exchange_move (exchange, at, event, from_state, to_state, account, role, note, data)
    VALUES (p_exchange, p_at, p_event, p_from, p_to, p_account, p_role, p_note, p_data);
    INSERT INTO outbox (at, topic, subject, payload)
    SELECT p_at, 'exchange.' || p_to, coalesce(x.entry, x.standby), jsonb_build_object('exchange', x.id,
           'kind', x.kind, 'code', coalesce(x.entry, x.standby), 'state', p_to, 'old_adapter', x.old_adapter,
           'new_adapter', x.new_adapter) FROM exchange x WHERE x.id = p_exchange;
    INSERT INTO audit (at, account, role, source, action, subject, contract, outcome, detail)
    SELECT p_at, p_account, p_role, p_source, 'exchange.' || p_to, coalesce(x.entry, x.standby), x.contract, 'done',
           p_data || jsonb_build_object('exchange', x.id, 'event', p_event)
    FROM exchange x WHERE x.id = p_exchange;
END $$;

CREATE FUNCTION swaps_are_replaced(v registration_change[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM exchange_moved(c.replaces, 'replaced', x.state, 'superseded', c.at, c.account, c.role, c.source, c.reason,
                          jsonb_build_object('by', c.exchange))
    FROM unnest(v) c JOIN exchange x ON x.id = c.replaces;
    UPDATE exchange x SET state = 'superseded', state_since = c.at, superseded_at = c.at, ended_at = c.at
    FROM unnest(v) c WHERE x.id = c.replaces;
END $$;

-- Of a pre-flight exchange; the news is that of any other order.
CREATE FUNCTION swaps_are_ordered(v registration_change[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE exchange x SET state = 'ordered', state_since = c.at, changed_at = c.at, deadline_at = c.deadline_at,
        new_adapter = c.new_adapter, firmware_target = c.firmware_target
    FROM unnest(v) c WHERE x.id = c.exchange AND c.of_case AND c.kind = 'swap';
    INSERT INTO exchange_move (exchange, at, event, from_state, to_state, account, role)
    SELECT exchange, at, 'order', 'pre-flight', 'ordered', account, role FROM unnest(v) WHERE of_case AND kind = 'swap';
END $$;

-- R3.14; and what has just been taken out of service, or has never been in it, is not kept warm.
CREATE FUNCTION codes_follow(v registration_change[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE code k SET firmware_target = c.firmware_target
    FROM unnest(v) c WHERE k.code = c.code AND c.firmware_target IS DISTINCT FROM c.target_before;
    UPDATE code k SET warm = false FROM unnest(v) c WHERE c.was_warm AND k.code = coalesce(c.standby, c.code);
END $$;

-- Who is locked out is disconnected from that moment, whatever is still open to it for the fraction of a second until it is
-- closed (R3.7); it counts as checked, so that a heartbeat from before does not connect it when it is let in again.
CREATE FUNCTION connection_is_locked_out(p_adapter text, p_code text, p_at timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE connection SET state = 'disconnected', since = p_at, cause = 'locked-out', downs = 0, checked_at = p_at,
        tunnel_lost_at = NULL
    WHERE adapter = p_adapter AND state = 'connected';
    IF FOUND THEN
        PERFORM connection_changed(p_adapter, p_code, 'disconnected', 'locked-out', p_at);
    END IF;
END $$;

-- The old unit leaves its code for good (R3.7, R3.8); the new one is there by registration, and may still be on its way.
-- The unit of a return has been received before.
CREATE FUNCTION units_are_replaced(v registration_change[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE exchange x SET changed_at = c.at, new_adapter = c.new_adapter, firmware_target = c.firmware_target
    FROM unnest(v) c WHERE x.id = c.exchange AND c.kind <> 'swap';
    UPDATE adapter a SET locked_out_at = coalesce(a.locked_out_at, c.at), locked_by_exchange = c.exchange,
        stock = CASE c.kind WHEN 'return' THEN 'returned' ELSE 'under-return' END, stock_since = c.at
    FROM unnest(v) c WHERE a.serial = c.old_adapter AND c.kind <> 'swap';
    PERFORM connection_is_locked_out(c.old_adapter, c.code, c.at)
    FROM (SELECT * FROM unnest(v) WHERE kind <> 'swap' ORDER BY old_adapter) c;
    UPDATE adapter a SET stock = 'in-transit', stock_since = c.at
    FROM unnest(v) c WHERE a.serial = c.new_adapter AND c.kind <> 'swap' AND c.new_stock <> 'in-transit';
    INSERT INTO stock_ledger (at, adapter, from_stock, to_stock, exchange, account)
    SELECT c.at, m.adapter, m.from_stock, m.to_stock, c.exchange, c.account
    FROM unnest(v) c, LATERAL (VALUES
        (c.old_adapter, c.old_stock, CASE c.kind WHEN 'return' THEN 'returned' ELSE 'under-return' END),
        (c.new_adapter, c.new_stock, 'in-transit')) m (adapter, from_stock, to_stock)
    WHERE c.kind <> 'swap' AND m.from_stock <> m.to_stock;
END $$;

-- The last second of the 30th day in Japan after the one of p_at (R3.9), as domain/calendar.py has it.
CREATE FUNCTION return_due(p_at timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT (date_trunc('day', p_at AT TIME ZONE 'Asia/Tokyo') + interval '31 days' - interval '1 second')
           AT TIME ZONE 'Asia/Tokyo'
$$;

CREATE FUNCTION return_reminders(p_exchange bigint, p_due timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO exchange_reminder (exchange, what, due_at)
    VALUES (p_exchange, 'return-in-7-days', p_due - interval '7 days'),
           (p_exchange, 'return-in-1-day', p_due - interval '1 day')
    ON CONFLICT DO NOTHING;
END $$;

-- A swap with a fault opens the case of the faulty unit (R3.13); one that was bought goes back to its reseller (R3.1).
CREATE FUNCTION returns_are_opened(v registration_change[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO exchange (id, kind, contract, standby, old_adapter, state, state_since, ordered_at, ended_at,
                          return_due_at, deadline_at, account, reason, fault, received_at, of_exchange, why,
                          old_firmware)
    OVERRIDING SYSTEM VALUE
    SELECT c.return_case, 'return', c.contract, c.standby, c.old_adapter,
           CASE c.reseller WHEN '' THEN 'waiting' ELSE 'declined' END, c.at, c.at,
           CASE WHEN c.reseller <> '' THEN c.at END, due.at, due.at, c.account, c.reason, c.fault, c.at, c.exchange,
           CASE WHEN c.reseller <> '' THEN jsonb_build_object(
               'sentence', 'Adapter {adapter} was bought from {reseller}, who maintains it; the provider does not exchange'
                           || ' it (R3.1).',
               'params', jsonb_build_object('adapter', c.old_adapter, 'reseller', c.reseller)) END, c.old_firmware
    FROM unnest(v) c, LATERAL (SELECT CASE c.reseller WHEN '' THEN return_due(c.at) END AS at) due
    WHERE c.return_case IS NOT NULL;
    PERFORM return_reminders(c.return_case, return_due(c.at)) FROM unnest(v) c
    WHERE c.return_case IS NOT NULL AND c.reseller = '';
    INSERT INTO outbox (at, topic, subject, payload)
    SELECT x.ordered_at, 'exchange.' || x.state, x.standby, jsonb_build_object('exchange', x.id, 'kind', x.kind,
           'code', x.standby, 'state', x.state, 'old_adapter', x.old_adapter, 'new_adapter', NULL)
    FROM unnest(v) c JOIN exchange x ON x.id = c.return_case;
    INSERT INTO audit (at, account, role, source, action, subject, contract, outcome, detail)
    SELECT c.at, c.account, c.role, c.source, 'exchange.open', c.standby, c.contract, 'done',
           jsonb_build_object('exchange', c.return_case, 'kind', 'return', 'old_adapter', c.old_adapter,
                              'fault', c.fault, 'of_exchange', c.exchange)
    FROM unnest(v) c WHERE c.return_case IS NOT NULL;
END $$;

-- Whoever may be at rest is ordered to pull: the old adapter of a swap from the location server, for the key of its new
-- registration, the new one from the resolve server, unless its key is new too. A unit that was put out of service is
-- told nothing: its tunnel ends, and its next question is answered 501. An order that nobody has heard yet is overtaken;
-- who was to ask the location server for its key still has to.
CREATE FUNCTION handovers_are_ordered(v registration_change[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH told AS (
        SELECT old_adapter AS adapter, standby AS code, 'LS' AS source, old_rests AND kind = 'swap' AS rests,
               at, contract, exchange, account, reason, deadline_at FROM unnest(v)
        UNION ALL SELECT new_adapter, code, CASE kind WHEN 'swap' THEN 'RS' ELSE 'LS' END, new_rests,
               at, contract, exchange, account, reason, deadline_at FROM unnest(v)
    ), overtaken AS (
        UPDATE operation o SET state = 'cancelled', finished_at = t.at,
            detail = 'A later exchange gave another order.'
        FROM told t WHERE o.adapter = t.adapter AND o.purpose = 'handover' AND o.state = 'waiting'
        RETURNING o.id, o.kind, o.adapter, o.code, o.arguments, o.exchange, o.finished_at
    ), news AS (
        INSERT INTO outbox (at, topic, subject, payload)
        SELECT o.finished_at, 'operation.cancelled', o.adapter, jsonb_build_object('operation', o.id, 'kind', o.kind,
               'code', o.code, 'exchange', o.exchange) FROM overtaken o)
    INSERT INTO operation (kind, purpose, adapter, code, contract, exchange, arguments, account, reason,
                           created_at, due_at, expires_at)
    SELECT 'pull-config', 'handover', t.adapter, t.code, t.contract, t.exchange,
           jsonb_build_object('source', CASE WHEN EXISTS (
               SELECT FROM overtaken o WHERE o.adapter = t.adapter AND o.arguments ->> 'source' = 'LS')
               THEN 'LS' ELSE t.source END),
           t.account, t.reason, t.at, t.at, t.deadline_at
    FROM told t WHERE t.rests;
END $$;

CREATE FUNCTION tasks_of_changed_codes_end(v registration_change[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH ended AS (
        UPDATE task t SET state = 'failed', failure = 'registration-changed', finished_at = c.at,
            waits_for = '', waits_since = NULL,
            detail = 'The registration changed before the task ran; start it again for the adapter that is there now.'
        FROM (SELECT code, at FROM unnest(v) UNION ALL SELECT standby, at FROM unnest(v)) c
        WHERE t.code = c.code AND t.code <> '' AND t.state = 'waiting'
        RETURNING t.id, t.adapter, t.campaign, t.failure, t.finished_at)
    INSERT INTO outbox (at, topic, subject, payload)
    SELECT finished_at, 'task.failed', adapter, jsonb_build_object('task', id, 'campaign', campaign, 'failure', failure)
    FROM ended;
END $$;

DROP FUNCTION swap_registrations;
