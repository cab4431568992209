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
CREATE TABLE reach (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    adapter            text NOT NULL REFERENCES adapter,
    code               text NOT NULL REFERENCES code,
    since              timestamptz NOT NULL,
    method             text NOT NULL CHECK (method IN ('https-tunnel', 'https-simple')),
    controller         bigint REFERENCES controller ON DELETE CASCADE,
    tunnel             bigint,
    endpoint           text,
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
    controller       bigint,
    method           text,
    sent_at          timestamptz,
    started_at       timestamptz,
    finished_at      timestamptz,
    deadline_at      timestamptz,
    transaction_id   bigint,
    result           integer,
    description      text NOT NULL DEFAULT '',
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
CREATE INDEX operation_waiting ON operation (due_at, id) WHERE state = 'waiting';
CREATE INDEX operation_under_way ON operation (deadline_at) WHERE state IN ('sent', 'started', 'confirming');
CREATE INDEX operation_live_per_adapter ON operation (adapter)
    WHERE state IN ('waiting', 'sent', 'started', 'confirming', 'unknown');
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
