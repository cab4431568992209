-- What a pull means for an exchange of any kind.

-- A send-back's replacement has arrived: the faulty unit is to be returned within 30 days (R3.9). Its state is moved by
-- who calls this. Twice is as good as once.
CREATE FUNCTION exchange_delivered(p_exchange bigint, p_at timestamptz, p_account text DEFAULT 'controller')
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_due timestamptz := return_due(p_at);
BEGIN
    UPDATE exchange SET delivered_at = p_at, return_due_at = v_due, deadline_at = v_due
    WHERE id = p_exchange AND delivered_at IS NULL;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM return_reminders(p_exchange, v_due);
    PERFORM replacement_arrived(p_exchange, p_at, p_account);
END $$;

-- The new unit of a case is no longer on its way.
CREATE FUNCTION replacement_arrived(p_exchange bigint, p_at timestamptz, p_account text) RETURNS void LANGUAGE sql AS $$
    WITH arrived AS (
        UPDATE adapter a SET stock = 'in-stock', stock_since = p_at FROM exchange x
        WHERE x.id = p_exchange AND a.serial = x.new_adapter AND a.stock = 'in-transit' RETURNING a.serial)
    INSERT INTO stock_ledger (at, adapter, from_stock, to_stock, exchange, account)
    SELECT p_at, serial, 'in-transit', 'in-stock', p_exchange, p_account FROM arrived;
$$;

-- As in 0005, and besides: p_event is what the pull is for the exchange, of any kind; p_to may be p_from, then only the
-- time is noted, and told in its journal. An adapter that is out of service has heard its order as well.
DROP FUNCTION record_pull;
CREATE FUNCTION record_pull(
    p_at timestamptz, p_adapter text, p_code text, p_since timestamptz, p_message text, p_source inet,
    p_trigger text, p_firmware text, p_result integer, p_served bigint[], p_in_service boolean,
    p_exchange bigint, p_event text, p_from text, p_to text, p_repeated boolean
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF p_code IS NOT NULL THEN
        PERFORM FROM registration WHERE code = p_code AND adapter = p_adapter AND since = p_since FOR KEY SHARE;
        IF NOT FOUND THEN
            RETURN false;
        END IF;
    END IF;
    IF NOT p_repeated THEN
        INSERT INTO pull (at, adapter, code, message, source, trigger, firmware, result)
        VALUES (p_at, p_adapter, p_code, p_message, p_source, p_trigger, p_firmware, p_result);
    END IF;
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
    IF p_result IN (100, 404, 501) AND p_message <> 'push-method-query' THEN
        WITH heeded AS (
            UPDATE operation SET state = 'done', finished_at = p_at, deadline_at = NULL, detail = 'The adapter has pulled.'
            WHERE adapter = p_adapter AND purpose = 'handover' AND state IN ('waiting', 'sent')
              AND (p_message = 'config-solicitation' OR arguments ->> 'source' = 'LS')
            RETURNING id, kind, code, exchange)
        INSERT INTO outbox (at, topic, subject, payload)
        SELECT p_at, 'operation.done', p_adapter, jsonb_build_object('operation', h.id, 'kind', h.kind,
               'code', h.code, 'exchange', h.exchange) FROM heeded h;
    END IF;
    IF p_result = 100 AND p_message = 'config-solicitation' THEN
        -- An adapter that pulls has forgotten what it had taken on; a config push it may still report as rolled back.
        UPDATE operation SET deadline_at = p_at
        WHERE adapter = p_adapter AND state = 'started' AND kind <> 'configure' AND started_at < p_at AND deadline_at > p_at;
    END IF;
    IF p_in_service THEN
        INSERT INTO config_stage (code, module, stage, revision, at)
        SELECT v.code, v.module, 'running', v.id, p_at FROM config_revision v
        WHERE v.id = ANY ((SELECT served FROM contact WHERE adapter = p_adapter)::bigint[]) AND v.code = p_code
        ON CONFLICT (code, module, stage) DO UPDATE SET revision = excluded.revision, at = excluded.at
        WHERE config_stage.revision <> excluded.revision;
    END IF;
    IF p_exchange IS NOT NULL THEN
        PERFORM exchange_pulled(p_exchange, p_event, p_from, p_to, p_adapter, host(p_source), p_at);
    END IF;
    RETURN true;
END $$;

CREATE FUNCTION exchange_pulled(
    p_exchange bigint, p_event text, p_from text, p_to text, p_adapter text, p_source text, p_at timestamptz
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE exchange x SET state = p_to,
        state_since = CASE WHEN p_to <> p_from THEN p_at ELSE state_since END,
        why = CASE WHEN p_to <> p_from AND stuck_at IS NOT NULL THEN NULL ELSE why END,
        stuck_at = CASE WHEN p_to = p_from THEN stuck_at END,
        pulled_at = CASE WHEN p_event = 'config-served' THEN p_at ELSE pulled_at END,
        confirmed_at = CASE WHEN p_event = 'came-back' THEN p_at ELSE confirmed_at END,
        ended_at = CASE p_to WHEN 'confirmed' THEN p_at WHEN 'pulled' THEN NULL ELSE ended_at END
    WHERE id = p_exchange AND state = p_from
      -- A lapsed one comes back only while no other exchange holds one of its codes.
      AND (p_to <> 'pulled' OR (
           NOT EXISTS (SELECT FROM exchange o WHERE o.entry = x.entry AND o.entry <> '' AND o.id <> x.id
                       AND o.state IN ('pre-flight', 'ordered', 'pulled', 'dispatched', 'driver-assigned'))
           AND NOT EXISTS (SELECT FROM exchange o WHERE o.standby = x.standby AND o.standby <> '' AND o.id <> x.id
                       AND o.state IN ('pre-flight', 'ordered', 'pulled', 'dispatched', 'driver-assigned'))));
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF p_to = p_from THEN
        INSERT INTO exchange_move (exchange, at, event, from_state, to_state, account, role)
        VALUES (p_exchange, p_at, p_event, p_from, p_to, p_adapter, 'device');
        RETURN;
    END IF;
    IF p_to = 'delivered' THEN
        PERFORM exchange_delivered(p_exchange, p_at, p_adapter);
    END IF;
    PERFORM exchange_moved(p_exchange, p_event, p_from, p_to, p_at, p_adapter, 'device', p_source, '',
                           jsonb_build_object('adapter', p_adapter));
END $$;
