-- Cases. reported_by: account of the operator whose report it was, '' when nobody wrote it down (R1.2). stuck_at: since
-- when the clock could not do what was due; why says what stood in its way, and goes with the next move.
ALTER TABLE exchange
    ADD reported_by text NOT NULL DEFAULT '',
    ADD stuck_at timestamptz;

-- What the clock and lists look for. Swaps are many, other indexes find them, and they pay nothing for these.
CREATE INDEX exchange_case_by_state ON exchange (state, id) WHERE kind <> 'swap';
CREATE INDEX exchange_case_by_kind ON exchange (kind, id) WHERE kind <> 'swap';
