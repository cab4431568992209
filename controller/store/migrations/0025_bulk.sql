-- Many exchanges from one file, as services/bulk_exchanges.py plans them and carries them out.

-- run_by: in whose name its exchanges are ordered, who started or resumed it last; NULL: not started. failures: rows that
-- failed since then. contract: the one that all its codes are of, NULL when they are of several.
ALTER TABLE bulk_exchange
    ADD run_by text REFERENCES account,
    ADD failures integer NOT NULL DEFAULT 0;
CREATE INDEX ON bulk_exchange (contract, id DESC);

-- why: of a row that was refused or failed, {sentence, next_step, params}. plan: who goes out and who comes in, as it was
-- planned. after_lines: earlier rows that share a code with it. tries: how often its codes were taken at the moment it was
-- ordered. is_open: its exchange counts for at_once.
ALTER TABLE bulk_exchange_row
    DROP COLUMN why,
    ADD why jsonb,
    ADD fault text NOT NULL DEFAULT '',
    ADD plan jsonb,
    ADD after_lines integer[] NOT NULL DEFAULT '{}',
    ADD tries integer NOT NULL DEFAULT 0,
    ADD is_open boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT bulk_exchange_row_state_check,
    ADD CONSTRAINT bulk_exchange_row_state_check
        CHECK (state IN ('refused', 'waiting', 'pre-flight', 'exchanged', 'failed', 'cancelled')),
    ADD CONSTRAINT what_was_exchanged_has_an_exchange
        CHECK (exchange IS NOT NULL OR state NOT IN ('pre-flight', 'exchanged')),
    ADD CONSTRAINT what_was_refused_says_why CHECK ((why IS NOT NULL) = (state IN ('refused', 'failed')));
CREATE UNIQUE INDEX one_row_per_exchange ON bulk_exchange_row (exchange) WHERE exchange IS NOT NULL;
CREATE INDEX bulk_exchange_open ON bulk_exchange_row (bulk) WHERE is_open;
CREATE INDEX bulk_exchange_in_preflight ON bulk_exchange_row (bulk) WHERE state = 'pre-flight';
