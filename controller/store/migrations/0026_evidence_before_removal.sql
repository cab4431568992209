-- Evidence of an adapter, collected before it is taken out of service. What is enough is in domain/evidence.py.

-- exchange: the controller's own collection for this case, in the name of who opened it.
ALTER TABLE campaign ADD exchange bigint REFERENCES exchange;
CREATE INDEX ON campaign (exchange) WHERE exchange IS NOT NULL;

-- The configs that the code of the outgoing adapter had when the case was opened: the device may be gone by then.
CREATE TABLE exchange_config (
    exchange bigint NOT NULL REFERENCES exchange,
    module   integer NOT NULL,
    stage    text NOT NULL CHECK (stage IN ('startup', 'running')),
    revision bigint NOT NULL REFERENCES config_revision,
    PRIMARY KEY (exchange, module, stage)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON exchange_config
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON exchange_config
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Cases whose adapter may come back before it is taken out, and swaps that wait for their evidence.
CREATE INDEX exchange_lacks_evidence ON exchange (id)
    WHERE evidence IN ('unreachable', 'partial') AND changed_at IS NULL AND ended_at IS NULL;
CREATE INDEX exchange_in_pre_flight ON exchange (id) WHERE state = 'pre-flight';
