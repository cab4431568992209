-- How tasks are claimed, given back, ended, and what the clock does to them.
--
-- Lock order, so that nobody waits in a circle: claims take turns by one advisory lock, and then wait for no row. Whoever
-- changes many tasks at once takes them with SKIP LOCKED, and task_turn gathers what was skipped. Who ends tasks
-- holds their rows, taken in order of their ids, and then at most their campaigns'. Only an exchange waits for tasks, and nobody who holds one waits for it.

-- losses: how many workers were lost with it. stop_why: it was cancelled while it ran; whoever runs it stops.
ALTER TABLE task
    ADD losses smallint NOT NULL DEFAULT 0,
    ADD stop_why text NOT NULL DEFAULT '';
DROP INDEX task_waiting;  -- claims go campaign by campaign now
-- Of the indexes that know running tasks one has the adapter and one the code, and neither fits the other's question:
-- else the planner, whose statistics often say that nothing runs, may read a whole one for each of many look-ups.
DROP INDEX task_lease;
DROP INDEX task_expiring;
CREATE INDEX task_expiring ON task (expires_at) WHERE state = 'waiting' AND expires_at IS NOT NULL;
CREATE INDEX task_held ON task (code) WHERE lease_until IS NOT NULL;
CREATE INDEX task_failed ON task (campaign) WHERE state = 'failed';
CREATE INDEX campaign_cut_short ON campaign (ended_at) WHERE state IN ('aborted', 'stopped');

-- Codes that never have a task at the same time: an entry and its designated standby, the two of an open exchange.
-- Both ways round.
CREATE VIEW pair AS
    SELECT code, designated_standby AS partner FROM code WHERE designated_standby IS NOT NULL
    UNION ALL
    SELECT designated_standby, code FROM code WHERE designated_standby IS NOT NULL
    UNION ALL
    SELECT entry, standby FROM exchange WHERE state IN ('ordered', 'pulled') AND entry <> ''
    UNION ALL
    SELECT standby, entry FROM exchange WHERE state IN ('ordered', 'pulled') AND standby <> '';

-- What the run of a claimed task needs. address NULL: never heard of. since NULL: no longer on the task's code.
-- reach NULL: ARMS does not get there from the controller that claimed it.
CREATE VIEW task_to_run AS
    SELECT t.id, t.fence, t.losses, t.code, t.expires_at, t.campaign, p.kind, p.until_back, p.lines, p.via,
           a.serial, a.distribution_id, a.series, a.ssh_username, a.ssh_password, a.ssh_host_key,
           host(coalesce(a.ssh_address, k.last_address)) AS address, a.ssh_port, coalesce(k.firmware, '') AS firmware,
           r.since, h.id AS reach, h.tunnel, h.endpoint, h.rs_sa_key AS endpoint_key, h.certificate_sha256, h.legacy
    FROM task t JOIN campaign p ON p.id = t.campaign JOIN adapter a ON a.serial = t.adapter
    LEFT JOIN registration r ON r.adapter = t.adapter AND r.code = t.code
    LEFT JOIN contact k ON k.adapter = t.adapter
    LEFT JOIN LATERAL (SELECT * FROM reach o WHERE o.adapter = t.adapter AND o.code = r.code AND o.since = r.since
                         AND a.locked_out_at IS NULL AND (o.controller IS NULL OR o.controller = t.controller)
                       ORDER BY o.controller IS NULL, o.id DESC LIMIT 1) h ON true;

