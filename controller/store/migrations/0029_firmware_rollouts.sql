-- Updates of many codes in waves, as services/firmware_rollouts.py plans them and firmware_rollout_turn.py carries them out.

-- contract: the one that all its codes are of, NULL when they are of several. selection: whom it means, for newcomers.
-- settings: not_before, not_after, window, downgrade of each update. wave: the one that is under way, 0 before the start.
-- success_share: of a wave's ended updates so many must be good. stop_share: more failures than this share stop it.
-- counted_from: what ended before counts for neither (it was resumed by somebody who knew). soak_until: of the wave under
-- way. looked_at: when newcomers were last looked for. run_by: in whose name updates are ordered. why: as domain/why.py.
CREATE TABLE firmware_rollout (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    contract      text REFERENCES contract,
    series        text NOT NULL,
    version       text NOT NULL,
    reason        text NOT NULL DEFAULT '',
    state         text NOT NULL CHECK (state IN ('planned', 'running', 'soaking', 'waiting-approval', 'paused', 'stopped',
                                                 'aborted', 'finished')),
    why           jsonb,
    selection     jsonb NOT NULL DEFAULT '{}',
    settings      jsonb NOT NULL DEFAULT '{}',
    success_share real NOT NULL CHECK (success_share BETWEEN 0 AND 1),
    soak_s        integer NOT NULL CHECK (soak_s BETWEEN 0 AND 2592000),
    stop_share    real NOT NULL CHECK (stop_share BETWEEN 0 AND 1),
    approval      boolean NOT NULL DEFAULT false,
    newcomers     text NOT NULL CHECK (newcomers IN ('ignore', 'join')),
    at_once       integer NOT NULL CHECK (at_once BETWEEN 1 AND 5000),
    wave          integer NOT NULL DEFAULT 0,
    waves         integer NOT NULL,
    soak_until    timestamptz,
    counted_from  timestamptz,
    looked_at     timestamptz,
    account       text NOT NULL REFERENCES account,
    run_by        text REFERENCES account,
    created_at    timestamptz NOT NULL,
    changed_at    timestamptz NOT NULL,
    ended_at      timestamptz,
    FOREIGN KEY (series, version) REFERENCES firmware_release (series, version),
    CONSTRAINT a_wave_of_it CHECK (wave BETWEEN 0 AND waves)
);
CREATE INDEX firmware_rollout_live ON firmware_rollout (id) WHERE state IN ('running', 'soaking');
CREATE INDEX ON firmware_rollout (series, version) WHERE ended_at IS NULL;
CREATE INDEX ON firmware_rollout (contract, id DESC);

-- upto: how it was asked for: a count, a share of all, or the rest.
CREATE TABLE firmware_rollout_wave (
    rollout     bigint NOT NULL REFERENCES firmware_rollout,
    wave        integer NOT NULL,
    upto        text NOT NULL,
    began_at    timestamptz,
    ended_at    timestamptz,
    approved_by text REFERENCES account,
    approved_at timestamptz,
    PRIMARY KEY (rollout, wave)
);

-- One code that the selection meant. line: its place in the order of updating. adapter: what it held when it was planned,
-- or when its update was ordered. running: the version it ran then. why: of one that is left out, or failed. notes: what
-- was to be known when it was planned. had_way: connected when its update was found good.
CREATE TABLE firmware_rollout_item (
    rollout   bigint NOT NULL REFERENCES firmware_rollout,
    line      integer NOT NULL,
    wave      integer NOT NULL,
    code      text NOT NULL REFERENCES code,
    contract  text NOT NULL REFERENCES contract,
    adapter   text,
    running   text NOT NULL DEFAULT '',
    state     text NOT NULL
        CHECK (state IN ('skipped', 'waiting', 'ordered', 'good', 'failed', 'cancelled', 'not-needed')),
    why       jsonb,
    notes     jsonb NOT NULL DEFAULT '[]',
    update_id bigint REFERENCES firmware_update,
    had_way   boolean NOT NULL DEFAULT false,
    joined_at timestamptz,
    ended_at  timestamptz,
    PRIMARY KEY (rollout, line),
    CONSTRAINT once_per_code UNIQUE (rollout, code),
    CONSTRAINT what_was_ordered_has_an_update CHECK (state NOT IN ('ordered', 'good') OR update_id IS NOT NULL),
    CONSTRAINT what_was_left_out_says_why CHECK (why IS NOT NULL OR state NOT IN ('skipped', 'failed'))
);
CREATE INDEX firmware_rollout_waiting ON firmware_rollout_item (rollout, wave, line) WHERE state = 'waiting';
CREATE INDEX firmware_rollout_ordered ON firmware_rollout_item (rollout, line) WHERE state = 'ordered';
CREATE INDEX firmware_rollout_of_update ON firmware_rollout_item (update_id) WHERE update_id IS NOT NULL;
CREATE INDEX firmware_rollout_of_code ON firmware_rollout_item (code, rollout DESC);
