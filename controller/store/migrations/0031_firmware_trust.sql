-- Signed metadata of firmware: what was published, the keys the controller signs with, and what may be offered for it.

-- Every document as it was published, byte for byte; the highest version of a role is the current one.
-- serial: grows with each, so that a copy in memory can be told from a newer state.
CREATE TABLE firmware_metadata (
    role         text NOT NULL CHECK (role ~ '^[a-z][a-z0-9]{0,15}$'),
    version      integer NOT NULL CHECK (version > 0),
    serial       bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    body         bytea NOT NULL CHECK (octet_length(body) BETWEEN 2 AND 2000000),
    expires_at   timestamptz NOT NULL,
    published_at timestamptz NOT NULL,
    published_by text NOT NULL,  -- an account, or 'controller' for what it signs itself
    PRIMARY KEY (role, version)
);
CREATE FUNCTION refuse_change_of_metadata() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'published metadata is never changed; of it, only old snapshots and timestamps are deleted'
        USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER published_is_published BEFORE UPDATE ON firmware_metadata
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_metadata();
CREATE TRIGGER offline_signatures_stay BEFORE DELETE ON firmware_metadata
    FOR EACH ROW WHEN (OLD.role NOT IN ('snapshot', 'timestamp')) EXECUTE FUNCTION refuse_change_of_metadata();

-- The controller's own keys. sealed: the private key, as all secrets at rest.
CREATE TABLE firmware_online_key (
    keyid   text PRIMARY KEY,
    role    text NOT NULL CHECK (role IN ('snapshot', 'timestamp')),
    public  jsonb NOT NULL,
    sealed  bytea NOT NULL,
    made_at timestamptz NOT NULL,
    made_by text NOT NULL REFERENCES account
);

-- A row from the key ceremony on. broken_why: why the chain cannot be believed now, as reasons are kept (domain/why.py).
-- series_why: by series, why its document alone cannot be believed; other series go on.
CREATE TABLE firmware_trust (
    one            boolean PRIMARY KEY DEFAULT true CHECK (one),
    established_at timestamptz NOT NULL,
    established_by text NOT NULL REFERENCES account,
    checked_at     timestamptz NOT NULL,
    broken_since   timestamptz,
    broken_why     jsonb,
    series_why     jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT broken_says_why CHECK ((broken_since IS NULL) = (broken_why IS NULL))
);

-- What people were told of and when, so that they are told once a day.
CREATE TABLE firmware_alarm (
    subject text PRIMARY KEY,
    told_at timestamptz NOT NULL
);

-- was_offered: adapters could fetch it once; what is signed for the first time is available from then on (R4.1).
ALTER TABLE firmware_release ADD was_offered boolean NOT NULL DEFAULT false;
UPDATE firmware_release SET was_offered = true;

-- From the ceremony on nothing is offered that no signed metadata names, whoever writes here (R4.1, R4.3).
CREATE FUNCTION unsigned_is_not_offered() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 'available' AND NEW.signed_at IS NULL AND EXISTS (SELECT FROM firmware_trust) THEN
        IF TG_OP = 'UPDATE' THEN
            RAISE EXCEPTION 'firmware % % is in no signed metadata, so it cannot be made available',
                NEW.series, NEW.version USING ERRCODE = 'restrict_violation';
        END IF;
        NEW.state := 'unsigned';
    END IF;
    NEW.was_offered := NEW.was_offered OR NEW.state = 'available';
    RETURN NEW;
END $$;
CREATE TRIGGER unsigned_is_not_offered BEFORE INSERT OR UPDATE OF state, signed_at ON firmware_release
    FOR EACH ROW EXECUTE FUNCTION unsigned_is_not_offered();
