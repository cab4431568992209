-- Status comes over SSH or over ARMS. campaign.via: what was asked for, NULL: whatever fits each adapter.
-- task.via: what was used.

ALTER TABLE campaign ADD via text CHECK (via IN ('ssh', 'arms'));
ALTER TABLE task ADD via text CHECK (via IN ('ssh', 'arms'));

DROP FUNCTION finish_task;
CREATE FUNCTION finish_task(
    p_task bigint, p_fence integer, p_now timestamptz, p_failure text, p_detail text,
    p_lines text[], p_bodies bytea[], p_truncated boolean[], p_failures text[], p_details text[],
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
    INSERT INTO transcript (task, position, line, body, truncated, failure, detail, adapter, code, registered_since,
                            firmware, started_at, duration_s)
    SELECT p_task, o, line, body, cut, nullif(failure, ''), detail, v_task.adapter, v_task.code, p_registered_since,
           p_firmware, started, duration
    FROM unnest(p_lines, p_bodies, p_truncated, p_failures, p_details, p_started, p_durations) WITH ORDINALITY
         AS u (line, body, cut, failure, detail, started, duration, o);
    INSERT INTO outbox (at, topic, subject, payload)
    VALUES (p_now, 'task.' || v_task.state, v_task.adapter,
            jsonb_build_object('task', p_task, 'campaign', v_task.campaign, 'failure', p_failure));
    RETURN true;
END $$;
