-- Campaigns with a life of their own, tasks that wait for a time, a turn or an adapter, and what they leave behind.

-- group_name: '' = in none; an adapter is in one group at most (reference/devices.md 4). designated_standby: the spare
-- that takes over for this entry; the two never have a task at the same time.
ALTER TABLE code
    ADD group_name text NOT NULL DEFAULT '' CHECK (length(group_name) <= 40),
    ADD tags text[] NOT NULL DEFAULT '{}',
    ADD designated_standby text REFERENCES code,
    ADD CONSTRAINT only_entries_designate CHECK (designated_standby IS NULL OR kind = 'entry');
CREATE INDEX code_of_group ON code (contract, group_name) WHERE group_name <> '';
CREATE INDEX code_tags ON code USING gin (tags);
CREATE INDEX code_designates ON code (designated_standby) WHERE designated_standby IS NOT NULL;

-- What the contract lets its operators run, and how many of its adapters may be busy with tasks at once (NULL: the
-- controller's setting).
ALTER TABLE contract
    ADD command_classes text[] NOT NULL DEFAULT '{status,clear,diagnostic,management}'
        CHECK (command_classes <@ '{status,clear,diagnostic,management}'),
    ADD tasks_at_once integer CHECK (tasks_at_once BETWEEN 1 AND 10000);

-- A software-defect investigation (R2.1-R2.3). Open: neither closed nor past expires_at. reported_by: the operator whose
-- report it is; inquiry: the desk's reference, free text.
CREATE TABLE investigation (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    contract    text NOT NULL REFERENCES contract,
    title       text NOT NULL,
    observed    text NOT NULL,
    reported_by text NOT NULL DEFAULT '',
    inquiry     text NOT NULL DEFAULT '',
    opened_by   text NOT NULL REFERENCES account,
    opened_at   timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    closed_at   timestamptz,
    closed_by   text REFERENCES account,
    finding     text NOT NULL DEFAULT '',
    CONSTRAINT closed_by_somebody_with_a_finding
        CHECK ((closed_at IS NULL) = (closed_by IS NULL) AND (closed_at IS NULL) = (finding = ''))
);
CREATE INDEX ON investigation (contract, id DESC);
CREATE INDEX investigation_open ON investigation (expires_at) WHERE closed_at IS NULL;

-- The adapters concerned: the units, wherever they are plugged in later. code: where each was when it was added.
CREATE TABLE investigation_adapter (
    investigation bigint NOT NULL REFERENCES investigation,
    adapter       text NOT NULL REFERENCES adapter,
    code          text NOT NULL REFERENCES code,
    added_at      timestamptz NOT NULL,
    added_by      text NOT NULL,
    PRIMARY KEY (investigation, adapter)
);
CREATE INDEX ON investigation_adapter (adapter);

-- Results of the operator's own tasks that support staff may read, as the operator named them (R2.2).
CREATE TABLE investigation_result (
    investigation bigint NOT NULL REFERENCES investigation,
    task          bigint NOT NULL REFERENCES task,
    executed_at   timestamptz NOT NULL,
    added_at      timestamptz NOT NULL,
    added_by      text NOT NULL,
    PRIMARY KEY (investigation, task)
);
CREATE INDEX ON investigation_result (task);

-- Stored sets of lines, with ${variables} asked at run time. contract NULL: for support staff.
CREATE TABLE preset (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    contract   text REFERENCES contract,
    title      text NOT NULL CHECK (length(title) BETWEEN 1 AND 100),
    kind       text NOT NULL CHECK (kind IN ('status', 'clear', 'diagnostic', 'management')),
    lines      text[] NOT NULL CHECK (cardinality(lines) BETWEEN 1 AND 10),
    account    text NOT NULL REFERENCES account,
    changed_at timestamptz NOT NULL,
    CONSTRAINT one_preset_of_a_title UNIQUE NULLS NOT DISTINCT (contract, title)
);

-- Stored selections of adapters. contract NULL: for staff.
CREATE TABLE selection (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    contract   text REFERENCES contract,
    name       text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    definition jsonb NOT NULL,
    account    text NOT NULL REFERENCES account,
    changed_at timestamptz NOT NULL,
    CONSTRAINT one_selection_of_a_name UNIQUE NULLS NOT DISTINCT (contract, name)
);

-- kind: the most harmful class among the lines. why: why it is paused, was aborted or has stopped itself.
-- at_once, per_minute: bounds of its own, NULL = none. next_at: not before then the next task starts (per_minute).
-- stop_share: stops itself when more than this share of at least stop_after ended tasks has failed.
-- until_back: a task whose adapter cannot be reached waits for it until expires_at.
ALTER TABLE campaign
    ADD kind text NOT NULL DEFAULT 'status' CHECK (kind IN ('status', 'clear', 'diagnostic', 'management')),
    ADD state text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'paused', 'finished', 'aborted', 'stopped')),
    ADD why text NOT NULL DEFAULT '',
    ADD contract text REFERENCES contract,
    ADD selection jsonb NOT NULL DEFAULT '{}',
    ADD investigation bigint REFERENCES investigation,
    ADD preset text NOT NULL DEFAULT '',
    ADD priority smallint NOT NULL DEFAULT 0 CHECK (priority BETWEEN -10 AND 10),
    ADD due_at timestamptz,
    ADD expires_at timestamptz,
    ADD jitter_s integer NOT NULL DEFAULT 0 CHECK (jitter_s BETWEEN 0 AND 86400),
    ADD until_back boolean NOT NULL DEFAULT false,
    ADD at_once integer CHECK (at_once BETWEEN 1 AND 10000),
    ADD per_minute integer CHECK (per_minute BETWEEN 1 AND 100000),
    ADD next_at timestamptz,
    ADD stop_share real CHECK (stop_share > 0 AND stop_share <= 1),
    ADD stop_after integer NOT NULL DEFAULT 10 CHECK (stop_after BETWEEN 1 AND 20000),
    ADD changed_at timestamptz,
    ADD ended_at timestamptz;
