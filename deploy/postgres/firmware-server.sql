-- A role for `hikitsugi firmware serve` on a machine of its own: what it reads, and its log of downloads.
-- As the owner of the database, once, and again after an upgrade:
--
--     psql "$HIKITSUGI_DATABASE_URL" -v ON_ERROR_STOP=1 -f deploy/postgres/firmware-server.sql
--     psql "$HIKITSUGI_DATABASE_URL" -c '\password firmware_server'
--
-- Then that machine's database_url names firmware_server. It needs secrets.key (to compare what adapters show), and must
-- not be given firmware-signing.key. Whoever takes it over reads these tables, and can offer no image and sign nothing.
DO $$ BEGIN
    CREATE ROLE firmware_server LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE;
EXCEPTION WHEN duplicate_object THEN
    NULL;  -- there already
END $$;

GRANT USAGE ON SCHEMA public TO firmware_server;

-- Is this the schema, and is this the key file of this database?
GRANT SELECT ON migration, sealing TO firmware_server;

-- Which adapter asks, and what it is to run.
GRANT SELECT ON adapter, registration, code, contact, exchange, config_stage, config_revision TO firmware_server;
GRANT SELECT ON firmware_image, firmware_release, firmware_metadata TO firmware_server;

-- What went out.
GRANT SELECT, INSERT, UPDATE ON firmware_download TO firmware_server;
