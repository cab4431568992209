-- Keys that an adapter may still hold although its registration was replaced. A stock client whose tunnel was confirmed
-- once tries it again for ever (libarms 5.33): it must be told to pull in the tunnel, and that is all such a key opens.
-- rs_sa_key: sealed, as in registration. They are forgotten when the location server has told the adapter the new one.

CREATE TABLE former_key (
    adapter   text NOT NULL REFERENCES adapter ON DELETE CASCADE,
    rs_sa_key bytea NOT NULL,
    PRIMARY KEY (adapter, rs_sa_key)
);

CREATE FUNCTION keep_former_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Not when the key has travelled with its adapter to another code: this runs when all rows are what they will be.
    IF NOT EXISTS (SELECT FROM registration WHERE adapter = OLD.adapter AND rs_sa_key = OLD.rs_sa_key) THEN
        INSERT INTO former_key (adapter, rs_sa_key) VALUES (OLD.adapter, OLD.rs_sa_key) ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_former_key AFTER DELETE OR UPDATE OF adapter, rs_sa_key ON registration
    FOR EACH ROW EXECUTE FUNCTION keep_former_key();

CREATE FUNCTION forget_former_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM former_key WHERE adapter = NEW.adapter;
    RETURN NULL;
END $$;
CREATE TRIGGER forget_former_keys AFTER INSERT ON pull
    FOR EACH ROW WHEN (NEW.message = 'rs-solicitation' AND NEW.result = 100) EXECUTE FUNCTION forget_former_keys();