UPDATE campaign p SET state = 'finished', ended_at = p.created_at
WHERE NOT EXISTS (SELECT FROM task t WHERE t.campaign = p.id AND t.state IN ('waiting', 'running'));
CREATE INDEX campaign_live ON campaign (priority DESC, id) WHERE state IN ('running', 'paused');
CREATE INDEX ON campaign (investigation) WHERE investigation IS NOT NULL;

-- Whom the selection meant and why nothing was run there.
CREATE TABLE campaign_skipped (
    campaign bigint NOT NULL REFERENCES campaign,
    code     text NOT NULL REFERENCES code,
    adapter  text,
    why      text NOT NULL,
    PRIMARY KEY (campaign, code)
);

-- expires_at: not begun by then, it is not begun at all. waits_for 'adapter': it could not be reached at waits_since
-- and is tried again when it is back, at due_at at the latest. controller: who runs it (table controller).
ALTER TABLE task
    DROP CONSTRAINT task_state_check,
    ADD CONSTRAINT task_state_check
        CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled', 'expired')),
    ADD expires_at timestamptz,
    ADD waits_for text NOT NULL DEFAULT '' CHECK (waits_for IN ('', 'adapter')),
    ADD waits_since timestamptz,
    ADD controller bigint,
    ADD CONSTRAINT waits_since_a_time CHECK ((waits_for = '') = (waits_since IS NULL));
CREATE INDEX task_open ON task (campaign) WHERE state IN ('waiting', 'running');
CREATE INDEX task_next ON task (campaign, due_at, id) WHERE state = 'waiting';
CREATE INDEX task_waits_for_adapter ON task (adapter) WHERE state = 'waiting' AND waits_for = 'adapter';
CREATE INDEX task_expiring ON task (expires_at) WHERE state = 'waiting';
CREATE INDEX task_ended ON task (campaign, finished_at, id) WHERE finished_at IS NOT NULL;

-- What adapters printed, each content once. sha256: of the bytes as they are kept, secrets masked, before packing.
CREATE TABLE output (
    sha256  bytea PRIMARY KEY CHECK (length(sha256) = 32),
    size    integer NOT NULL,
    packing text NOT NULL CHECK (packing IN ('plain', 'zstd')),
    body    bytea NOT NULL
);
ALTER TABLE output ALTER body SET STORAGE EXTERNAL;  -- packed already

