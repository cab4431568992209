-- Releases of firmware: what is catalogued, what of it may be offered, and to which unit.

-- hardware_lowest: the lowest hardware revision it runs on ('' = any). from_lowest: the lowest version that it can be
-- installed over (NULL = any). unsigned: imported, but no signed metadata names it yet; it is offered to nobody.
-- available_at: when it was here for adapters to fetch (R4.1). missed_why: why that was not on the vendor's day.
-- damaged_why: its image was found to be another one than was imported, as domain/why.py keeps it; offered to nobody.
ALTER TABLE firmware_image RENAME TO firmware_release;
ALTER TABLE firmware_release DROP CONSTRAINT firmware_image_version_check;
ALTER TABLE firmware_release
    ADD CONSTRAINT version_is_well_formed CHECK (version ~ '^[0-9A-Za-z][0-9A-Za-z._-]{0,31}$'),
    ADD code_name       text NOT NULL DEFAULT '',
    ADD notes_ja        text NOT NULL DEFAULT '',
    ADD notes_en        text NOT NULL DEFAULT '',
    ADD hardware_lowest text NOT NULL DEFAULT '',
    ADD from_lowest     text,
    ADD imported_at     timestamptz,
    ADD missed_why      text NOT NULL DEFAULT '',
    ADD state           text NOT NULL DEFAULT 'available' CHECK (state IN ('unsigned', 'available', 'withdrawn')),
    ADD signed_at       timestamptz,
    ADD withdrawn_at    timestamptz,
    ADD withdrawn_why   text,
    ADD withdrawn_by    text REFERENCES account,
    ADD notice_ja       text,
    ADD notice_en       text,
    ADD damaged_at      timestamptz,
    ADD damaged_why     jsonb,
    ADD CONSTRAINT damaged_says_why CHECK ((damaged_at IS NULL) = (damaged_why IS NULL)),
    ADD CONSTRAINT withdrawn_says_why
        CHECK ((state = 'withdrawn') = (withdrawn_at IS NOT NULL) AND (state = 'withdrawn') = (withdrawn_why IS NOT NULL));
UPDATE firmware_release SET notes_ja = notes, imported_at = available_at;
ALTER TABLE firmware_release DROP COLUMN notes, ALTER imported_at SET DEFAULT now(), ALTER imported_at SET NOT NULL;

-- All that may be offered to an adapter now. Whoever chooses an image looks here, so what is withdrawn (R4.3), has no
-- signature or a damaged image is out of the game everywhere at the same moment.
CREATE VIEW firmware_image AS
    SELECT series, version, version_key, sha256, size, models, hardware_revisions, hardware_lowest, from_lowest, code_name,
           released_at, available_at
    FROM firmware_release WHERE state = 'available' AND damaged_why IS NULL;

-- Two spellings of one version (3.9 and 3.09) are one release.
CREATE UNIQUE INDEX one_spelling_of_a_version ON firmware_release (series, version_key);
-- Who runs a version (R4.3).
CREATE INDEX contact_firmware ON contact (firmware);

-- As domain/firmware.revision_key: runs of digits count as numbers, so that rev9 comes before rev10, and before letters.
CREATE FUNCTION hardware_key(p_revision text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_agg(CASE WHEN part[1] ~ '^[0-9]'
                          THEN '0' || lpad(length(ltrim(part[1], '0'))::text, 4, '0') || ltrim(part[1], '0')
                          ELSE '1' || part[1] END COLLATE "C" ORDER BY n)
    FROM regexp_matches(lower(p_revision), '[0-9]+|[^0-9]+', 'g') WITH ORDINALITY AS parts (part, n)
$$;

-- As domain/firmware.Image.fits, of an image of the unit's series. A unit whose revision nobody knows is above no bound.
CREATE FUNCTION firmware_fits(
    p_models text[], p_revisions text[], p_lowest text, p_model text, p_revision text
) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT (p_models = '{}' OR p_model = ANY (p_models))
       AND (p_revisions = '{}' OR p_revision = ANY (p_revisions))
       AND (p_lowest = ''
            OR (p_revision <> '' AND hardware_key(p_revision) COLLATE "C" >= hardware_key(p_lowest) COLLATE "C"))
$$;

-- The newest for the hardware (R3.14) is judged by the same function. The rest of change_registrations is as it was.
DO $$
DECLARE
    v_old text := $old$(f.models = '{}' OR na.model = ANY (f.models))
                     AND (f.hardware_revisions = '{}' OR na.hardware_revision = ANY (f.hardware_revisions))$old$;
    v_new text := 'firmware_fits(f.models, f.hardware_revisions, f.hardware_lowest, na.model, na.hardware_revision)';
    v_definition text := pg_get_functiondef('change_registrations'::regproc);
BEGIN
    IF position(v_old IN v_definition) = 0 THEN
        RAISE EXCEPTION 'change_registrations does not choose firmware as it did in 0020';
    END IF;
    EXECUTE replace(v_definition, v_old, v_new);
END $$;
