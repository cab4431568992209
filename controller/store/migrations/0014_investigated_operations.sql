-- Push operations under an investigation, and results of the operator's own operations that support staff may read: for
-- tasks both are in 0009 (R2.2, R2.3).
ALTER TABLE operation ADD investigation bigint REFERENCES investigation;
CREATE INDEX ON operation (investigation) WHERE investigation IS NOT NULL;

CREATE TABLE investigation_operation (
    investigation bigint NOT NULL REFERENCES investigation,
    operation     bigint NOT NULL REFERENCES operation,
    executed_at   timestamptz NOT NULL,
    added_at      timestamptz NOT NULL,
    added_by      text NOT NULL,
    PRIMARY KEY (investigation, operation)
);
CREATE INDEX ON investigation_operation (operation);
