-- Each audit row is sealed soon after it was committed: its hash covers the row and the hash before it, so that a
-- changed or missing row shows. Sealing is a turn of its own, so that no writer waits for another one.
CREATE TABLE audit_chain (
    position  bigint PRIMARY KEY CHECK (position > 0),
    audit     bigint NOT NULL UNIQUE,
    hash      bytea NOT NULL CHECK (length(hash) = 32),
    sealed_at timestamptz NOT NULL
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_chain
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON audit_chain
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE INDEX ON audit (at);
CREATE INDEX ON audit (account, id DESC);
