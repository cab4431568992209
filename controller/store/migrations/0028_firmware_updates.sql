-- Updates of the firmware of one code's adapter. The moves are data in domain/firmware_update.py.

-- adapter, registered_since: of the registration it is meant for. from_version: what the adapter said it ran when this
-- was asked for, '' = it had not said. path: the versions it goes through, the last one is version. fetches, sha256, size:
-- the one of them that it is to fetch now; step_at: since when. start: at-once = a connected adapter is told to pull, next-boot = it finds out by itself.
-- daily: the window of each day in which it may begin, {"opens", "closes", "days", "zone"}; NULL: any time.
-- due_at: while it is scheduled, when it is looked at next; waits: why it has not begun although its time has come, as
-- domain/why.py has it. had_way: the adapter could be pushed to when it began, so it must confirm a way again.
-- ordered_at: since when the version is the code's target. told_at: the order to pull was given, the last time;
-- told_again: so often after the first, to one that could not fetch the image. asked_at: its first pull since then.
-- sent_at: the last byte of the image went out. reported_at: it said that it runs the version. An update is open
-- until ended_at. bytes: of the image, when it was looked at last. target_after: what the code's target was made when
-- this had failed or was cancelled (NULL: nothing, or it was not touched).
CREATE TABLE firmware_update (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code             text NOT NULL REFERENCES code,
    contract         text NOT NULL REFERENCES contract,
    adapter          text NOT NULL REFERENCES adapter,
    registered_since timestamptz NOT NULL,
    series           text NOT NULL,
    from_version     text NOT NULL DEFAULT '',
    version          text NOT NULL,
    path             text[] NOT NULL,
    fetches          text NOT NULL,
    sha256           text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    size             bigint NOT NULL CHECK (size > 0),
    downgrade        boolean NOT NULL DEFAULT false,
    start            text NOT NULL CHECK (start IN ('at-once', 'next-boot')),
    state            text NOT NULL CHECK (state IN (
        'scheduled', 'ordered', 'downloading', 'flashing', 'checking', 'good', 'failed', 'cancelled')),
    failure          text CHECK (failure IN (
        'refused-by-adapter', 'came-back-with-old', 'never-asked', 'gave-up', 'never-called-back',
        'no-connection-check', 'too-late', 'withdrawn', 'overtaken', 'aborted', 'replaced')),
    why              jsonb,
    waits            jsonb,
    not_before       timestamptz,
    not_after        timestamptz,
    daily            jsonb,
    due_at           timestamptz NOT NULL,
    had_way          boolean NOT NULL DEFAULT false,
    target_before    text,
    target_after     text,
    bytes            bigint NOT NULL DEFAULT 0,
    rollout          bigint,
    wave             integer,
    account          text NOT NULL REFERENCES account,
    reason           text NOT NULL DEFAULT '',
    created_at       timestamptz NOT NULL,
    state_since      timestamptz NOT NULL,
    ordered_at       timestamptz,
    step_at          timestamptz,
    told_at          timestamptz,
    told_again       integer NOT NULL DEFAULT 0 CHECK (told_again >= 0),
    asked_at         timestamptz,
    sent_at          timestamptz,
    reported_at      timestamptz,
    deadline_at      timestamptz,
    ended_at         timestamptz,
    FOREIGN KEY (series, version) REFERENCES firmware_release,
    CONSTRAINT a_path_leads_to_the_version CHECK (path[cardinality(path)] = version AND fetches = ANY (path)),
    CONSTRAINT what_failed_or_was_cancelled_says_why CHECK ((failure IS NOT NULL) = (state IN ('failed', 'cancelled'))),
    CONSTRAINT what_has_ended_says_when CHECK ((ended_at IS NOT NULL) = (state IN ('good', 'failed', 'cancelled'))),
    CONSTRAINT what_was_begun_says_when
        CHECK ((ordered_at IS NOT NULL AND step_at IS NOT NULL) OR state IN ('scheduled', 'failed', 'cancelled')),
    CONSTRAINT a_wave_is_of_a_rollout CHECK (wave IS NULL OR rollout IS NOT NULL)
);
CREATE UNIQUE INDEX one_open_update_per_code ON firmware_update (code) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX one_open_update_per_adapter ON firmware_update (adapter) WHERE ended_at IS NULL;
CREATE INDEX firmware_update_due ON firmware_update (due_at, id) WHERE state = 'scheduled';
CREATE INDEX firmware_update_under_way ON firmware_update (id)
    WHERE state IN ('ordered', 'downloading', 'flashing', 'checking');
CREATE INDEX firmware_update_open_of_version ON firmware_update (series, version) WHERE ended_at IS NULL;
CREATE INDEX ON firmware_update (code, id DESC);
CREATE INDEX ON firmware_update (adapter, id DESC);
CREATE INDEX ON firmware_update (contract, id DESC);
CREATE INDEX ON firmware_update (rollout, id) WHERE rollout IS NOT NULL;

-- The journal of an update: each move. data: what was seen, JSON.
CREATE TABLE firmware_update_move (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    update_id  bigint NOT NULL REFERENCES firmware_update,
    at         timestamptz NOT NULL,
    event      text NOT NULL,
    from_state text NOT NULL,
    to_state   text NOT NULL,
    account    text NOT NULL,
    role       text NOT NULL,
    data       jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX ON firmware_update_move (update_id, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON firmware_update_move
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON firmware_update_move
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The exchange that will put another adapter on the code, or has just done so; NULL: none.
CREATE FUNCTION held_by_exchange(p_code text) RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT min(id) FROM (
        SELECT id FROM exchange WHERE entry = p_code AND entry <> ''
          AND state IN ('pre-flight', 'ordered', 'pulled', 'dispatched', 'driver-assigned')
        UNION ALL
        SELECT id FROM exchange WHERE standby = p_code AND standby <> ''
          AND state IN ('pre-flight', 'ordered', 'pulled', 'dispatched', 'driver-assigned')) held
$$;
