-- As in 0005, and besides: of a waiting task that an exchange ends there is news as of any other that has failed, and it
-- waits for nothing any more.
CREATE OR REPLACE FUNCTION swap_registrations(
    p_entry text, p_standby text, p_contract text, p_replaces bigint, p_now timestamptz, p_deadline timestamptz,
    p_entry_passphrase bytea, p_standby_key bytea, p_standby_passphrase bytea,
    p_account text, p_role text, p_source text, p_reason text,
    OUT exchange bigint, OUT contract text, OUT firmware_target text, OUT open_tasks bigint,
    OUT new_adapter text, OUT new_model text, OUT new_firmware text, OUT old_adapter text, OUT old_model text,
    OUT was_warm boolean
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v record;
    v_at timestamptz;
BEGIN
    -- Locked in code order, whoever is entry: opposite swaps cannot deadlock.
    PERFORM FROM registration WHERE code IN (p_entry, p_standby) ORDER BY code FOR UPDATE;
    SELECT e.contract, e.firmware_target, er.adapter AS old_adapter, ea.model AS old_model, sr.adapter AS new_adapter,
           sa.model AS new_model, sa.series, sa.hardware_revision, coalesce(k.firmware, '') AS new_firmware,
           greatest(er.since, sr.since) AS since, sr.rs_sa_key AS new_key, s.warm,
           coalesce(ko.last_result = 100, false) AS old_rests, coalesce(k.last_result = 100, false) AS new_rests,
           (SELECT count(*) FROM task t WHERE t.code IN (p_entry, p_standby) AND t.state IN ('waiting', 'running'))
               AS open_tasks
    INTO v
    FROM code e
    JOIN code s ON s.code = p_standby AND s.kind = 'standby' AND s.contract = e.contract
    JOIN registration er ON er.code = e.code JOIN adapter ea ON ea.serial = er.adapter
    JOIN registration sr ON sr.code = s.code JOIN adapter sa ON sa.serial = sr.adapter
    LEFT JOIN contact k ON k.adapter = sa.serial
    LEFT JOIN contact ko ON ko.adapter = ea.serial
    WHERE e.code = p_entry AND e.kind = 'entry' AND sa.series = ea.series AND sa.locked_out_at IS NULL
      AND (p_contract IS NULL OR e.contract = p_contract);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_at := greatest(p_now, v.since);  -- the ledger of a code never runs backwards, even if this clock does

    IF p_replaces IS NOT NULL THEN
        -- Two that each want the standby which the other's exchange still holds would wait for each other.
        IF EXISTS (SELECT FROM exchange o WHERE o.standby = p_standby AND o.standby <> '' AND o.id <> p_replaces
                     AND o.state IN ('ordered', 'pulled')) THEN
            RETURN;
        END IF;
        UPDATE exchange SET state = 'superseded', superseded_at = v_at
        WHERE id = p_replaces AND entry = p_entry AND state IN ('ordered', 'pulled');
        IF NOT FOUND THEN
            RETURN;
        END IF;
    END IF;

    firmware_target := coalesce((
        SELECT i.version FROM firmware_image i
        WHERE i.series = v.series AND (i.models = '{}' OR v.new_model = ANY (i.models))
          AND (i.hardware_revisions = '{}' OR v.hardware_revision = ANY (i.hardware_revisions))
        ORDER BY i.version_key DESC LIMIT 1), v.firmware_target);
    contract := v.contract; open_tasks := v.open_tasks;
    new_adapter := v.new_adapter; new_model := v.new_model; new_firmware := v.new_firmware;
    old_adapter := v.old_adapter; old_model := v.old_model; was_warm := v.warm;

    INSERT INTO exchange AS x (kind, contract, entry, standby, new_adapter, old_adapter, firmware_target, state,
                               ordered_at, deadline_at, account, reason)
    VALUES ('swap', v.contract, p_entry, p_standby, v.new_adapter, v.old_adapter,
            swap_registrations.firmware_target, 'ordered', v_at, p_deadline, p_account, p_reason)
    RETURNING x.id INTO exchange;

    UPDATE registration SET
        adapter = CASE code WHEN p_entry THEN v.new_adapter ELSE v.old_adapter END,
        rs_sa_key = CASE code WHEN p_entry THEN v.new_key ELSE p_standby_key END,
        heartbeat_passphrase = CASE code WHEN p_entry THEN p_entry_passphrase ELSE p_standby_passphrase END,
        sa_certificate = NULL, sa_private_key = NULL, since = v_at
    WHERE code IN (p_entry, p_standby);

    IF v.firmware_target IS DISTINCT FROM swap_registrations.firmware_target THEN
        UPDATE code SET firmware_target = swap_registrations.firmware_target WHERE code = p_entry;
    END IF;
    IF v.warm THEN
        UPDATE code SET warm = false WHERE code = p_standby;
    END IF;
    IF v.old_rests OR v.new_rests THEN
        -- An order of an earlier exchange that nobody has heard yet is overtaken. Who was to ask the location server
        -- for its key still has to.
        WITH overtaken AS (
            UPDATE operation SET state = 'cancelled', finished_at = v_at,
                detail = 'A later exchange gave another order.'
            WHERE adapter IN (v.old_adapter, v.new_adapter) AND purpose = 'handover' AND state = 'waiting'
            RETURNING id, kind, adapter, code, arguments, exchange
        ), news AS (
            INSERT INTO outbox (at, topic, subject, payload)
            SELECT v_at, 'operation.cancelled', o.adapter, jsonb_build_object('operation', o.id, 'kind', o.kind,
                   'code', o.code, 'exchange', o.exchange) FROM overtaken o)
        INSERT INTO operation (kind, purpose, adapter, code, contract, exchange, arguments, account, reason,
                               created_at, due_at, expires_at)
        SELECT 'pull-config', 'handover', t.adapter, t.code, v.contract, swap_registrations.exchange,
               jsonb_build_object('source', CASE WHEN EXISTS (
                   SELECT FROM overtaken o WHERE o.adapter = t.adapter AND o.arguments ->> 'source' = 'LS')
                   THEN 'LS' ELSE t.source END),
               p_account, p_reason, v_at, v_at, p_deadline
        FROM (VALUES (v.old_adapter, p_standby, 'LS', v.old_rests), (v.new_adapter, p_entry, 'RS', v.new_rests))
             AS t (adapter, code, source, rests) WHERE t.rests;
    END IF;
    IF v.open_tasks > 0 THEN
        WITH ended AS (
            UPDATE task SET state = 'failed', failure = 'registration-changed', finished_at = v_at,
                waits_for = '', waits_since = NULL,
                detail = 'The registration changed before the task ran; start it again for the adapter that is there now.'
            WHERE code IN (p_entry, p_standby) AND state = 'waiting'
            RETURNING id, adapter, campaign, failure)
        INSERT INTO outbox (at, topic, subject, payload)
        SELECT v_at, 'task.failed', adapter, jsonb_build_object('task', id, 'campaign', campaign, 'failure', failure)
        FROM ended;
    END IF;

    INSERT INTO registration_ledger (at, code, adapter, cause, exchange, account)
    VALUES (v_at, p_entry, v.new_adapter, 'swap', swap_registrations.exchange, p_account),
           (v_at, p_standby, v.old_adapter, 'swap', swap_registrations.exchange, p_account);
    INSERT INTO outbox (at, topic, subject, payload)
    VALUES (v_at, 'exchange.ordered', p_entry, jsonb_build_object('exchange', swap_registrations.exchange,
            'standby', p_standby, 'old_adapter', v.old_adapter, 'new_adapter', v.new_adapter));
    INSERT INTO audit (at, account, role, source, action, subject, contract, outcome, detail)
    VALUES (v_at, p_account, p_role, p_source, 'swap', p_entry, v.contract, 'done',
            jsonb_build_object('exchange', swap_registrations.exchange, 'standby', p_standby,
                               'old_adapter', v.old_adapter, 'new_adapter', v.new_adapter,
                               'firmware_target', swap_registrations.firmware_target, 'reason', p_reason));
END $$;

UPDATE task SET waits_for = '', waits_since = NULL WHERE state = 'failed' AND waits_for <> '';
