-- Stock: a million units sit on codes, a few thousand do not; the lists of stock must cost what the few cost.

-- stocked: false while the unit simply sits on a code. Kept by the triggers below; whoever adds units together with their
-- registrations says it at once, which saves a second version of each row. (A swap and a
-- replacement only update registrations: who is on a code by a swap stays there, and a replacement moves its units'
-- stock, so neither pays for a trigger on registration.)
ALTER TABLE adapter ADD stocked boolean NOT NULL DEFAULT true;
UPDATE adapter SET stocked = false FROM registration r WHERE r.adapter = adapter.serial;
DROP INDEX adapter_in_stock;
DROP INDEX adapter_by_stock;
CREATE INDEX adapter_stocked ON adapter (serial) WHERE stocked;
CREATE INDEX adapter_stocked_by_model ON adapter (stock, series, model, serial) WHERE stocked;

-- A unit that an exchange put out comes back into service through stock, where it is checked and unlocked (R3.7).
ALTER TABLE adapter ADD CONSTRAINT replaced_ones_are_not_in_stock
    CHECK (locked_by_exchange IS NULL OR stock IN ('under-return', 'returned', 'retired'));

CREATE FUNCTION keep_stocked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.stocked := NEW.stock <> 'in-stock' OR NOT EXISTS (SELECT FROM registration WHERE adapter = NEW.serial);
    RETURN NEW;
END $$;
CREATE TRIGGER keep_stocked BEFORE UPDATE OF stock ON adapter FOR EACH ROW EXECUTE FUNCTION keep_stocked();

-- Only a unit in stock is registered. (A replacement is in transit; it takes its place by an UPDATE.)
CREATE FUNCTION registered_from_stock() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_serial text;
    v_stock  text;
BEGIN
    SELECT a.serial, a.stock INTO v_serial, v_stock FROM adapter a JOIN came ON came.adapter = a.serial
    WHERE a.stock <> 'in-stock' LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'adapter % is %, so no code can hold it', v_serial, v_stock
            USING ERRCODE = 'check_violation', CONSTRAINT = 'only_units_in_stock_are_registered';
    END IF;
    UPDATE adapter SET stocked = false FROM came WHERE adapter.serial = came.adapter AND adapter.stocked;
    RETURN NULL;
END $$;
CREATE TRIGGER registered_from_stock AFTER INSERT ON registration REFERENCING NEW TABLE AS came
    FOR EACH STATEMENT EXECUTE FUNCTION registered_from_stock();

CREATE FUNCTION back_to_stock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE adapter SET stocked = true FROM gone WHERE adapter.serial = gone.adapter AND NOT adapter.stocked;
    RETURN NULL;
END $$;
CREATE TRIGGER back_to_stock AFTER DELETE ON registration REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION back_to_stock();

-- The same from the other side, looked at when the transaction ends: whoever takes a unit off a code may do both in any
-- order.
CREATE FUNCTION put_away_is_on_no_code() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM registration r JOIN adapter a ON a.serial = r.adapter
               WHERE r.adapter = NEW.serial AND a.stock IN ('under-return', 'returned', 'retired')) THEN
        RAISE EXCEPTION 'adapter % is put away, but a code holds it', NEW.serial
            USING ERRCODE = 'check_violation', CONSTRAINT = 'put_away_is_on_no_code';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER put_away_is_on_no_code AFTER UPDATE OF stock ON adapter DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.stock IN ('under-return', 'returned', 'retired'))
    EXECUTE FUNCTION put_away_is_on_no_code();

CREATE INDEX ON stock_ledger (exchange) WHERE exchange IS NOT NULL;
