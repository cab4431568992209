-- Push: how adapters are reached now, what they are told to do, and what is known of their connection.

-- NULL: no preference, the tunnel first. warm: the spare gets a management-only config and is reachable.
ALTER TABLE code
    ADD preferred_push_method text CHECK (preferred_push_method IN ('https-tunnel', 'https-simple')),
    ADD warm boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT only_standbys_are_warm CHECK (NOT warm OR kind = 'standby');

-- The certificate an adapter shows as the server of https-simple: of one registration, so an exchange revokes it.
-- sa_private_key: sealed.
ALTER TABLE registration
    ADD sa_certificate text,
    ADD sa_private_key bytea,
    ADD CONSTRAINT certificate_and_key_go_together CHECK ((sa_certificate IS NULL) = (sa_private_key IS NULL));

-- Running controllers. One that is not seen for a while is gone, and what it held with it.
CREATE TABLE controller (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at timestamptz NOT NULL,
    seen_at    timestamptz NOT NULL
);

-- A confirmed way to an adapter. code, since: the registration it was confirmed under; when that is no longer the
-- present one, only the order to pull again may still go this way.
-- A tunnel is held by one controller, which knows it by a number of its own; an endpoint can be reached by any.
-- rs_sa_key (sealed), certificate_sha256: as the adapter has them until it pulls again.
-- source: where it came from. Heartbeats are taken from there, too: an adapter whose line got another address opens its
-- tunnel anew, and does not pull.
CREATE TABLE reach (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    adapter            text NOT NULL REFERENCES adapter,
    code               text NOT NULL REFERENCES code,
    since              timestamptz NOT NULL,
    method             text NOT NULL CHECK (method IN ('https-tunnel', 'https-simple')),
    controller         bigint REFERENCES controller ON DELETE CASCADE,
    tunnel             bigint,
    endpoint           text,
    source             inet,
    legacy             boolean NOT NULL DEFAULT false,
    rs_sa_key          bytea,
    certificate_sha256 bytea CHECK (length(certificate_sha256) = 32),
    confirmed_at       timestamptz NOT NULL,
    CONSTRAINT one_row_per_tunnel UNIQUE (controller, tunnel),
    CONSTRAINT tunnel_has_a_holder CHECK ((method = 'https-tunnel') = (controller IS NOT NULL AND tunnel IS NOT NULL)),
    CONSTRAINT endpoint_has_what_opens_it CHECK (
        (method = 'https-simple') = (endpoint IS NOT NULL AND rs_sa_key IS NOT NULL AND certificate_sha256 IS NOT NULL))
);
CREATE INDEX ON reach (adapter);
CREATE UNIQUE INDEX one_endpoint_per_adapter ON reach (adapter) WHERE method = 'https-simple';

-- What is known of the connection. downs: checks in a row that found no heartbeat.
CREATE TABLE connection (
    adapter           text PRIMARY KEY REFERENCES adapter,
    state             text NOT NULL DEFAULT 'disconnected' CHECK (state IN ('connected', 'disconnected')),
    since             timestamptz NOT NULL,
    cause             text NOT NULL DEFAULT '',
    last_heartbeat_at timestamptz,
    heartbeat_source  inet,
    downs             smallint NOT NULL DEFAULT 0,
    checked_at        timestamptz,
    tunnel_lost_at    timestamptz
) WITH (fillfactor = 70);

CREATE TABLE connection_event (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL,
    adapter text NOT NULL REFERENCES adapter,
    code    text REFERENCES code,
    state   text NOT NULL CHECK (state IN ('connected', 'disconnected')),
    cause   text NOT NULL
);
CREATE INDEX ON connection_event (adapter, id DESC);
CREATE INDEX ON connection_event (at);

