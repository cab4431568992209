-- The questions people ask of the ledger, search, and lists that cost the same with a million adapters as with ten.
-- Swaps write registration, registration_ledger, exchange and, when the firmware target changes, code. What an index
-- here costs them is said beside it.

-- Which contract a registration belongs to: its code's, kept here so that one index leads an operator to the own
-- adapters in order. Swaps insert two more entries into it, which is measured by benchmarks/registry.py.
ALTER TABLE code ADD CONSTRAINT code_and_its_contract UNIQUE (code, contract);
ALTER TABLE registration ADD contract text;
UPDATE registration r SET contract = c.contract FROM code c WHERE c.code = r.code;
ALTER TABLE registration
    ALTER contract SET NOT NULL,
    DROP CONSTRAINT registration_code_fkey,
    ADD CONSTRAINT contract_is_the_codes FOREIGN KEY (code, contract) REFERENCES code (code, contract)
        ON UPDATE CASCADE;
CREATE FUNCTION contract_of_the_code() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT c.contract INTO NEW.contract FROM code c WHERE c.code = NEW.code;
    RETURN NEW;
END $$;
CREATE TRIGGER contract_of_the_code BEFORE INSERT ON registration
    FOR EACH ROW WHEN (NEW.contract IS NULL) EXECUTE FUNCTION contract_of_the_code();
CREATE INDEX registration_by_contract ON registration (contract, adapter COLLATE "C");

-- Lists by kind and by series: without these a list of the few standbys walks over all entries that come first by name.
-- Pages leave room, so that a change of the firmware target stays in its page and touches no index.
ALTER TABLE code SET (fillfactor = 90);
CREATE INDEX ON code (kind, code);
CREATE INDEX ON code (contract, kind, code);
CREATE INDEX ON adapter (series, serial);

-- Search by how a name begins and how it ends (docs/decisions/search-by-beginning-and-end.md). No swap changes a name.
CREATE INDEX code_begins ON code (lower(code) COLLATE "C");
CREATE INDEX code_begins_in_contract ON code (contract, lower(code) COLLATE "C");
CREATE INDEX code_ends ON code (reverse(lower(code)) COLLATE "C");
CREATE INDEX code_name_begins ON code (lower(name) COLLATE "C") WHERE name <> '';
CREATE INDEX code_name_begins_in_contract ON code (contract, lower(name) COLLATE "C") WHERE name <> '';
CREATE INDEX adapter_begins ON adapter (lower(serial) COLLATE "C");
CREATE INDEX adapter_ends ON adapter (reverse(lower(serial)) COLLATE "C");
CREATE INDEX contract_begins ON contract (lower(contract) COLLATE "C");
CREATE INDEX contract_name_begins ON contract (lower(name) COLLATE "C") WHERE name <> '';

-- What an adapter ran when, kept longer than its pulls.
CREATE TABLE firmware_seen (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    adapter text NOT NULL REFERENCES adapter,
    at      timestamptz NOT NULL,
    version text NOT NULL CHECK (version <> '')
);
CREATE INDEX ON firmware_seen (adapter, at, id);
INSERT INTO firmware_seen (adapter, at, version)
SELECT adapter, at, firmware
FROM (SELECT adapter, at, id, firmware, lag(firmware) OVER (PARTITION BY adapter ORDER BY id) AS earlier
      FROM pull WHERE firmware <> '') AS p
WHERE firmware IS DISTINCT FROM earlier ORDER BY id;
-- Of one that told its version before the oldest pull that is kept: when it pulled first.
INSERT INTO firmware_seen (adapter, at, version)
SELECT adapter, first_pull_at, firmware FROM contact k
WHERE firmware <> '' AND NOT EXISTS (SELECT FROM firmware_seen f WHERE f.adapter = k.adapter);

CREATE FUNCTION note_firmware() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO firmware_seen (adapter, at, version) VALUES (NEW.adapter, NEW.last_pull_at, NEW.firmware);
    RETURN NULL;
END $$;
CREATE TRIGGER note_first_firmware AFTER INSERT ON contact
    FOR EACH ROW WHEN (NEW.firmware <> '') EXECUTE FUNCTION note_firmware();
CREATE TRIGGER note_new_firmware AFTER UPDATE OF firmware ON contact
    FOR EACH ROW WHEN (NEW.firmware <> '' AND NEW.firmware IS DISTINCT FROM OLD.firmware)
    EXECUTE FUNCTION note_firmware();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON firmware_seen
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON firmware_seen
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What the outgoing adapter ran when the exchange was opened; "" when nobody knows. Whoever inserts the row may give
-- it; else it is looked up.
ALTER TABLE exchange ADD old_firmware text;
UPDATE exchange x SET old_firmware = coalesce(
    (SELECT version FROM firmware_seen f WHERE f.adapter = x.old_adapter AND f.at <= x.ordered_at
     ORDER BY f.at DESC, f.id DESC LIMIT 1), '');
ALTER TABLE exchange ALTER old_firmware SET NOT NULL;
CREATE FUNCTION firmware_of_the_old() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.old_firmware := coalesce((SELECT firmware FROM contact WHERE adapter = NEW.old_adapter), '');
    RETURN NEW;
END $$;
CREATE TRIGGER firmware_of_the_old BEFORE INSERT ON exchange
    FOR EACH ROW WHEN (NEW.old_firmware IS NULL) EXECUTE FUNCTION firmware_of_the_old();

-- Faulty adapters that somebody has yet to send back (R3.9). A swap itself has no such date and is not in here.
CREATE INDEX exchange_return_due ON exchange (return_due_at, id)
    WHERE return_due_at IS NOT NULL AND returned_at IS NULL AND ended_at IS NULL;

-- The few swaps that did not go as they should, for lists of them. One that is ordered and confirmed is never in here.
CREATE INDEX exchange_gone_wrong ON exchange (state, id) WHERE state IN ('lapsed', 'superseded', 'withdrawn');
