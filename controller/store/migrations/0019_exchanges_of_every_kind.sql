-- Every maintenance exchange is a case in one table: swap, send-back, on-site, return after a swap (R3.1-R3.17). The
-- moves are data in domain/exchange.py; here is what must never be broken.

-- delivery_address: where replacements go unless a case names another place (R3.5). ultra_send_back: the option that
-- on-site exchange needs (R3.15).
ALTER TABLE contract
    ADD delivery_address text NOT NULL DEFAULT '' CHECK (length(delivery_address) <= 500),
    ADD ultra_send_back boolean NOT NULL DEFAULT false;

-- stock: where a unit is that sits on no code. (While it sits on one, it is 'in-stock' here, or 'in-transit' on its way
-- to a code that holds it already.) locked_by_exchange: locked out because this exchange replaced it (R3.7).
ALTER TABLE adapter
    ADD stock text NOT NULL DEFAULT 'in-stock'
        CHECK (stock IN ('in-stock', 'in-transit', 'under-return', 'returned', 'retired')),
    ADD stock_since timestamptz,
    ADD locked_by_exchange bigint REFERENCES exchange,
    ADD CONSTRAINT replaced_ones_are_locked_out CHECK (locked_by_exchange IS NULL OR locked_out_at IS NOT NULL);
CREATE INDEX adapter_in_stock ON adapter (series, model, serial) WHERE stock = 'in-stock';
CREATE INDEX adapter_by_stock ON adapter (stock, serial) WHERE stock <> 'in-stock';
-- Who was locked out just now is looked for twice a second, to end what is open to them (R3.7).
CREATE INDEX adapter_locked_out ON adapter (locked_out_at) WHERE locked_out_at IS NOT NULL;

-- Each move of a unit in or out of stock; exchange: the case it belongs to.
CREATE TABLE stock_ledger (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL,
    adapter    text NOT NULL REFERENCES adapter,
    from_stock text NOT NULL,
    to_stock   text NOT NULL,
    exchange   bigint REFERENCES exchange,
    account    text NOT NULL,
    note       text NOT NULL DEFAULT ''
);
CREATE INDEX ON stock_ledger (adapter, id DESC);

-- entry, standby: a swap has both; any other case has the one its unit sits on. ordered_at: when it was opened.
-- deadline_at: by when the next thing should have happened. state_since: since when it is in its state.
-- fault: what the customer reported. received_at: when; channel: how; received_on: the day it counts for (R3.4).
-- address: R3.5, '' = the contract's. arrives_on: the delivery estimate. change_at: when the registration is changed by
-- rule; changed_at: when it was. return_due_at: R3.9. of_exchange: the swap that a return follows. why: of what was
-- declined, withdrawn, written off, or collected without a confirmed boot (R3.17).
-- evidence: what was collected before removal; evidence_reason: why a case was closed without. reported_by: account of
-- the operator whose report it was, '' when nobody wrote it down (R1.2). stuck_at: since when the clock could not do what
-- was due; why says what stood in its way, and goes with the next move. What why looks like: domain/why.py.
ALTER TABLE exchange
    DROP CONSTRAINT exchange_kind_check,
    ADD CONSTRAINT exchange_kind_check CHECK (kind IN ('swap', 'send-back', 'on-site', 'return')),
    DROP CONSTRAINT exchange_state_check,
    ADD CONSTRAINT exchange_state_check CHECK (state IN (
        'pre-flight', 'ordered', 'pulled', 'confirmed', 'lapsed', 'superseded',
        'reported', 'requested', 'recognised', 'declined', 'withdrawn', 'dispatched', 'driver-assigned',
        'registration-changed', 'delivered', 'boot-confirmed', 'returned', 'overdue', 'collected',
        'waiting', 'received', 'registered', 'closed')),
    ALTER entry DROP NOT NULL,
    ALTER standby DROP NOT NULL,
    ALTER new_adapter DROP NOT NULL,
    ALTER deadline_at DROP NOT NULL,
    ADD state_since timestamptz,
    ADD fault text NOT NULL DEFAULT '',
    ADD received_at timestamptz,
    ADD channel text NOT NULL DEFAULT '' CHECK (channel IN ('', 'phone', 'web', 'e-mail')),
    ADD received_on date,
    ADD address text NOT NULL DEFAULT '',
    ADD arrives_on date,
    ADD shipment text NOT NULL DEFAULT '',
    ADD driver text NOT NULL DEFAULT '',
    ADD dispatched_at timestamptz,
    ADD change_at timestamptz,
    ADD changed_at timestamptz,
    ADD delivered_at timestamptz,
    ADD return_due_at timestamptz,
    ADD returned_at timestamptz,
    ADD ended_at timestamptz,
    ADD of_exchange bigint REFERENCES exchange,
    ADD why jsonb,
    ADD evidence text NOT NULL DEFAULT 'none'
        CHECK (evidence IN ('none', 'unreachable', 'collecting', 'partial', 'collected')),
    ADD evidence_campaign bigint REFERENCES campaign,
    ADD evidence_reason text NOT NULL DEFAULT '',
    ADD reported_by text NOT NULL DEFAULT '',
    ADD stuck_at timestamptz,
    ADD CONSTRAINT a_swap_has_both_sides
        CHECK (kind <> 'swap' OR (entry IS NOT NULL AND standby IS NOT NULL AND new_adapter IS NOT NULL)),
    ADD CONSTRAINT a_case_has_one_code CHECK (kind = 'swap' OR (entry IS NULL) <> (standby IS NULL));