-- One push operation. kind: a name of protocol/arms/operations. purpose: what asked for it. arguments: of the kind.
-- registered_since: of the registration it is meant for; NULL for a handover, which is meant for the adapter itself.
-- The life of a row is controller/domain/operation.py. sent: the intention is written before a byte leaves.
-- fence: grows with each claim; attempts: how often it may have reached the adapter. due_at: not to be tried earlier.
-- transaction_id: the adapter's, of the newest attempt that it took on. result, description: the adapter's last word;
-- answer: what its done request was answered with; detail: our own sentence.
CREATE TABLE operation (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind             text NOT NULL,
    purpose          text NOT NULL CHECK (purpose IN ('request', 'push', 'handover')),
    adapter          text NOT NULL REFERENCES adapter,
    code             text NOT NULL REFERENCES code,
    contract         text NOT NULL REFERENCES contract,
    registered_since timestamptz,
    exchange         bigint REFERENCES exchange,
    arguments        jsonb NOT NULL,
    state            text NOT NULL DEFAULT 'waiting' CHECK (state IN
        ('waiting', 'sent', 'started', 'confirming', 'done', 'failed', 'unknown', 'cancelled', 'expired')),
    account          text NOT NULL,
    reason           text NOT NULL DEFAULT '',
    created_at       timestamptz NOT NULL,
    due_at           timestamptz NOT NULL,
    expires_at       timestamptz NOT NULL,
    fence            integer NOT NULL DEFAULT 0,
    attempts         smallint NOT NULL DEFAULT 0,
    controller       bigint,
    method           text,
    sent_at          timestamptz,
    started_at       timestamptz,
    finished_at      timestamptz,
    deadline_at      timestamptz,
    transaction_id   bigint,
    result           integer,
    description      text NOT NULL DEFAULT '',
    answer           integer,
    detail           text NOT NULL DEFAULT '',
    value            jsonb,
    CONSTRAINT under_way_has_a_deadline CHECK ((state IN ('sent', 'started', 'confirming')) = (deadline_at IS NOT NULL)),
    CONSTRAINT handover_names_its_exchange CHECK ((purpose = 'handover') = (exchange IS NOT NULL)),
    CONSTRAINT only_a_handover_outlives_its_registration CHECK ((purpose = 'handover') = (registered_since IS NULL))
);
-- Answers to requests and to starts carry nothing but their type: one of a type may be on its way to an adapter.
CREATE UNIQUE INDEX one_unanswered_operation_of_a_kind ON operation (adapter, kind) WHERE state = 'sent';
CREATE UNIQUE INDEX one_configure_per_adapter ON operation (adapter)
    WHERE kind = 'configure' AND state IN ('sent', 'started', 'confirming');
CREATE INDEX operation_waiting ON operation ((purpose <> 'handover'), due_at, id) WHERE state = 'waiting';
CREATE INDEX operation_under_way ON operation (adapter, deadline_at) WHERE state IN ('sent', 'started', 'confirming');
CREATE INDEX operation_live_per_adapter ON operation (adapter)
    WHERE state IN ('waiting', 'sent', 'started', 'confirming', 'unknown');
CREATE INDEX operation_of_transaction ON operation (adapter, transaction_id) WHERE transaction_id IS NOT NULL;
CREATE INDEX ON operation (adapter, id DESC);
CREATE INDEX ON operation (code, id DESC);
CREATE INDEX ON operation (contract, id DESC);

