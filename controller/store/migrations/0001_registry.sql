-- The registry: who has which adapter in which code, and everything that hangs on it.
-- Invariants live here as constraints; services only decide, this file keeps. R-numbers: the service's rules.

-- A known word, sealed at the first start: a key file that does not open it belongs to another database.
CREATE TABLE sealing (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    probe bytea NOT NULL
);

CREATE TABLE contract (
    contract    text PRIMARY KEY CHECK (contract ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$'),
    name        text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE account (
    account     text PRIMARY KEY CHECK (account ~ '^[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}$'),
    role        text NOT NULL CHECK (role IN ('operator', 'support', 'administrator')),
    contract    text REFERENCES contract,
    name        text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz,
    CONSTRAINT operator_has_one_contract CHECK ((role = 'operator') = (contract IS NOT NULL))
);

-- secret_hash: SHA-256 of a 256-bit random secret; a slow hash adds nothing at that entropy.
CREATE TABLE access_key (
    access_key  text PRIMARY KEY,
    account     text NOT NULL REFERENCES account,
    secret_hash bytea NOT NULL CHECK (length(secret_hash) = 32),
    note        text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now(),
    revoked_at  timestamptz
);
CREATE INDEX ON access_key (account);

-- ls_sa_key, ssh_password: sealed (see store/secrets.py). distribution_id: its 128 bits.
CREATE TABLE adapter (
    serial            text PRIMARY KEY CHECK (serial ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    series            text NOT NULL,
    model             text NOT NULL,
    hardware_revision text NOT NULL DEFAULT '',
    distribution_id   uuid NOT NULL CONSTRAINT distribution_id_is_unique UNIQUE,
    ls_sa_key         bytea NOT NULL,
    ssh_username      text NOT NULL DEFAULT 'admin',
    ssh_password      bytea NOT NULL,
    ssh_host_key      text NOT NULL DEFAULT '',
    ssh_address       inet,
    ssh_port          integer NOT NULL DEFAULT 22 CHECK (ssh_port BETWEEN 1 AND 65535),
    ownership         text NOT NULL DEFAULT 'rented' CHECK (ownership IN ('rented', 'purchased')),
    reseller          text NOT NULL DEFAULT '',
    locked_out_at     timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT purchased_names_its_reseller CHECK ((ownership = 'purchased') = (reseller <> ''))
);

CREATE TABLE code (
    code            text PRIMARY KEY CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$'),
    contract        text NOT NULL REFERENCES contract,
    kind            text NOT NULL CHECK (kind IN ('entry', 'standby')),
    name            text NOT NULL DEFAULT '',
    description     text NOT NULL DEFAULT '',
    firmware_target text,
    created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON code (contract, code);

-- One adapter per code, one code per adapter. Deferrable: the statement that exchanges two rows passes
-- through a state a plain UNIQUE refuses. rs_sa_key belongs to the registration, so a change makes the
-- old adapter's key worthless (R3.7).
CREATE TABLE registration (
    code                 text PRIMARY KEY REFERENCES code,
    adapter              text NOT NULL REFERENCES adapter
                         CONSTRAINT one_code_per_adapter UNIQUE DEFERRABLE INITIALLY IMMEDIATE,
    rs_sa_key            bytea NOT NULL,
    heartbeat_passphrase bytea NOT NULL,
    since                timestamptz NOT NULL
);

-- adapter IS NULL: the code was vacated. A stay ends where the code's next row begins.
CREATE TABLE registration_ledger (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL,
    code    text NOT NULL REFERENCES code,
    adapter text REFERENCES adapter,
    cause   text NOT NULL CHECK (cause IN ('import', 'swap', 'vacated')),
    exchange bigint,
    account text NOT NULL
);
CREATE INDEX ON registration_ledger (code, at DESC, id DESC);
CREATE INDEX ON registration_ledger (adapter, at DESC, id DESC);

CREATE TABLE config_revision (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code    text NOT NULL REFERENCES code,
    module  integer NOT NULL CHECK (module BETWEEN 0 AND 99),
    body    bytea NOT NULL CHECK (length(body) <= 1048576),
    at      timestamptz NOT NULL,
    account text NOT NULL
);
CREATE INDEX ON config_revision (code, module, id DESC);

CREATE TABLE config_stage (
    code     text NOT NULL REFERENCES code,
    module   integer NOT NULL,
    stage    text NOT NULL CHECK (stage IN ('working', 'startup', 'running')),
    revision bigint NOT NULL REFERENCES config_revision,
    at       timestamptz NOT NULL,
    PRIMARY KEY (code, module, stage)
);

-- models, hardware_revisions: empty means every one of the series.
CREATE TABLE firmware_image (
    series             text NOT NULL,
    version            text NOT NULL CHECK (version ~ '^[0-9]+\.[0-9]+$'),
    version_key        integer[] NOT NULL,
    sha256             text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    size               bigint NOT NULL CHECK (size > 0),
    notes              text NOT NULL DEFAULT '',
    models             text[] NOT NULL DEFAULT '{}',
    hardware_revisions text[] NOT NULL DEFAULT '{}',
    released_at        timestamptz,
    available_at       timestamptz NOT NULL,
    PRIMARY KEY (series, version)
);
CREATE INDEX ON firmware_image (series, version_key DESC);

-- Every answer given to a known adapter (R3.14 evidence, panel's first and last pull).
CREATE TABLE pull (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL,
    adapter  text NOT NULL REFERENCES adapter,
    code     text REFERENCES code,
    message  text NOT NULL CHECK (message IN ('rs-solicitation', 'config-solicitation', 'push-method-query')),
    source   inet NOT NULL,
    trigger  text NOT NULL DEFAULT '',
    firmware text NOT NULL DEFAULT '',
    result   integer NOT NULL
);
CREATE INDEX ON pull (adapter, id DESC);
CREATE INDEX ON pull (code, id DESC);
CREATE INDEX ON pull (at);

-- The newest of what pulls with a right key said, one row an adapter: list pages and SSH addressing read it.
-- served: config revisions of the last successful config-solicitation; they become 'running' when the adapter
-- comes back with its method query, which a real client sends only after it has applied them.
CREATE TABLE contact (
    adapter       text PRIMARY KEY REFERENCES adapter,
    first_pull_at timestamptz NOT NULL,
    last_pull_at  timestamptz NOT NULL,
    last_message  text NOT NULL,
    last_result   integer NOT NULL,
    last_address  inet NOT NULL,
    firmware      text NOT NULL DEFAULT '',
    served        bigint[] NOT NULL DEFAULT '{}',
    in_service_at timestamptz
) WITH (fillfactor = 70);

CREATE TABLE exchange (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind          text NOT NULL CHECK (kind IN ('swap')),
    contract      text NOT NULL REFERENCES contract,
    entry         text NOT NULL REFERENCES code,
    standby       text NOT NULL REFERENCES code,
    new_adapter   text NOT NULL REFERENCES adapter,
    old_adapter   text NOT NULL REFERENCES adapter,
    firmware_target text,
    state         text NOT NULL CHECK (state IN ('ordered', 'pulled', 'confirmed', 'lapsed', 'superseded')),
    ordered_at    timestamptz NOT NULL,
    deadline_at   timestamptz NOT NULL,
    pulled_at     timestamptz,
    confirmed_at  timestamptz,
    lapsed_at     timestamptz,
    superseded_at timestamptz,
    account       text NOT NULL REFERENCES account,
    reason        text NOT NULL DEFAULT ''
);
-- A code is either entry or standby, so two partial indexes say "one open exchange per code". entry <> '' and
-- standby <> '' always hold; queries repeat them so that the planner takes the index that fits: with the same
-- predicate and no open exchange at ANALYZE both looked equally good, and the wrong one reads every open exchange.
CREATE UNIQUE INDEX one_open_exchange_per_entry ON exchange (entry)
    WHERE state IN ('ordered', 'pulled') AND entry <> '';
CREATE UNIQUE INDEX one_open_exchange_per_standby ON exchange (standby)
    WHERE state IN ('ordered', 'pulled') AND standby <> '';
-- A late one that came back after it had lapsed does not lapse again. (That condition also keeps the planner from
-- reading every open exchange through this index when it looks for the one of a code.)
CREATE INDEX exchange_to_lapse ON exchange (deadline_at) WHERE state IN ('ordered', 'pulled') AND lapsed_at IS NULL;
CREATE INDEX ON exchange (entry, id DESC);
CREATE INDEX ON exchange (new_adapter, id DESC);
CREATE INDEX ON exchange (contract, id DESC);

CREATE TABLE campaign (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account    text NOT NULL REFERENCES account,
    reason     text NOT NULL DEFAULT '',
    lines      text[] NOT NULL CHECK (cardinality(lines) BETWEEN 1 AND 10),
    created_at timestamptz NOT NULL
);

-- fence: grows with each claim; a worker whose lease was taken over records nothing.
CREATE TABLE task (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign    bigint NOT NULL REFERENCES campaign,
    code        text NOT NULL REFERENCES code,
    contract    text NOT NULL REFERENCES contract,
    adapter     text NOT NULL REFERENCES adapter,
    state       text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    failure     text,
    detail      text NOT NULL DEFAULT '',
    due_at      timestamptz NOT NULL,
    fence       integer NOT NULL DEFAULT 0,
    lease_until timestamptz,
    started_at  timestamptz,
    finished_at timestamptz,
    CONSTRAINT failed_says_why CHECK ((state = 'failed') = (failure IS NOT NULL)),
    CONSTRAINT running_has_a_lease CHECK ((state = 'running') = (lease_until IS NOT NULL))
);
CREATE UNIQUE INDEX one_running_task_per_adapter ON task (adapter) WHERE state = 'running';
CREATE INDEX task_waiting ON task (due_at, id) WHERE state = 'waiting';
CREATE INDEX task_lease ON task (lease_until) WHERE state = 'running';
CREATE INDEX ON task (campaign, id);
CREATE INDEX ON task (adapter, id DESC);
CREATE INDEX ON task (contract, id DESC);
CREATE INDEX task_open_per_code ON task (code) WHERE state IN ('waiting', 'running');

-- What an adapter printed: the evidence of a run (R2.3). Who and why stand in campaign.
CREATE TABLE transcript (
    task         bigint NOT NULL REFERENCES task,
    position     integer NOT NULL,
    line         text NOT NULL,
    body         bytea NOT NULL,
    truncated    boolean NOT NULL,
    failure      text,
    detail       text NOT NULL DEFAULT '',
    adapter      text NOT NULL,
    code         text NOT NULL,
    registered_since timestamptz NOT NULL,
    firmware     text NOT NULL,
    started_at   timestamptz NOT NULL,
    duration_s   real NOT NULL,
    PRIMARY KEY (task, position)
);

CREATE TABLE audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL,
    account text NOT NULL,
    role    text NOT NULL,
    source  text NOT NULL DEFAULT '',
    action  text NOT NULL,
    subject text NOT NULL,
    contract text,
    outcome text NOT NULL CHECK (outcome IN ('done', 'refused')),
    detail  jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX ON audit (contract, id DESC);
CREATE INDEX ON audit (subject, id DESC);

-- News for whoever delivers it later (push, mail, webhooks): written with the change itself.
CREATE TABLE outbox (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL,
    topic   text NOT NULL,
    subject text NOT NULL,
    payload jsonb NOT NULL
);

CREATE TABLE idempotency (
    account      text NOT NULL,
    key          text NOT NULL,
    request_hash bytea NOT NULL,
    started_at   timestamptz NOT NULL,
    status       integer,
    headers      jsonb,
    body         bytea,
    PRIMARY KEY (account, key)
);
CREATE INDEX ON idempotency (started_at);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: rows are never changed or deleted', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON registration_ledger
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON config_revision
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON transcript
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON registration_ledger
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON config_revision
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON transcript
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