UPDATE exchange SET changed_at = ordered_at,
    state_since = coalesce(superseded_at, confirmed_at, lapsed_at, pulled_at, ordered_at),
    ended_at = CASE WHEN state NOT IN ('ordered', 'pulled') THEN coalesce(superseded_at, confirmed_at, lapsed_at) END;
ALTER TABLE exchange ALTER state_since SET NOT NULL, ALTER state_since SET DEFAULT now();

-- A code is held from the moment its next adapter is decided until that one has taken its place.
DROP INDEX one_open_exchange_per_entry;
DROP INDEX one_open_exchange_per_standby;
CREATE UNIQUE INDEX one_open_exchange_per_entry ON exchange (entry)
    WHERE state IN ('pre-flight', 'ordered', 'pulled', 'dispatched', 'driver-assigned') AND entry <> '';
CREATE UNIQUE INDEX one_open_exchange_per_standby ON exchange (standby)
    WHERE state IN ('pre-flight', 'ordered', 'pulled', 'dispatched', 'driver-assigned') AND standby <> '';
-- A faulty unit has one case, a replacement goes to one place.
CREATE UNIQUE INDEX one_open_case_per_unit ON exchange (old_adapter)
    WHERE kind <> 'swap' AND state NOT IN ('declined', 'withdrawn', 'closed');
CREATE UNIQUE INDEX one_destination_per_replacement ON exchange (new_adapter)
    WHERE kind <> 'swap' AND state IN ('dispatched', 'driver-assigned');
CREATE INDEX exchange_open_by_deadline ON exchange (deadline_at, id) WHERE ended_at IS NULL;
CREATE INDEX exchange_to_change ON exchange (change_at) WHERE state IN ('dispatched', 'driver-assigned');
CREATE INDEX exchange_collecting ON exchange (id) WHERE evidence = 'collecting';
CREATE INDEX ON exchange (standby, id DESC);
CREATE INDEX ON exchange (old_adapter, id DESC);
CREATE INDEX ON exchange (of_exchange) WHERE of_exchange IS NOT NULL;
CREATE INDEX ON exchange (ordered_at);
-- What the clock and lists look for among cases. Swaps are many, other indexes find them, and they pay nothing for these.
CREATE INDEX exchange_case_by_state ON exchange (state, id) WHERE kind <> 'swap';
CREATE INDEX exchange_case_by_kind ON exchange (kind, id) WHERE kind <> 'swap';
CREATE INDEX exchange_stuck ON exchange (id) WHERE stuck_at IS NOT NULL;

-- The journal of a case: each move after its opening. note: what the person wrote; data: what came with it.
CREATE TABLE exchange_move (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    exchange   bigint NOT NULL REFERENCES exchange,
    at         timestamptz NOT NULL,
    event      text NOT NULL,
    from_state text NOT NULL,
    to_state   text NOT NULL,
    account    text NOT NULL,
    role       text NOT NULL,
    note       text NOT NULL DEFAULT '',
    data       jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX ON exchange_move (exchange, id);

-- What people are to be told of in time; done_at: the news is in the outbox, or no longer needed.
CREATE TABLE exchange_reminder (
    exchange bigint NOT NULL REFERENCES exchange,
    what     text NOT NULL,
    due_at   timestamptz NOT NULL,
    done_at  timestamptz,
    PRIMARY KEY (exchange, what)
);
CREATE INDEX exchange_reminder_due ON exchange_reminder (due_at) WHERE done_at IS NULL;

ALTER TABLE registration_ledger
    DROP CONSTRAINT registration_ledger_cause_check,
    ADD CONSTRAINT registration_ledger_cause_check
        CHECK (cause IN ('import', 'swap', 'vacated', 'send-back', 'on-site', 'return'));

-- Company holidays. day: 'MM-DD' every year, or 'YYYY-MM-DD' once. works: worked although the calendar says closed.
CREATE TABLE company_holiday (
    day        text PRIMARY KEY CHECK (day ~ '^([0-9]{4}-)?(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$'),
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    works      boolean NOT NULL DEFAULT false,
    account    text NOT NULL,
    changed_at timestamptz NOT NULL
);
INSERT INTO company_holiday (day, name, account, changed_at)
SELECT day, 'year-end and new year', 'controller', now()
FROM unnest('{12-29,12-30,12-31,01-01,01-02,01-03}'::text[]) AS d (day);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON stock_ledger
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON exchange_move
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON stock_ledger
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON exchange_move
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