-- What an adapter answered, as it was received, one row per module or report.
CREATE TABLE operation_output (
    operation bigint NOT NULL REFERENCES operation,
    position  integer NOT NULL,
    module    bigint NOT NULL,
    result    integer NOT NULL,
    body      bytea NOT NULL,
    PRIMARY KEY (operation, position)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON operation_output
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON operation_output
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- News of a connection: the event and its outbox row. code: the registration it happened under.
CREATE FUNCTION connection_changed(p_adapter text, p_code text, p_state text, p_cause text, p_now timestamptz)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO connection_event (at, adapter, code, state, cause) VALUES (p_now, p_adapter, p_code, p_state, p_cause);
    INSERT INTO outbox (at, topic, subject, payload)
    VALUES (p_now, 'connection.' || p_state, p_adapter, jsonb_build_object('code', p_code, 'cause', p_cause));
$$;

-- A configure whose adapter has confirmed its way back: what was pushed is startup and running from now on. Unless the
-- adapter has pulled meanwhile: then it runs its startup config again, and needs no order to pull.
-- An adapter reports a configure before it confirms anything (arms-protocol 3.5). So one whose answer was lost (its
-- detail says so, or the controller that sent it is gone) and that confirms without a report has not taken it: it is
-- sent again, but not to an adapter that has pulled instead, for that may be what the config did to it.
CREATE FUNCTION confirm_configure(p_adapter text, p_code text, p_since timestamptz, p_now timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v operation;
    v_pulled boolean;
BEGIN
    WITH heeded AS (
        UPDATE operation o SET state = 'done', finished_at = p_now, detail = 'The adapter has pulled.'
        WHERE adapter = p_adapter AND kind = 'pull-config' AND purpose = 'push' AND state = 'waiting'
          AND EXISTS (SELECT FROM pull WHERE adapter = p_adapter AND message = 'config-solicitation' AND result = 100
                        AND at > o.created_at)
        RETURNING id, kind)
    INSERT INTO outbox (at, topic, subject, payload)
    SELECT p_now, 'operation.done', p_adapter, jsonb_build_object('operation', id, 'kind', kind, 'code', p_code)
    FROM heeded;
    SELECT * INTO v FROM operation o
    WHERE adapter = p_adapter AND kind = 'configure' AND code = p_code AND registered_since = p_since
      AND (state = 'confirming' OR state = 'sent' AND (
           detail <> '' OR NOT EXISTS (SELECT FROM controller c WHERE c.id = o.controller))) FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    v_pulled := EXISTS (SELECT FROM pull WHERE adapter = p_adapter AND message = 'config-solicitation' AND result = 100
                          AND at > v.sent_at);
    IF v.state = 'sent' AND NOT v_pulled AND v.attempts < 3 THEN
        UPDATE operation SET state = 'waiting', deadline_at = NULL, due_at = p_now,
            detail = 'The adapter came back without having taken it; it is sent again.'
        WHERE id = v.id;
        RETURN;
    END IF;
    v_pulled := v_pulled OR v.state = 'sent';
    UPDATE operation SET state = CASE WHEN v_pulled THEN 'failed' ELSE 'done' END, deadline_at = NULL,
        finished_at = p_now,
        detail = CASE WHEN v.state = 'sent' THEN
            'The adapter came back without having taken it; the config it had before is in force.'
            WHEN v_pulled THEN
            'The adapter pulled its startup config instead of confirming; the config it had before is in force.'
            ELSE '' END
    WHERE id = v.id;
    IF NOT v_pulled THEN
        INSERT INTO config_stage (code, module, stage, revision, at)
        SELECT c.code, c.module, s.stage, c.id, p_now
        FROM config_revision c CROSS JOIN (VALUES ('startup'), ('running')) AS s (stage)
        WHERE c.code = p_code AND c.id IN (SELECT jsonb_array_elements_text(v.arguments -> 'revisions')::bigint)
        ON CONFLICT (code, module, stage) DO UPDATE SET revision = excluded.revision, at = excluded.at
        -- What somebody made the startup config while the push was under way is newer than the push.
        WHERE config_stage.revision <> excluded.revision
          AND (config_stage.stage = 'running' OR config_stage.at <= v.sent_at);
    END IF;
    INSERT INTO outbox (at, topic, subject, payload)
    VALUES (p_now, CASE WHEN v_pulled THEN 'operation.failed' ELSE 'operation.done' END, p_adapter,
            jsonb_build_object('operation', v.id, 'kind', v.kind, 'code', v.code));
    INSERT INTO audit (at, account, role, action, subject, contract, outcome, detail)
    VALUES (p_now, p_adapter, 'device', CASE WHEN v_pulled THEN 'config.push.failed' ELSE 'config.push.done' END,
            p_code, v.contract, 'done', jsonb_build_object('operation', v.id, 'revisions', v.arguments -> 'revisions'));
END $$;

-- An adapter is reachable by a tunnel that p_controller holds, or at an endpoint. False: not under this registration.
CREATE FUNCTION confirm_push(
    p_adapter text, p_code text, p_since timestamptz, p_method text, p_controller bigint, p_tunnel bigint,
    p_endpoint text, p_source inet, p_legacy boolean, p_now timestamptz
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v record;
    v_was text;
    v_cause text := CASE p_method WHEN 'https-tunnel' THEN 'tunnel' ELSE 'endpoint' END;
BEGIN
    SELECT r.rs_sa_key, a.locked_out_at, sha256(decode(regexp_replace(substring(r.sa_certificate
               FROM '-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----'), '\s', '', 'g'), 'base64')) AS digest
    INTO v FROM registration r JOIN adapter a ON a.serial = r.adapter
    WHERE r.adapter = p_adapter AND r.code = p_code AND r.since = p_since FOR KEY SHARE OF r;
    IF NOT FOUND OR v.locked_out_at IS NOT NULL OR (p_method = 'https-simple' AND v.digest IS NULL) THEN
        RETURN false;
    END IF;

    -- First this row, whoever comes: two ways of one adapter that open or close at once take turns.
    INSERT INTO connection (adapter, state, since) VALUES (p_adapter, 'disconnected', p_now)
    ON CONFLICT (adapter) DO NOTHING;
    SELECT state INTO v_was FROM connection WHERE adapter = p_adapter FOR UPDATE;
    IF p_method = 'https-tunnel' THEN
        DELETE FROM reach WHERE adapter = p_adapter AND method = 'https-simple';  -- nobody listens there any more
        INSERT INTO reach (adapter, code, since, method, controller, tunnel, source, legacy, confirmed_at)
        VALUES (p_adapter, p_code, p_since, p_method, p_controller, p_tunnel, p_source, p_legacy, p_now)
        ON CONFLICT (controller, tunnel) DO UPDATE SET adapter = excluded.adapter, code = excluded.code,
            since = excluded.since, source = excluded.source, legacy = excluded.legacy, confirmed_at = excluded.confirmed_at;
    ELSE
        INSERT INTO reach AS h (adapter, code, since, method, endpoint, source, legacy, rs_sa_key,
                                certificate_sha256, confirmed_at)
        VALUES (p_adapter, p_code, p_since, p_method, p_endpoint, p_source, p_legacy, v.rs_sa_key, v.digest, p_now)
        ON CONFLICT (adapter) WHERE method = 'https-simple' DO UPDATE SET code = excluded.code, since = excluded.since,
            endpoint = excluded.endpoint, source = excluded.source, legacy = excluded.legacy, rs_sa_key = excluded.rs_sa_key,
            certificate_sha256 = excluded.certificate_sha256, confirmed_at = excluded.confirmed_at;
    END IF;
    UPDATE connection SET state = 'connected', downs = 0, tunnel_lost_at = NULL,
        since = CASE WHEN v_was = 'connected' THEN since ELSE p_now END,
        cause = CASE WHEN v_was = 'connected' THEN cause ELSE v_cause END
    WHERE adapter = p_adapter;
    IF v_was <> 'connected' THEN
        PERFORM connection_changed(p_adapter, p_code, 'connected', v_cause, p_now);
    END IF;
    PERFORM confirm_configure(p_adapter, p_code, p_since, p_now);
    RETURN true;
END $$;

-- Tunnels that are closed. An adapter that has no other way has lost its tunnel: the liveness rule takes it from here.
CREATE FUNCTION forget_tunnels(p_controller bigint, p_tunnels bigint[], p_now timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_adapters text[];
BEGIN
    SELECT array_agg(DISTINCT adapter) INTO v_adapters FROM reach
    WHERE controller = p_controller AND tunnel = ANY (p_tunnels);
    PERFORM FROM connection WHERE adapter = ANY (v_adapters) ORDER BY adapter FOR UPDATE;
    DELETE FROM reach WHERE controller = p_controller AND tunnel = ANY (p_tunnels);
    UPDATE connection c SET tunnel_lost_at = p_now
    WHERE c.adapter = ANY (v_adapters) AND NOT EXISTS (SELECT FROM reach h WHERE h.adapter = c.adapter);
END $$;

-- Controllers not seen since p_unseen_since, and what they held. Returns their ids.
CREATE FUNCTION forget_controllers(p_unseen_since timestamptz, p_now timestamptz)
RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    v_gone bigint[];
    v_one bigint;
BEGIN
    SELECT coalesce(array_agg(id), '{}') INTO v_gone FROM (
        SELECT id FROM controller WHERE seen_at <= p_unseen_since ORDER BY id FOR UPDATE SKIP LOCKED) c;
    FOREACH v_one IN ARRAY v_gone LOOP
        PERFORM forget_tunnels(v_one, (SELECT array_agg(tunnel) FROM reach WHERE controller = v_one), p_now);
    END LOOP;
    DELETE FROM controller WHERE id = ANY (v_gone);
    RETURN v_gone;
END $$;