-- What was made of an output: its digest without noise (clocks, counters), its typed fields or why there are none.
-- May be thrown away and made anew. version: of the rules that made it.
CREATE TABLE reading (
    sha256  bytea NOT NULL REFERENCES output ON DELETE CASCADE,
    series  text NOT NULL,
    command text NOT NULL,
    version integer NOT NULL,
    digest  bytea NOT NULL,
    fields  jsonb,
    fault   text NOT NULL DEFAULT '',
    PRIMARY KEY (sha256, series, command)
);

-- command: the declared command that the line is. module: which of the adapter's modules answered. masked: how many
-- secrets were taken out.
ALTER TABLE transcript DISABLE TRIGGER append_only;
ALTER TABLE transcript
    ADD sha256 bytea,
    ADD command text NOT NULL DEFAULT '',
    ADD module integer NOT NULL DEFAULT 0,
    ADD masked integer NOT NULL DEFAULT 0;
INSERT INTO output (sha256, size, packing, body)
SELECT DISTINCT ON (sha256(body)) sha256(body), length(body), 'plain', body FROM transcript;
UPDATE transcript SET sha256 = sha256(body), command = line;
ALTER TABLE transcript
    DROP body,
    ALTER sha256 SET NOT NULL,
    ADD CONSTRAINT output_is_kept FOREIGN KEY (sha256) REFERENCES output;
ALTER TABLE transcript ENABLE TRIGGER append_only;
CREATE INDEX ON transcript (adapter, command, started_at DESC);
CREATE INDEX ON transcript (sha256);
CREATE INDEX ON transcript (started_at);

-- A link to results for somebody without an account. token_hash: SHA-256 of a 256-bit random token.
CREATE TABLE share (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_hash bytea NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    campaign   bigint REFERENCES campaign,
    task       bigint REFERENCES task,
    contract   text REFERENCES contract,
    redact     boolean NOT NULL,
    note       text NOT NULL DEFAULT '',
    account    text NOT NULL REFERENCES account,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CONSTRAINT of_a_campaign_or_a_task CHECK ((campaign IS NULL) <> (task IS NULL))
);
CREATE TABLE share_access (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    share   bigint NOT NULL REFERENCES share,
    at      timestamptz NOT NULL,
    source  text NOT NULL,
    agent   text NOT NULL DEFAULT '',
    outcome text NOT NULL
);
CREATE INDEX ON share_access (share, id DESC);

DROP FUNCTION finish_task;
CREATE FUNCTION finish_task(
    p_task bigint, p_fence integer, p_now timestamptz, p_failure text, p_detail text,
    p_lines text[], p_commands text[], p_hashes bytea[], p_sizes integer[], p_bodies bytea[], p_masked integer[],
    p_truncated boolean[], p_failures text[], p_details text[],
    p_started timestamptz[], p_durations real[], p_registered_since timestamptz, p_firmware text, p_via text
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_task task;
BEGIN
    UPDATE task SET state = CASE WHEN p_failure IS NULL THEN 'done' ELSE 'failed' END, failure = p_failure,
        detail = p_detail, finished_at = p_now, lease_until = NULL, via = p_via
    WHERE id = p_task AND state = 'running' AND fence = p_fence
    RETURNING * INTO v_task;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- In order of their hashes, so that two that bring the same new outputs cannot wait for each other.
    INSERT INTO output (sha256, size, packing, body)
    SELECT hash, size, 'zstd', body FROM unnest(p_hashes, p_sizes, p_bodies) AS u (hash, size, body) ORDER BY hash
    ON CONFLICT (sha256) DO NOTHING;
    INSERT INTO transcript (task, position, line, command, sha256, masked, truncated, failure, detail, adapter, code,
                            registered_since, firmware, started_at, duration_s)
    SELECT p_task, o, line, command, hash, masked, cut, nullif(failure, ''), detail, v_task.adapter, v_task.code,
           p_registered_since, p_firmware, started, duration
    FROM unnest(p_lines, p_commands, p_hashes, p_masked, p_truncated, p_failures, p_details, p_started, p_durations)
         WITH ORDINALITY AS u (line, command, hash, masked, cut, failure, detail, started, duration, o);
    INSERT INTO outbox (at, topic, subject, payload)
    VALUES (p_now, 'task.' || v_task.state, v_task.adapter,
            jsonb_build_object('task', p_task, 'campaign', v_task.campaign, 'failure', p_failure));
    RETURN true;
END $$;
