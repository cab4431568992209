-- Evidence is never changed, and ends only by retention: in a transaction that says so with its own number,
-- SET LOCAL hikitsugi.retention = <pg_current_xact_id()>. A setting that outlives its transaction lets nothing through.
CREATE FUNCTION refuse_change_but_retention() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('hikitsugi.retention', true) = pg_current_xact_id()::text THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is evidence: rows are never changed, and deleted by retention only', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;

DROP TRIGGER append_only ON transcript;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON transcript
    FOR EACH ROW EXECUTE FUNCTION refuse_change_but_retention();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON output
    FOR EACH ROW EXECUTE FUNCTION refuse_change_but_retention();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON output
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON share_access
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON share_access
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Search goes from the newest to the oldest, whatever it looks for.
DROP INDEX transcript_started_at_idx;
CREATE INDEX transcript_by_time ON transcript (started_at DESC, task DESC, position DESC);
CREATE INDEX transcript_of_adapter ON transcript (adapter, started_at DESC, task DESC, position DESC);
CREATE INDEX transcript_of_code ON transcript (code, started_at DESC, task DESC, position DESC);
CREATE INDEX transcript_of_command ON transcript (command, started_at DESC, task DESC, position DESC);

-- pseudonym_key: sealed; the names that a redacted share shows in place of others follow from it. Whoever has the link
-- must not be able to try out which address is behind a name, so it does not follow from the token.
ALTER TABLE share
    ADD pseudonym_key bytea,
    ADD CONSTRAINT redacted_with_a_key CHECK (redact = (pseudonym_key IS NOT NULL)),
    ADD CONSTRAINT ends_after_it_began CHECK (expires_at > created_at);
CREATE INDEX ON share (contract, id DESC);
CREATE INDEX ON share (campaign) WHERE campaign IS NOT NULL;
CREATE INDEX ON share (task) WHERE task IS NOT NULL;