-- campaign.per_minute: one task each 60 s / per_minute, and after a pause as many at once as belong to one second.
CREATE FUNCTION first_token(p_per_minute integer, p_next_at timestamptz, p_now timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE RETURN greatest(
    coalesce(p_next_at, p_now), p_now - greatest(interval '0', interval '1 s' - interval '60 s' / p_per_minute));
CREATE FUNCTION tokens(p_per_minute integer, p_next_at timestamptz, p_now timestamptz) RETURNS integer
LANGUAGE sql IMMUTABLE RETURN CASE WHEN p_per_minute IS NULL THEN 2147483647 ELSE greatest(0, 1 + floor(
    extract(epoch FROM p_now - first_token(p_per_minute, p_next_at, p_now)) * p_per_minute / 60))::integer END;

-- Claims up to p_limit due tasks of running campaigns: by priority, and among equals each campaign in its turn (who has
-- the fewest running and claimed comes first), so that one task does not wait behind ten thousand of another campaign.
-- Never on an adapter or a pair that has one running. At most p_contract_at_once of a contract that says nothing itself.
-- Fewer than p_limit may come although there are more; none come only when none may be claimed at this moment.
-- Every table is asked for a few rows by their keys, and the waiting tasks come in their order from task_next. What the
-- planner would make of statistics that are minutes old (nothing waits, nobody is reachable) has cost 100 ms a claim;
-- planning anew for each claim, half of its time.
CREATE FUNCTION claim_tasks(
    p_now timestamptz, p_lease_until timestamptz, p_limit integer, p_controller bigint, p_arms_first text[],
    p_contract_at_once integer
) RETURNS SETOF task_to_run LANGUAGE plpgsql
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off SET enable_hashjoin = off
SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    -- The running campaigns that have something due; each array has one item for each of them.
    v_campaigns bigint[];
    v_priorities smallint[];
    v_rooms integer[];
    v_runnings integer[];
    v_contracts text[];  -- with a running task, how many places each has left, and those that have none
    v_left integer[];
    v_full text[];
    v_priority smallint;
    v_each integer;
    v_is_cut boolean;  -- some campaign of this priority may have more than was looked at
    v_task record;
    v_at integer;
    v_taken bigint[] := '{}';
    v_codes text[] := '{}';
    v_adapters text[] := '{}';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('claim tasks'));

    WITH running AS MATERIALIZED (SELECT campaign, count(*) AS n FROM task WHERE state = 'running' GROUP BY campaign),
    live AS MATERIALIZED (
        SELECT c.id, c.priority, coalesce(n.n, 0) AS running, c.at_once, c.per_minute, c.next_at
        FROM campaign c LEFT JOIN running n ON n.campaign = c.id
        WHERE c.state = 'running' AND (c.next_at IS NULL OR c.next_at <= p_now)
          AND coalesce(n.n, 0) < coalesce(c.at_once, 2147483647)
          AND EXISTS (SELECT FROM task t WHERE t.campaign = c.id AND t.state = 'waiting' AND t.due_at <= p_now OFFSET 0)
          AND (c.investigation IS NULL OR EXISTS (SELECT FROM investigation i
               WHERE i.id = c.investigation AND i.closed_at IS NULL AND i.expires_at > p_now))
    ), held AS MATERIALIZED (  -- their next_at will be set: who cannot be locked now has its turn next time
        SELECT c.id FROM campaign c
        WHERE c.id IN (SELECT l.id FROM live l WHERE l.per_minute IS NOT NULL) FOR NO KEY UPDATE SKIP LOCKED)
    SELECT array_agg(l.id), array_agg(l.priority), array_agg(l.running),
           array_agg(least(coalesce(l.at_once, 2147483647) - l.running, tokens(l.per_minute, l.next_at, p_now)))
    INTO v_campaigns, v_priorities, v_runnings, v_rooms
    FROM live l WHERE l.per_minute IS NULL OR l.id IN (SELECT id FROM held);
    IF v_campaigns IS NULL THEN
        RETURN;
    END IF;

    SELECT coalesce(array_agg(l.contract), '{}'), coalesce(array_agg(l.places), '{}'),
           coalesce(array_agg(l.contract) FILTER (WHERE l.places <= 0), '{}')
    INTO v_contracts, v_left, v_full
    FROM (SELECT c.contract, coalesce(c.tasks_at_once, p_contract_at_once) - n.n AS places
          FROM (SELECT contract, count(*)::integer AS n FROM task WHERE state = 'running' GROUP BY contract) n
          JOIN contract c USING (contract)) l;

    <<levels>>
    FOR v_priority IN SELECT DISTINCT p FROM unnest(v_priorities) AS p ORDER BY p DESC LOOP
        -- Enough of each that all places can be filled, and few when there are many: each costs several look-ups.
        v_each := 4 * p_limit / (SELECT count(*) FROM unnest(v_priorities) AS p WHERE p = v_priority);
        v_each := least(greatest(1, v_each), p_limit - cardinality(v_taken));
        v_is_cut := false;
        FOR v_task IN
            SELECT t.*, c.room FROM unnest(v_campaigns, v_priorities, v_rooms, v_runnings)
                                      AS c (id, priority, room, running)
            CROSS JOIN LATERAL (
                SELECT d.*, row_number() OVER (ORDER BY d.due_at, d.id) AS place FROM (
                    SELECT t.id, t.adapter, t.code, t.contract, t.due_at FROM task t
                    WHERE t.campaign = c.id AND t.state = 'waiting' AND t.due_at <= p_now
                      AND (t.expires_at IS NULL OR t.expires_at > p_now)
                      AND t.contract <> ALL (v_full)
                      AND NOT EXISTS (SELECT FROM task r WHERE r.adapter = t.adapter AND r.state = 'running' OFFSET 0)
                      AND NOT EXISTS (SELECT FROM task r WHERE r.code = t.code AND r.lease_until IS NOT NULL OFFSET 0)
                      AND NOT EXISTS (
                          SELECT FROM (SELECT o.partner FROM pair o WHERE o.code = t.code OFFSET 0) o
                          LEFT JOIN registration g ON g.code = o.partner
                          WHERE EXISTS (SELECT FROM task r WHERE r.code = o.partner AND r.lease_until IS NOT NULL OFFSET 0)
                             OR EXISTS (SELECT FROM task r WHERE r.adapter = g.adapter AND r.state = 'running' OFFSET 0)
                          OFFSET 0)
                      AND NOT EXISTS (  -- the controller that holds the tunnel runs what goes through it
                          SELECT FROM reach o JOIN campaign oc ON oc.id = t.campaign JOIN adapter oa ON oa.serial = o.adapter
                          WHERE o.adapter = t.adapter AND o.controller <> p_controller
                            AND (oc.via = 'arms' OR oc.via IS NULL AND oa.series = ANY (p_arms_first)) OFFSET 0)
                    ORDER BY t.due_at, t.id LIMIT least(c.room, v_each)) d) t
            WHERE c.priority = v_priority
            ORDER BY c.running + t.place, random()
        LOOP
            EXIT levels WHEN cardinality(v_taken) >= p_limit;
            v_is_cut := v_is_cut OR v_task.place >= v_each AND v_task.room > v_each;
            CONTINUE WHEN v_task.adapter = ANY (v_adapters) OR v_task.code = ANY (v_codes);
            v_at := array_position(v_contracts, v_task.contract);
            IF v_at IS NULL THEN
                v_contracts := v_contracts || v_task.contract;
                v_left := v_left || (SELECT coalesce(c.tasks_at_once, p_contract_at_once) FROM contract c
                                     WHERE c.contract = v_task.contract);
                v_at := cardinality(v_contracts);
            END IF;
            CONTINUE WHEN v_left[v_at] <= 0;
            v_left[v_at] := v_left[v_at] - 1;
            v_taken := v_taken || v_task.id;
            v_adapters := v_adapters || v_task.adapter;
            v_codes := v_codes || v_task.code || ARRAY(SELECT o.partner FROM pair o WHERE o.code = v_task.code);
        END LOOP;
        EXIT levels WHEN v_is_cut;  -- the next claim goes on there, before anybody of a lower priority
    END LOOP;

    WITH mine AS (
        UPDATE task SET state = 'running', fence = fence + 1, lease_until = p_lease_until, started_at = p_now,
            controller = nullif(p_controller, 0), waits_for = '', waits_since = NULL, detail = '', stop_why = ''
        WHERE id IN (SELECT t.id FROM task t WHERE t.id = ANY (v_taken) AND t.state = 'waiting' AND t.due_at <= p_now
                     FOR UPDATE SKIP LOCKED)
        RETURNING id, campaign
    ), rated AS (
        UPDATE campaign c SET next_at = first_token(c.per_minute, c.next_at, p_now)
                                      + m.n * interval '60 s' / c.per_minute
        FROM (SELECT campaign, count(*) AS n FROM mine GROUP BY campaign) m
        WHERE c.id = m.campaign AND c.per_minute IS NOT NULL)
    SELECT array_agg(id) INTO v_taken FROM mine;
    RETURN QUERY SELECT * FROM task_to_run WHERE id = ANY (v_taken);
