-- is_worker: a process that only works on tasks (hikitsugi worker). It lives on when the controller is killed and started
-- again, and goes on with what it has under way.
ALTER TABLE controller ADD is_worker boolean NOT NULL DEFAULT false;
