-- The two moves that must be one round trip: an exchange of registrations and the record of a pull.
-- They decide nothing: the plan comes from controller/domain, here it is compared with what still holds and set.
-- SQLSTATE HK409: the world changed since the plan was made; the caller plans again or says so.

CREATE FUNCTION swap_registrations(
    p_contract text, p_entry text, p_standby text, p_old_adapter text, p_new_adapter text, p_firmware text,
    p_entry_key bytea, p_entry_passphrase bytea, p_standby_key bytea, p_standby_passphrase bytea,
    p_now timestamptz, p_deadline timestamptz, p_account text, p_role text, p_source text, p_reason text,
    p_replaces bigint
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_exchange bigint;
    v_entry registration;
    v_standby registration;
    v_at timestamptz;
BEGIN
    -- Locked in code order, whoever is entry: opposite swaps cannot deadlock.
    PERFORM FROM registration WHERE code IN (p_entry, p_standby) ORDER BY code FOR UPDATE;
    SELECT * INTO v_entry FROM registration WHERE code = p_entry;
    SELECT * INTO v_standby FROM registration WHERE code = p_standby;
    IF v_entry.adapter IS DISTINCT FROM p_old_adapter OR v_standby.adapter IS DISTINCT FROM p_new_adapter THEN
        RAISE EXCEPTION 'registration changed' USING ERRCODE = 'HK409';
    END IF;
    -- The ledger of a code never runs backwards, even if this clock does.
    v_at := greatest(p_now, v_entry.since, v_standby.since);

    IF p_replaces IS NOT NULL THEN
        UPDATE exchange SET state = 'superseded', superseded_at = v_at
        WHERE id = p_replaces AND entry = p_entry AND state IN ('ordered', 'pulled');
        IF NOT FOUND THEN
            RAISE EXCEPTION 'exchange to replace is not open' USING ERRCODE = 'HK409';
        END IF;
    END IF;

    INSERT INTO exchange (kind, contract, entry, standby, new_adapter, old_adapter, firmware_target, state,
                          ordered_at, deadline_at, account, reason)
    VALUES ('swap', p_contract, p_entry, p_standby, p_new_adapter, p_old_adapter, p_firmware, 'ordered',
            v_at, p_deadline, p_account, p_reason)
    RETURNING id INTO v_exchange;

    UPDATE registration SET
        adapter = CASE code WHEN p_entry THEN p_new_adapter ELSE p_old_adapter END,
        rs_sa_key = CASE code WHEN p_entry THEN p_entry_key ELSE p_standby_key END,
        heartbeat_passphrase = CASE code WHEN p_entry THEN p_entry_passphrase ELSE p_standby_passphrase END,
        since = v_at
    WHERE code IN (p_entry, p_standby);

    UPDATE code SET firmware_target = p_firmware
    WHERE code = p_entry AND firmware_target IS DISTINCT FROM p_firmware;

    UPDATE task SET state = 'failed', failure = 'registration-changed', finished_at = v_at,
        detail = 'The registration changed before the task ran; start it again for the adapter that is there now.'
    WHERE code IN (p_entry, p_standby) AND state = 'waiting';

    INSERT INTO registration_ledger (at, code, adapter, cause, exchange, account)
    VALUES (v_at, p_entry, p_new_adapter, 'swap', v_exchange, p_account),
           (v_at, p_standby, p_old_adapter, 'swap', v_exchange, p_account);
    INSERT INTO outbox (at, topic, subject, payload)
    VALUES (v_at, 'exchange.ordered', p_entry, jsonb_build_object('exchange', v_exchange, 'standby', p_standby,
            'old_adapter', p_old_adapter, 'new_adapter', p_new_adapter));
    INSERT INTO audit (at, account, role, source, action, subject, contract, outcome, detail)
    VALUES (v_at, p_account, p_role, p_source, 'swap', p_entry, p_contract, 'done',
            jsonb_build_object('exchange', v_exchange, 'standby', p_standby, 'old_adapter', p_old_adapter,
                               'new_adapter', p_new_adapter, 'firmware_target', p_firmware, 'reason', p_reason));
    RETURN v_exchange;
END $$;

-- Records the answer to one pull. p_code and p_since name the registration the answer was made from: if it no
-- longer holds, nothing is recorded, false comes back and the pull is answered anew.
-- A wrong key (403) is recorded as a pull and changes nothing else: whoever asked may be anybody, so neither the
-- address that SSH goes to nor what the adapter runs may come from there.
CREATE FUNCTION record_pull(
    p_at timestamptz, p_adapter text, p_code text, p_since timestamptz, p_message text, p_source inet,
    p_trigger text, p_firmware text, p_result integer, p_served bigint[], p_in_service boolean,
    p_exchange bigint, p_from text, p_to text
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF p_code IS NOT NULL THEN
        PERFORM FROM registration WHERE code = p_code AND adapter = p_adapter AND since = p_since FOR KEY SHARE;
        IF NOT FOUND THEN
            RETURN false;
        END IF;
    END IF;
    INSERT INTO pull (at, adapter, code, message, source, trigger, firmware, result)
    VALUES (p_at, p_adapter, p_code, p_message, p_source, p_trigger, p_firmware, p_result);
    IF p_result = 403 THEN
        RETURN true;
    END IF;
    INSERT INTO contact AS c (adapter, first_pull_at, last_pull_at, last_message, last_result, last_address, firmware,
                              served, in_service_at)
    VALUES (p_adapter, p_at, p_at, p_message, p_result, p_source, p_firmware, p_served,
            CASE WHEN p_in_service THEN p_at END)
    ON CONFLICT (adapter) DO UPDATE SET
        last_pull_at = greatest(c.last_pull_at, excluded.last_pull_at),
        last_message = excluded.last_message, last_result = excluded.last_result,
        last_address = excluded.last_address,
        firmware = CASE WHEN excluded.firmware = '' THEN c.firmware ELSE excluded.firmware END,
        served = CASE WHEN p_message = 'config-solicitation' THEN excluded.served ELSE c.served END,
        in_service_at = CASE WHEN p_in_service THEN p_at
                             WHEN p_message = 'push-method-query' THEN c.in_service_at END;
    IF p_in_service THEN
        INSERT INTO config_stage (code, module, stage, revision, at)
        SELECT v.code, v.module, 'running', v.id, p_at FROM config_revision v
        WHERE v.id = ANY ((SELECT served FROM contact WHERE adapter = p_adapter)::bigint[]) AND v.code = p_code
        ON CONFLICT (code, module, stage) DO UPDATE SET revision = excluded.revision, at = excluded.at
        WHERE config_stage.revision <> excluded.revision;
    END IF;
    IF p_exchange IS NOT NULL THEN
        UPDATE exchange SET state = p_to,
            pulled_at = CASE WHEN p_to = 'pulled' THEN p_at ELSE pulled_at END,
            confirmed_at = CASE WHEN p_to = 'confirmed' THEN p_at ELSE confirmed_at END
        -- A lapsed one comes back only while no newer exchange holds one of its codes.
        WHERE id = p_exchange AND state = p_from AND NOT EXISTS (
            SELECT FROM exchange o WHERE o.id <> p_exchange AND o.state IN ('ordered', 'pulled')
              AND p_to = 'pulled' AND (o.entry = exchange.entry OR o.standby = exchange.standby));
        IF FOUND THEN
            INSERT INTO outbox (at, topic, subject, payload)
            VALUES (p_at, 'exchange.' || p_to, p_code, jsonb_build_object('exchange', p_exchange, 'adapter', p_adapter));
            INSERT INTO audit (at, account, role, source, action, subject, contract, outcome, detail)
            SELECT p_at, p_adapter, 'device', host(p_source), 'exchange.' || p_to, p_code, contract, 'done',
                   jsonb_build_object('exchange', p_exchange) FROM code WHERE code = p_code;
        END IF;
    END IF;
    RETURN true;
END $$;
