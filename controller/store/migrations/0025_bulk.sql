-- Many swaps from one file, as services/bulk_exchanges.py plans them and services/bulk_turn.py carries them out.

-- contract: the one that all its codes are of, NULL when they are of several. at_once: how many of its exchanges may be
-- open. run_by: in whose name its exchanges are ordered, who started or resumed it last; NULL: not started. failures: rows
-- that failed since then. why: why it was paused, stopped or aborted, as domain/why.py has it.
CREATE TABLE bulk_exchange (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    contract   text REFERENCES contract,
    reason     text NOT NULL DEFAULT '',
    state      text NOT NULL CHECK (state IN ('planned', 'running', 'paused', 'stopped', 'aborted', 'finished')),
    why        jsonb,
    at_once    integer NOT NULL CHECK (at_once BETWEEN 1 AND 1000),
    stop_after integer CHECK (stop_after BETWEEN 1 AND 20000),
    account    text NOT NULL REFERENCES account,
    run_by     text REFERENCES account,
    failures   integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    ended_at   timestamptz
);
CREATE INDEX bulk_exchange_live ON bulk_exchange (id) WHERE state IN ('running', 'paused');
CREATE INDEX ON bulk_exchange (contract, id DESC);

-- why: of a row that was refused or failed, as above. plan: who goes out and who comes in, as it was
-- planned. after_lines: earlier rows that share a code with it. tries: how often its codes were taken at the moment it was
-- ordered. is_open: its exchange counts for at_once.
CREATE TABLE bulk_exchange_row (
    bulk        bigint NOT NULL REFERENCES bulk_exchange,
    line        integer NOT NULL,
    entry       text NOT NULL,
    standby     text NOT NULL,
    reason      text NOT NULL DEFAULT '',
    fault       text NOT NULL DEFAULT '',
    state       text NOT NULL
        CHECK (state IN ('refused', 'waiting', 'pre-flight', 'exchanged', 'failed', 'cancelled')),
    why         jsonb,
    plan        jsonb,
    after_lines integer[] NOT NULL DEFAULT '{}',
    tries       integer NOT NULL DEFAULT 0,
    exchange    bigint REFERENCES exchange,
    is_open     boolean NOT NULL DEFAULT false,
    PRIMARY KEY (bulk, line),
    CONSTRAINT what_was_exchanged_has_an_exchange
        CHECK (exchange IS NOT NULL OR state NOT IN ('pre-flight', 'exchanged')),
    CONSTRAINT what_was_refused_says_why CHECK ((why IS NOT NULL) = (state IN ('refused', 'failed')))
);
CREATE INDEX bulk_exchange_waiting ON bulk_exchange_row (bulk, line) WHERE state = 'waiting';
CREATE INDEX bulk_exchange_open ON bulk_exchange_row (bulk) WHERE is_open;
CREATE INDEX bulk_exchange_in_preflight ON bulk_exchange_row (bulk) WHERE state = 'pre-flight';
CREATE UNIQUE INDEX one_row_per_exchange ON bulk_exchange_row (exchange) WHERE exchange IS NOT NULL;