END $$;

-- Ends up to p_limit waiting tasks of a campaign as cancelled; returns how many. Those that somebody else has hold of are
-- left to task_turn.
CREATE FUNCTION cancel_waiting(p_campaign bigint, p_detail text, p_now timestamptz, p_limit integer DEFAULT NULL)
RETURNS integer LANGUAGE sql AS $$
    WITH ended AS (
        UPDATE task SET state = 'cancelled', detail = p_detail, finished_at = p_now, waits_for = '', waits_since = NULL
        WHERE id IN (SELECT t.id FROM task t WHERE t.campaign = p_campaign AND t.state = 'waiting'
                     LIMIT p_limit FOR UPDATE SKIP LOCKED)
        RETURNING id, adapter
    ), news AS (
        INSERT INTO outbox (at, topic, subject, payload)
        SELECT p_now, 'task.cancelled', adapter, jsonb_build_object('task', id, 'campaign', p_campaign) FROM ended)
    SELECT count(*)::integer FROM ended
$$;

-- After a task has failed: a running campaign of which more than its share has failed stops.
CREATE FUNCTION stop_failing_campaign(p_campaign bigint, p_now timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v campaign;
    v_ended integer;
    v_failed integer;
    v_why text;
BEGIN
    -- Locked before counting: of two that end at once the second one counts the first.
    SELECT * INTO v FROM campaign WHERE id = p_campaign AND stop_share IS NOT NULL FOR NO KEY UPDATE;
    IF NOT FOUND OR v.state NOT IN ('running', 'paused') THEN
        RETURN;
    END IF;
    SELECT count(*) INTO v_failed FROM task WHERE campaign = p_campaign AND state = 'failed';
    SELECT count(*) + v_failed INTO v_ended FROM task
    WHERE campaign = p_campaign AND state = 'done' AND finished_at IS NOT NULL;
    IF v_ended < v.stop_after OR v_failed <= v.stop_share * v_ended THEN
        RETURN;
    END IF;
    v_why := format('Stopped by itself: %s of %s tasks failed, more than %s %%.', v_failed, v_ended,
                    round((v.stop_share * 100)::numeric));
    UPDATE campaign SET state = 'stopped', why = v_why, changed_at = p_now, ended_at = p_now WHERE id = p_campaign;
    PERFORM cancel_waiting(p_campaign, 'The campaign stopped by itself before it began.', p_now);
    INSERT INTO outbox (at, topic, subject, payload)
    VALUES (p_now, 'campaign.stopped', p_campaign::text, jsonb_build_object('campaign', p_campaign, 'why', v_why));
    INSERT INTO audit (at, account, role, action, subject, contract, outcome, detail)
    SELECT p_now, v.account, 'controller', 'campaign.stopped', 'campaign ' || p_campaign, t.contract, 'done',
           jsonb_build_object('campaign', p_campaign, 'why', v_why)
    FROM (SELECT DISTINCT contract FROM task WHERE campaign = p_campaign) t;
END $$;

-- A person is told: nobody knows whether something that must not be done twice was done.
CREATE FUNCTION tell_of_unknown(p_task task, p_now timestamptz) RETURNS void LANGUAGE sql AS $$
    INSERT INTO outbox (at, topic, subject, payload)
    VALUES (p_now, 'task.unknown', p_task.adapter,
            jsonb_build_object('task', p_task.id, 'campaign', p_task.campaign, 'code', p_task.code));
    INSERT INTO audit (at, account, role, action, subject, contract, outcome, detail)
    SELECT p_now, c.account, 'controller', 'task.unknown', p_task.code, p_task.contract, 'done',
           jsonb_build_object('task', p_task.id, 'campaign', p_task.campaign, 'adapter', p_task.adapter,
                              'lines', c.lines, 'why', p_task.detail)
    FROM campaign c WHERE c.id = p_task.campaign;
$$;

-- What had permitted a task ended while it waited: recorded as a refusal.
CREATE FUNCTION tell_of_refused(p_task task) RETURNS void LANGUAGE sql AS $$
    INSERT INTO audit (at, account, role, action, subject, contract, outcome, detail)
    SELECT p_task.finished_at, c.account, 'controller', 'run', p_task.code, p_task.contract, 'refused',
           jsonb_build_object('task', p_task.id, 'campaign', p_task.campaign, 'adapter', p_task.adapter,
                              'lines', c.lines, 'why', p_task.detail)
    FROM campaign c WHERE c.id = p_task.campaign;
$$;

-- What runs of claimed tasks brought, many at once: indexes, disk and round trips cost less for all of them than for each.
-- Of each task one item in the first arrays, of each line that was typed one in the others; p_of: which task's it is, by
-- its place among them. As in 0009, and besides: p_states is what becomes of it, in words of controller/domain/task.py.
-- 'waiting': the adapter could not be reached, it is waited for, and tried again at p_again_at. Returns the places of
-- those that were recorded: not of those whose lease was lost.
DROP FUNCTION finish_task;
CREATE FUNCTION finish_tasks(
    p_tasks bigint[], p_fences integer[], p_at timestamptz[], p_states text[], p_again_at timestamptz[],
    p_failures text[], p_details text[], p_registered_since timestamptz[], p_firmwares text[], p_vias text[],
    p_of integer[], p_positions integer[], p_lines text[], p_commands text[], p_hashes bytea[], p_sizes integer[],
    p_bodies bytea[], p_masked integer[], p_truncated boolean[], p_line_failures text[], p_line_details text[],
    p_started timestamptz[], p_durations real[]
) RETURNS integer[] LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    v_recorded integer[];
    v_campaign bigint;
BEGIN
    -- Tasks in order of their ids and outputs of their hashes, so that two who bring the same cannot wait for each other.
    WITH brought AS MATERIALIZED (
        SELECT u.* FROM unnest(p_tasks, p_fences, p_at, p_states, p_again_at, p_failures, p_details, p_registered_since,
                               p_firmwares, p_vias)
             WITH ORDINALITY AS u (id, fence, at, state, again_at, failure, detail, since, firmware, via, n)
        JOIN task t ON t.id = u.id AND t.fence = u.fence AND t.state = 'running'
        ORDER BY u.id FOR NO KEY UPDATE OF t
    ), ended AS (
        UPDATE task t SET state = b.state, failure = b.failure, detail = b.detail, lease_until = NULL, via = b.via,
            finished_at = CASE WHEN b.state <> 'waiting' THEN b.at END,
            due_at = coalesce(b.again_at, t.due_at),
            waits_for = CASE WHEN b.state = 'waiting' THEN 'adapter' ELSE '' END,
            waits_since = CASE WHEN b.state = 'waiting' THEN b.at END
        FROM brought b WHERE t.id = b.id
        RETURNING b.*, t.adapter, t.code, t.campaign
    ), printed AS MATERIALIZED (
        SELECT u.*, e.id AS task, e.adapter, e.code, e.since, e.firmware
        FROM unnest(p_of, p_positions, p_lines, p_commands, p_hashes, p_sizes, p_bodies, p_masked, p_truncated,
                    p_line_failures, p_line_details, p_started, p_durations)
             AS u (n, position, line, command, hash, size, body, masked, cut, failure, detail, started, duration)
        JOIN ended e USING (n)
    ), kept AS (
        INSERT INTO output (sha256, size, packing, body)
        SELECT hash, size, 'zstd', body FROM (SELECT DISTINCT ON (hash) hash, size, body FROM printed ORDER BY hash) o
        ON CONFLICT (sha256) DO NOTHING
    ), transcripts AS (
        INSERT INTO transcript (task, position, line, command, sha256, masked, truncated, failure, detail, adapter, code,
                                registered_since, firmware, started_at, duration_s)
        SELECT task, position, line, command, hash, masked, cut, nullif(failure, ''), detail, adapter, code, since,
               firmware, started, duration FROM printed
    ), news AS (
        INSERT INTO outbox (at, topic, subject, payload)
        SELECT at, 'task.' || state, adapter, jsonb_build_object('task', id, 'campaign', campaign, 'failure', failure)
        FROM ended)
    SELECT coalesce(array_agg(n), '{}') INTO v_recorded FROM ended;

    IF 'unknown' = ANY (p_failures) THEN
        PERFORM tell_of_unknown(t, t.finished_at) FROM unnest(v_recorded) AS n JOIN task t ON t.id = p_tasks[n]
        WHERE t.failure = 'unknown' ORDER BY t.id;
    END IF;
    IF 'not-permitted' = ANY (p_failures) THEN
        PERFORM tell_of_refused(t) FROM unnest(v_recorded) AS n JOIN task t ON t.id = p_tasks[n]
        WHERE t.failure = 'not-permitted' ORDER BY t.id;
    END IF;
    IF 'failed' = ANY (p_states) THEN
        FOR v_campaign IN SELECT DISTINCT t.campaign FROM unnest(v_recorded) AS n JOIN task t ON t.id = p_tasks[n]
                          WHERE t.state = 'failed' ORDER BY t.campaign LOOP
            PERFORM stop_failing_campaign(v_campaign, (SELECT max(at) FROM unnest(p_at) AS at));
        END LOOP;
    END IF;
    RETURN v_recorded;
END $$;

-- Running tasks whose lease ran out, or whose controller was not seen since p_seen_since: what may be repeated waits again,
-- and has failed after p_attempts losses; of what may not be, nobody knows. Bounded; returns how many.
CREATE FUNCTION return_lost_tasks(p_now timestamptz, p_seen_since timestamptz, p_attempts integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    v_task task;
    v_lost record;
    v_failed bigint[] := '{}';  -- campaigns
    v_campaign bigint;
    v_count integer := 0;
BEGIN
    FOR v_lost IN
        SELECT t.id, CASE WHEN p.kind NOT IN ('status', 'diagnostic') THEN 'unknown'
                          WHEN t.stop_why <> '' OR p.state IN ('aborted', 'stopped') THEN 'cancelled'
                          WHEN t.losses + 1 < p_attempts THEN 'waiting' ELSE 'worker-lost' END AS what
        FROM task t JOIN campaign p ON p.id = t.campaign
        WHERE t.state = 'running' AND (t.lease_until < p_now OR t.controller IS NOT NULL AND NOT EXISTS (
              SELECT FROM controller c WHERE c.id = t.controller AND c.seen_at > p_seen_since))
        ORDER BY t.id LIMIT 500 FOR UPDATE OF t SKIP LOCKED
    LOOP
        UPDATE task SET lease_until = NULL, controller = NULL, losses = losses + 1,
            state = CASE WHEN v_lost.what IN ('waiting', 'cancelled') THEN v_lost.what ELSE 'failed' END,
            failure = CASE WHEN v_lost.what IN ('unknown', 'worker-lost') THEN v_lost.what END,
            detail = CASE v_lost.what
                WHEN 'unknown' THEN 'The worker was lost in the middle, so it may or may not have been carried out. It is '
                                    'not run again by itself: look at the adapter first.'
                WHEN 'worker-lost' THEN 'The worker was lost each time; run it again.'
                WHEN 'cancelled' THEN 'It was to stop, and its worker was lost.'
                ELSE 'The worker was lost; it is run again.' END,
            started_at = CASE WHEN v_lost.what <> 'waiting' THEN started_at END,
            finished_at = CASE WHEN v_lost.what <> 'waiting' THEN p_now END
        WHERE id = v_lost.id RETURNING * INTO v_task;
        INSERT INTO outbox (at, topic, subject, payload)
        VALUES (p_now, 'task.' || v_task.state, v_task.adapter, jsonb_build_object(
                'task', v_task.id, 'campaign', v_task.campaign, 'failure', v_task.failure));
        IF v_lost.what = 'unknown' THEN
            PERFORM tell_of_unknown(v_task, p_now);
        END IF;
        IF v_task.state = 'failed' THEN
            v_failed := v_failed || v_task.campaign;
        END IF;
        v_count := v_count + 1;
    END LOOP;
    FOR v_campaign IN SELECT DISTINCT c FROM unnest(v_failed) AS c ORDER BY c LOOP  -- as finish_tasks goes through them
        PERFORM stop_failing_campaign(v_campaign, p_now);
    END LOOP;
    RETURN v_count;
END $$;

-- What the clock does, once a second or so; whoever comes while another one does it has nothing to do. Bounded.
-- Returns how many tasks and campaigns moved.
CREATE FUNCTION task_turn(p_now timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_campaign record;
    v_moved integer := 0;
    v_count integer;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('task turn')) THEN
        RETURN 0;
    END IF;

    WITH late AS (
        UPDATE task SET state = 'expired', finished_at = p_now, waits_for = '', waits_since = NULL,
            detail = 'It had not begun when its time was over.' || CASE WHEN detail = '' THEN '' ELSE ' ' || detail END
        WHERE id IN (SELECT t.id FROM task t WHERE t.state = 'waiting' AND t.expires_at <= p_now
                     ORDER BY t.expires_at LIMIT 1000 FOR UPDATE SKIP LOCKED)
        RETURNING id, adapter, campaign
    ), news AS (
        INSERT INTO outbox (at, topic, subject, payload)
        SELECT p_now, 'task.expired', adapter, jsonb_build_object('task', id, 'campaign', campaign) FROM late)
    SELECT count(*) INTO v_count FROM late;
    v_moved := v_moved + v_count;

    -- The adapter is back: connected since then, or it has pulled.
    WITH back AS (
        UPDATE task SET due_at = p_now
        WHERE id IN (
            SELECT t.id FROM task t
            WHERE t.state = 'waiting' AND t.waits_for = 'adapter' AND t.due_at > p_now
              AND (EXISTS (SELECT FROM connection n WHERE n.adapter = t.adapter AND n.state = 'connected'
                             AND n.since > t.waits_since OFFSET 0)
                   OR EXISTS (SELECT FROM contact k WHERE k.adapter = t.adapter AND k.last_pull_at > t.waits_since OFFSET 0))
            LIMIT 1000 FOR UPDATE SKIP LOCKED)
        RETURNING id)
    SELECT count(*) INTO v_count FROM back;
    v_moved := v_moved + v_count;

    FOR v_campaign IN
        SELECT p.id, p.investigation, p.account, p.state FROM campaign p
        LEFT JOIN investigation i ON i.id = p.investigation
        WHERE (p.state IN ('running', 'paused') AND (i.closed_at IS NOT NULL OR i.expires_at <= p_now)
               OR p.state IN ('aborted', 'stopped') AND p.ended_at > p_now - interval '1 hour')
          AND EXISTS (SELECT FROM task t WHERE t.campaign = p.id AND t.state = 'waiting' OFFSET 0)
        ORDER BY p.id LIMIT 20
    LOOP
        v_count := cancel_waiting(v_campaign.id, CASE WHEN v_campaign.state IN ('aborted', 'stopped')
            THEN 'The campaign ended before it began.'
            ELSE format('Investigation %s is not open any more; support staff run nothing outside of one (R2.3).',
                        v_campaign.investigation) END, p_now, 5000);
        IF v_campaign.state IN ('running', 'paused') THEN
            INSERT INTO audit (at, account, role, action, subject, contract, outcome, detail)
            SELECT p_now, v_campaign.account, 'controller', 'run', 'campaign ' || v_campaign.id, i.contract, 'refused',
                   jsonb_build_object('campaign', v_campaign.id, 'tasks', v_count, 'investigation', i.id,
                                      'why', 'The investigation is not open any more (R2.3).')
            FROM investigation i WHERE i.id = v_campaign.investigation;
        END IF;
        v_moved := v_moved + v_count;
    END LOOP;

    WITH ended AS (
        UPDATE campaign SET state = 'finished', changed_at = p_now, ended_at = p_now
        WHERE id IN (SELECT p.id FROM campaign p
                     WHERE p.state IN ('running', 'paused')
                       AND NOT EXISTS (SELECT FROM task t WHERE t.campaign = p.id AND t.state IN ('waiting', 'running')
                                       OFFSET 0)
                     LIMIT 500 FOR NO KEY UPDATE SKIP LOCKED)
        RETURNING id
    ), news AS (
        INSERT INTO outbox (at, topic, subject, payload)
        SELECT p_now, 'campaign.finished', id::text, jsonb_build_object('campaign', id) FROM ended)
    SELECT count(*) INTO v_count FROM ended;
    RETURN v_moved + v_count;
END $$;
